//! The protobuf wire format, as far as inference messages need it.
//!
//! A derived decoder builds every repeated field that a message claims to have before anybody can count them: two bytes
//! on the wire become a struct of two hundred. So the one message that callers fill with data is read field by field,
//! against bounds, and written straight from the tensors. The format is that of protobuf's "Encoding" page; groups, which
//! proto3 does not have, are not taken.

use crate::server::json::Malformed;

/// The fields of a message, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

/// A field's value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// An integer, a truth value or an enumerator.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64([u8; 8]),
    /// Text, bytes, a message, or numbers packed together.
    Bytes(&'a [u8]),
    /// Four bytes, little-endian.
    Fixed32([u8; 4]),
}

impl<'a> Value<'a> {
    /// The bytes, if that is what it is.
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(Malformed) }
    }

    /// The text, if that is what it is.
    pub(super) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

impl<'a> Fields<'a> {
    /// The fields of this message.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next field's number and value.
    ///
    /// # Errors
    /// If what follows is no field.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.0)?;
        let number = u32::try_from(key >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => Value::Fixed64(fixed(&mut self.0)?),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| Malformed)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Fixed32(fixed(&mut self.0)?),
            _ => return Err(Malformed),
        };
        Ok(Some((number.ok_or(Malformed)?, value)))
    }
}

/// Takes an integer of up to ten bytes, seven bits each, the least first.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        let low = u64::from(byte & 0x7F);
        if shift == 63 && low > 1 {
            return Err(Malformed);
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

/// Takes so many bytes.
pub(super) fn fixed<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*taken)
}

/// A message under construction. As in proto3, what is zero or empty is not written.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Writes behind what is there.
    pub(super) fn behind(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// An integer without a field: one among packed ones.
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// Bytes without a field.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn key(&mut self, number: u32, kind: u64) {
        self.varint(u64::from(number) << 3 | kind);
    }

    pub(super) fn bool(&mut self, number: u32, value: bool) {
        self.key(number, 0);
        self.varint(u64::from(value));
    }

    pub(super) fn double(&mut self, number: u32, value: f64) {
        self.key(number, 1);
        self.raw(&value.to_le_bytes());
    }

    /// Text or bytes; written even if they are empty, for lists and choices.
    pub(super) fn bytes(&mut self, number: u32, bytes: &[u8]) {
        self.announce(number, bytes.len());
        self.raw(bytes);
    }

    /// Text, unless it is empty.
    pub(super) fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(number, text.as_bytes());
        }
    }

    /// Says that so many bytes of this field follow.
    pub(super) fn announce(&mut self, number: u32, length: usize) {
        self.key(number, 2);
        self.varint(length as u64);
    }

    /// What `pack` appends to the bytes so far: exactly as many as were announced.
    pub(super) fn append(&mut self, pack: impl FnOnce(&mut Vec<u8>)) {
        pack(&mut self.0);
    }

    /// A message within, or packed numbers.
    pub(super) fn nested(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.key(number, 2);
        let start = self.0.len();
        self.0.push(0);
        write(self);
        let length = (self.0.len() - start - 1) as u64;
        if let (Ok(short @ 0..0x80), Some(place)) = (u8::try_from(length), self.0.get_mut(start)) {
            *place = short; // as nearly all are: no byte has to move
            return;
        }
        let mut prefix = Self::default();
        prefix.varint(length);
        self.0.splice(start..=start, prefix.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_field_is_malformed() {
        for bytes in [
            &[0x00][..],         // number 0
            &[0x03],             // a group
            &[0x07],             // no kind
            &[0x08],             // nothing behind the key
            &[0x0A, 0x02, 0x41], // cut off
            &[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
            &[0x09, 1, 2, 3, 4, 5, 6, 7],
            &[0x0D, 1, 2, 3],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00], // a number above 2^29
        ] {
            assert_eq!(Fields::of(bytes).next(), Err(Malformed), "{bytes:?}");
        }
        assert_eq!(Fields::of(&[]).next(), Ok(None));
    }

    #[test]
    fn long_messages_within_move_to_make_room_for_their_length() {
        for length in [0, 1, 127, 128, 16_383, 16_384] {
            let mut writer = Writer::behind(vec![9]);
            writer.nested(2, |within| within.raw(&vec![7; length]));
            let bytes = writer.into_bytes();
            let mut fields = Fields::of(&bytes[1..]);
            assert_eq!(fields.next(), Ok(Some((2, Value::Bytes(&vec![7; length])))));
            assert_eq!(fields.next(), Ok(None));
        }
    }

    proptest! {
        #[test]
        fn written_fields_read_back(number in 1_u32..1 << 29, integer: u64, double: f64, text in ".{0,200}") {
            let mut writer = Writer::default();
            writer.key(number, 0);
            writer.varint(integer);
            writer.double(number, double);
            writer.bytes(number, text.as_bytes());
            let bytes = writer.into_bytes();
            let mut fields = Fields::of(&bytes);
            prop_assert_eq!(fields.next(), Ok(Some((number, Value::Varint(integer)))));
            prop_assert_eq!(fields.next(), Ok(Some((number, Value::Fixed64(double.to_le_bytes())))));
            prop_assert_eq!(fields.next(), Ok(Some((number, Value::Bytes(text.as_bytes())))));
            prop_assert_eq!(fields.next(), Ok(None));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut fields = Fields::of(&bytes);
            while let Ok(Some(_)) = fields.next() {}
        }
    }
}
