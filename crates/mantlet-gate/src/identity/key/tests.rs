use proptest::prelude::*;

use super::*;

const PEPPER: [u8; 32] = [7; 32];

fn minted() -> (Kid, String, [u8; 32]) {
    let Minted { kid, secret, hmac, .. } = mint(Env::Live, &Peppers::new(1, &PEPPER)).unwrap();
    (kid, secret.reveal().to_string(), hmac)
}

/// A key of these parts, with the checksum that belongs to them.
fn key(env: &str, kid: &str, secret: &str) -> String {
    let head = format!("mtk_{env}_{kid}_{secret}");
    let crc = checksum(head.as_bytes());
    head + std::str::from_utf8(&crc).unwrap()
}

/// `\bmtk_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}\b`, for a text that is nothing else.
fn matches_scanner(text: &str) -> bool {
    let rest = text.strip_prefix("mtk_live_").or_else(|| text.strip_prefix("mtk_test_"));
    let Some((kid, tail)) = rest.and_then(|rest| rest.split_once('_')) else { return false };
    let plain = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_alphanumeric());
    plain(kid, 12) && plain(tail, 49)
}

/// The checksum by other means: bit by bit with the reflected polynomial, digits by repeated division from the front.
fn slow_checksum(bytes: &[u8]) -> String {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let crc = u64::from(!crc);
    (0..6).rev().map(|place| char::from(BASE62[(crc / 62_u64.pow(place) % 62) as usize])).collect()
}

#[test]
fn checksum_of_the_standard_vector() {
    // CRC-32/ISO-HDLC of "123456789" is 0xCBF43926.
    let digits: [u64; 6] = [3, 45, 35, 27, 22, 14];
    assert_eq!(digits.iter().fold(0, |value, digit| value * 62 + digit), 0xCBF4_3926);
    assert_eq!(&checksum(b"123456789"), b"3jZRME");
}

#[test]
fn a_minted_key_is_what_scanners_look_for() {
    let (kid, text, hmac) = minted();
    assert_eq!(text.len(), KEY_LENGTH);
    assert!(matches_scanner(&text));
    let presented = parse(&text).unwrap();
    assert_eq!((presented.env, presented.kid), (Env::Live, kid));
    // HMAC-SHA256 of the 43 characters alone, spelled out (RFC 2104), so that other tools can check a dump.
    let pad = |byte: u8| PEPPER.iter().map(|b| b ^ byte).chain([byte; 32]).collect::<Vec<u8>>();
    let sha = |parts: [&[u8]; 2]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &parts.concat());
    let inner = sha([&pad(0x36), &text.as_bytes()[22..65]]);
    assert_eq!(sha([&pad(0x5C), inner.as_ref()]).as_ref(), hmac);
}

#[test]
fn digits_are_uniform() {
    let mut text = String::new();
    push_random(&mut text, 62_000).unwrap();
    let mut counts = [0_u32; 128];
    text.bytes().for_each(|b| counts[usize::from(b)] += 1);
    let seen: Vec<u32> = counts.into_iter().filter(|count| *count > 0).collect();
    assert_eq!(seen.len(), 62);
    // 1,000 expected of each, standard deviation 31.4: eight of them are never seen; reduction without rejection
    // would put the first eight digits at 1,211.
    let spread: f64 = seen.iter().map(|count| (f64::from(*count) - 1_000.0).powi(2) / 1_000.0).sum();
    assert!(spread < 61.0 + 8.0 * 11.05, "chi-squared with 61 degrees of freedom: {spread}");
}

#[test]
fn peppers_verify_what_they_made() {
    let (_, text, hmac) = minted();
    let presented = parse(&text).unwrap();
    let mut peppers = Peppers::new(1, &PEPPER);
    peppers.add(2, &[8; 32]);
    assert_eq!(peppers.current(), Some(2));
    assert!(peppers.verify(&presented, Some((1, &hmac))), "an old pepper still verifies");
    assert!(!peppers.verify(&presented, Some((2, &hmac))));
    assert!(!peppers.verify(&presented, Some((3, &hmac))), "a pepper that is gone");
    assert!(!peppers.verify(&presented, Some((1, &[0; 32]))));
    assert!(!peppers.verify(&presented, None));
    assert!(!Peppers::default().verify(&presented, Some((1, &hmac))));
    assert_eq!(mint(Env::Test, &Peppers::default()).err(), Some(MintError::Pepper));
    // Another secret's HMAC does not verify, and neither does the pepper's own of nothing.
    let (_, other, _) = minted();
    assert!(!peppers.verify(&parse(&other).unwrap(), Some((1, &hmac))));
}

#[test]
fn nothing_shows_a_secret() {
    let (_, text, _) = minted();
    let presented = format!("{:?}", parse(&text).unwrap());
    assert!(!presented.contains(&text[22..65]), "{presented}");
    assert_eq!(format!("{:?}", Peppers::new(1, &PEPPER)), "{1}");
}

#[test]
fn what_is_no_key() {
    let (kid, secret) = ("0123456789AB", "a".repeat(43));
    assert!(parse(&key("live", kid, &secret)).is_ok());
    assert!(parse(&key("test", kid, &secret)).is_ok());
    for bad in [
        String::new(),
        key("prod", kid, &secret),
        key("LIVE", kid, &secret),
        key("live", "0123456789A", &format!("{secret}a")),
        key("live", "0123456789_B", &secret),
        key("live", "0123456789é", &secret),
        key("live", kid, &format!("{}-", &secret[1..])),
        key("live", kid, &secret[1..]),
        format!(" {}", key("live", kid, &secret)),
        format!("{}\n", key("live", kid, &secret)),
    ] {
        assert_eq!(parse(&bad).err(), Some(KeyError::Form), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn parses_exactly_what_scanners_match(
        env in "live|test", kid in "[0-9A-Za-z]{12}", secret in "[0-9A-Za-z]{43}",
    ) {
        let text = key(&env, &kid, &secret);
        prop_assert!(matches_scanner(&text));
        prop_assert_eq!(&text[65..], slow_checksum(&text.as_bytes()[..65]));
        let presented = parse(&text).unwrap();
        prop_assert_eq!(presented.kid.as_str(), kid);
        prop_assert_eq!(presented.secret, secret.as_bytes());
    }

    /// CRC-32 finds every burst of at most 32 bits, so every single wrong character.
    #[test]
    fn every_wrong_character_is_found(
        kid in "[0-9A-Za-z]{12}", secret in "[0-9A-Za-z]{43}", at in 0_usize..KEY_LENGTH, digit in "[ -~]",
    ) {
        let mut text = key("live", &kid, &secret);
        prop_assume!(text[at..=at] != digit);
        text.replace_range(at..=at, &digit);
        prop_assert!(parse(&text).is_err());
    }

    #[test]
    fn hostile_text_is_rejected_without_a_panic(text in any::<String>(), tail in "\\PC{0,80}") {
        prop_assert!(parse(&text).is_err());
        let text = format!("mtk_live_{tail}");
        prop_assert!(parse(&text).is_err());
    }

    /// Multi-byte characters across every boundary of the fixed layout.
    #[test]
    fn no_boundary_splits_a_character(at in 0_usize..KEY_LENGTH - 3, wide in "[é€😀]") {
        let mut text = "a".repeat(at) + &wide;
        text.push_str(&"a".repeat(KEY_LENGTH.saturating_sub(text.len())));
        prop_assert!(parse(&text).is_err());
    }
}
