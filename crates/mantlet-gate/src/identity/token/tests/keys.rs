//! Keys come, go and age.

use super::*;

#[test]
fn keys_that_nobody_could_fetch_for_an_hour_are_not_believed() {
    let world = World::new(rules());
    let keys = || set(&[ec(&world.pair, "one", "P-256")]);
    world.ring.replace(keys(), BEGIN);
    let long = with(claims(), "exp", json!(NOW_S + 10_000));
    let token = world.token(&header(), &long);
    assert!(world.verify_at(&token, 3_599).is_ok());
    assert_eq!(world.verify_at(&token, 3_600), Err(TokenFault::KeysStale), "also one that is remembered");
    let other = world.token(&header(), &with(long.clone(), "sub", json!("other")));
    assert_eq!(world.verify_at(&other, 3_600), Err(TokenFault::KeysStale));
    world.ring.replace(keys(), BEGIN.plus_seconds(3_600));
    assert!(world.verify_at(&token, 3_600).is_ok());
    let never = Issuer::new("ci".parse().unwrap(), rules(), Arc::new(KeyRing::awaited()));
    assert_eq!(verify(&[Arc::new(never)], &token, BEGIN), Err(TokenFault::KeysStale));
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_along() {
    let world = World::new(rules());
    let token = world.token(&header(), &claims());
    assert!(world.verify(&token).is_ok());
    let other = World::new(rules());
    world.ring.replace(set(&[ec(&other.pair, "two", "P-256")]), BEGIN);
    assert_eq!(world.verify(&token), Err(TokenFault::KeyUnknown), "also one that was remembered");
    world.ring.replace(set(&[ec(&other.pair, "one", "P-256")]), BEGIN);
    assert_eq!(world.verify(&token), Err(TokenFault::Signature));
}

#[tokio::test]
async fn however_many_want_a_new_key_they_are_one_wish() {
    let world = World::new(rules());
    let unknown = world.token(&with(header(), "kid", json!("two")), &claims());
    let short = std::time::Duration::from_millis(10);
    let wished = async |world: &World| tokio::time::timeout(short, world.ring.wanted()).await.is_ok();
    assert!(!wished(&world).await);
    // What does not hold anyway is no reason to ask for keys.
    for token in [
        world.token(&with(header(), "kid", json!("two")), &with(claims(), "aud", json!("x"))),
        world.token(&header(), &claims()),
    ] {
        let _ = world.verify(&token);
    }
    assert!(!wished(&world).await);
    for _ in 0..1_000 {
        assert_eq!(world.verify(&unknown), Err(TokenFault::KeyUnknown));
    }
    assert!(wished(&world).await);
    assert!(!wished(&world).await, "a thousand wishes are one");
}

#[test]
fn a_key_set_is_read_with_care() {
    let (one, two) = (World::new(rules()), World::new(rules()));
    let good = ec(&one.pair, "one", "P-256");
    let parsed = |keys: Value| KeySet::parse(json!({ "keys": keys }).to_string().as_bytes());
    assert_eq!(parsed(json!([good])).unwrap().len(), 1);
    // Two of one name: which one is meant?
    let both = parsed(json!([good, ec(&two.pair, "one", "P-256"), ec(&two.pair, "two", "P-256")])).unwrap();
    assert_eq!(both.len(), 1);
    for passed_over in [
        with(good.clone(), "use", json!("enc")),
        with(good.clone(), "use", json!(7)),
        with(good.clone(), "key_ops", json!(["sign"])),
        with(good.clone(), "kid", Value::Null),
        with(good.clone(), "crv", json!("P-521")),
        with(good.clone(), "crv", json!("P-384")),
        with(good.clone(), "x", json!(b64([7; 31]))),
        with(good.clone(), "y", json!("!")),
        with(good.clone(), "kty", json!("oct")),
        json!({ "kty": "RSA", "kid": "r", "n": b64([0xff; 128]), "e": "AQAB" }),
        json!({ "kty": "RSA", "kid": "r", "n": b64([0xff; 1024]), "e": "AQAB" }),
        json!("one"),
    ] {
        assert_eq!(parsed(json!([passed_over])).err(), Some(KeySetError::Empty), "{passed_over}");
    }
    for wrong in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(KeySet::parse(wrong.as_bytes()).err(), Some(KeySetError::Form), "{wrong}");
    }
    assert_eq!(parsed(json!(vec![good; 65])).err(), Some(KeySetError::Size));
    assert_eq!(KeySet::parse(&vec![b' '; (128 << 10) + 1]).err(), Some(KeySetError::Size));
    // A point off the curve verifies nothing.
    let off = with(ec(&one.pair, "one", "P-256"), "y", json!(b64([7; 32])));
    one.ring.replace(set(&[off]), BEGIN);
    assert_eq!(one.verify(&one.token(&header(), &claims())), Err(TokenFault::Signature));
}
