//! What a token is written like.

use mantlet_types::Timestamp;
use proptest::prelude::*;

use super::*;

#[test]
fn an_encrypted_or_nested_token_is_none() {
    let world = World::new(rules());
    let token = world.token(&header(), &claims());
    for wrong in [format!("{token}.a.b"), format!("{token}."), ".".into(), "..".into(), format!(".{token}")] {
        assert_eq!(world.verify(&wrong), Err(TokenFault::Form), "{wrong}");
    }
    let nested = compact(&header().to_string(), &token, &|message| world.sign(message));
    assert_eq!(world.verify(&nested), Err(TokenFault::Form));
}

#[test]
fn a_token_has_a_largest_size() {
    let world = World::new(rules());
    let padded = |length: usize| world.token(&header(), &with(claims(), "x", json!("x".repeat(length))));
    let fits = padded(5_600);
    assert!(fits.len() < mantlet_types::limits::TOKEN_BYTES_MAX && world.verify(&fits).is_ok());
    assert_eq!(world.verify(&padded(8_000)), Err(TokenFault::Size));
}

#[test]
fn a_token_says_each_thing_once() {
    let world = World::new(rules());
    let sign = |message: &[u8]| world.sign(message);
    let (plain, said) = (header().to_string(), claims().to_string());
    let twice = |text: &str, more: &str| format!("{{{more},{}", &text[1..]);
    for more in [r#""sub":"admin""#, r#""sub":"shop""#, r#""s\u0075b":"admin""#, r#""x":{"a":1,"a":1}"#] {
        assert_eq!(
            world.verify(&compact(&plain, &twice(&said, more), &sign)),
            Err(TokenFault::Form),
            "{more}"
        );
    }
    for more in [r#""alg":"none""#, r#""kid":"two""#] {
        assert_eq!(
            world.verify(&compact(&twice(&plain, more), &said, &sign)),
            Err(TokenFault::Form),
            "{more}"
        );
    }
    for wrong in ["", "[]", "7", "null", "{", &format!("{said}{said}"), "\u{feff}{}"] {
        assert_eq!(world.verify(&compact(&plain, wrong, &sign)), Err(TokenFault::Form), "{wrong}");
    }
    let latin: Sign<'_> = &sign;
    let signed = format!("{}.{}", b64(&plain), b64(b"{\"iss\":\"\xff\"}"));
    assert_eq!(world.verify(&format!("{signed}.{}", b64(latin(signed.as_bytes())))), Err(TokenFault::Form));
}

#[test]
fn base64_is_written_in_one_way() {
    let world = World::new(rules());
    let token = world.token(&header(), &claims());
    let parts: Vec<&str> = token.split('.').collect();
    for wrong in [
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}==", parts[0], parts[1], parts[2]),
        format!("{}. {}.{}", parts[0], parts[1], parts[2]),
        format!("{}\n.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}+/", parts[0], parts[1], parts[2]),
    ] {
        assert_eq!(world.verify(&wrong), Err(TokenFault::Form), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No other text than the one that was signed is the same token.
    #[test]
    fn a_changed_token_does_not_hold(at in 0_usize..400, byte in b' '..=b'~') {
        thread_local! {
            static SIGNED: (World, String) = {
                let world = World::new(rules());
                let token = world.token(&header(), &claims());
                (world, token)
            };
        }
        SIGNED.with(|(world, token)| {
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            let same = bytes[at] == byte;
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(world.verify(&changed).is_ok(), same, "{}", at);
            Ok(())
        })?;
    }

    #[test]
    fn no_text_is_too_much(text in "\\PC{0,200}") {
        let _ = reads(&text);
        prop_assert_eq!(verify(&[], &text, Timestamp::from_micros(0)).is_ok(), false);
    }
}
