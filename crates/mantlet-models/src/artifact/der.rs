//! Values of DER (X.690) as they stand in the bytes: a parser of certificates says what they mean, and forgives in some places
//! how they are written.

/// A tag, its content, and what comes after.
pub(super) struct Tlv<'d> {
    pub(super) tag: u8,
    pub(super) content: &'d [u8],
    /// Tag, length and content.
    pub(super) whole: &'d [u8],
    pub(super) rest: &'d [u8],
}

/// Takes one value off the front, whose length is written as DER writes it.
pub(super) fn tlv(der: &[u8]) -> Option<Tlv<'_>> {
    let (&tag, behind) = der.split_first()?;
    let (&first, behind) = behind.split_first()?;
    let (length, header) = match first {
        0..=0x7f => (usize::from(first), 2),
        0x81..=0x84 => {
            let bytes = usize::from(first - 0x80);
            let digits = behind.get(..bytes)?;
            let length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
            // Not in more digits than it takes.
            if digits[0] == 0 || length < 0x80 {
                return None;
            }
            (length, 2 + bytes)
        }
        _ => return None,
    };
    let end = header.checked_add(length)?;
    Some(Tlv { tag, content: der.get(header..end)?, whole: der.get(..end)?, rest: der.get(end..)? })
}

/// The first of what stands in a value, if it has this tag; and what comes after.
fn first(der: &[u8], tag: u8) -> Option<Tlv<'_>> {
    tlv(der).filter(|value| value.tag == tag)
}

/// Whether the parts of a certificate that nobody signs are written in the one way that there is: around the signed part, the
/// same algorithm that is named within, and a string of whole bytes.
pub(super) fn is_certificate(der: &[u8]) -> bool {
    let parts = || {
        let certificate = first(der, 0x30).filter(|it| it.rest.is_empty())?;
        let signed = first(certificate.content, 0x30)?;
        let algorithm = first(signed.rest, 0x30)?;
        let signature = first(algorithm.rest, 0x03).filter(|it| it.rest.is_empty())?;
        let version = first(signed.content, 0xa0)?;
        let serial = first(version.rest, 0x02)?;
        let within = first(serial.rest, 0x30)?;
        (within.whole == algorithm.whole && signature.content.first() == Some(&0)).then_some(())
    };
    parts().is_some()
}

/// DER of one value.
pub(super) fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let length = content.len().to_be_bytes();
    match content.len() {
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        short @ 0..=0x7f => der.push(short as u8),
        _ => {
            let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
            #[expect(clippy::cast_possible_truncation, reason = "at most eight")]
            der.push(0x80 | digits.len() as u8);
            der.extend_from_slice(&digits);
        }
    }
    der.extend_from_slice(content);
    der
}
