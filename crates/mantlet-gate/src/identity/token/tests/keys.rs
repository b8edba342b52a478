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

#[test]
fn an_issuer_that_withdraws_all_keys_is_heard_at_once() {
    let world = World::new(rules());
    world.ring.replace(set(&[ec(&world.pair, "one", "P-256")]), BEGIN);
    let token = world.token(&header(), &claims());
    let verified = world.verify(&token).unwrap();
    assert!(verified.holders(&world.issuers, BEGIN).is_ok());
    for nothing in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","kid":"one","k":"AAAA"}]}"#] {
        let none = KeySet::listed(nothing.as_bytes()).unwrap();
        assert!(none.is_empty() && KeySet::parse(nothing.as_bytes()).is_err(), "in a file that is a mistake");
        world.ring.replace(none, BEGIN.plus_seconds(1));
        assert_eq!(world.verify_at(&token, 1), Err(TokenFault::KeyUnknown));
        assert_eq!(verified.holders(&world.issuers, BEGIN.plus_seconds(1)), Err(TokenFault::KeyUnknown));
    }
    world.ring.replace(set(&[ec(&world.pair, "one", "P-256")]), BEGIN.plus_seconds(2));
    assert!(world.verify_at(&token, 2).is_ok(), "and heard again when it has them back");
}

#[test]
fn the_same_keys_again_are_only_newer() {
    let world = World::new(rules());
    let keys = || set(&[ec(&world.pair, "one", "P-256")]);
    world.ring.replace(keys(), BEGIN);
    let before = world.ring.current(BEGIN).unwrap();
    world.ring.replace(keys(), BEGIN.plus_seconds(3_000));
    assert!(Arc::ptr_eq(&before, &world.ring.current(BEGIN.plus_seconds(6_000)).unwrap()));
    // Another key of the same name is another set, and so is the same key by another name.
    let other = World::new(rules());
    world.ring.replace(set(&[ec(&other.pair, "one", "P-256")]), BEGIN);
    assert!(!Arc::ptr_eq(&before, &world.ring.current(BEGIN).unwrap()));
    world.ring.replace(set(&[ec(&other.pair, "two", "P-256")]), BEGIN);
    assert_eq!(world.verify(&other.token(&header(), &claims())), Err(TokenFault::KeyUnknown));
}

#[test]
fn a_signature_that_failed_is_not_verified_again_until_the_keys_change() {
    let (world, other) = (World::new(rules()), World::new(rules()));
    let forged = other.token(&header(), &claims());
    for _ in 0..3 {
        assert_eq!(world.verify(&forged), Err(TokenFault::Signature));
    }
    let issuer = &world.issuers[0];
    assert_eq!(issuer.failed_for_test(), 1);
    // What fails for another reason may hold later, and costs nothing.
    assert!(world.verify(&world.token(&with(header(), "kid", json!("two")), &claims())).is_err());
    assert_eq!(issuer.failed_for_test(), 1);
    // It is the memory that answers: a token that would hold is refused by it.
    let good = world.token(&header(), &claims());
    issuer.fail_for_test(&good, BEGIN);
    assert_eq!(world.verify(&good), Err(TokenFault::Signature));
    // Under other keys it is another question.
    world.ring.replace(set(&[ec(&other.pair, "one", "P-256")]), BEGIN);
    assert!(world.verify(&forged).is_ok());
    for number in 0..=mantlet_types::limits::TOKENS_FAILED_MAX {
        issuer.fail_for_test(&number.to_string(), BEGIN);
    }
    assert!(issuer.failed_for_test() <= mantlet_types::limits::TOKENS_FAILED_MAX);
}

#[test]
fn a_token_under_other_rules_is_looked_at_anew() {
    let world = World::new(rules());
    let verified = world.verify(&world.token(&header(), &claims())).unwrap();
    let under = |rules: Rules| {
        let issuer = Issuer::new("ci".parse().unwrap(), rules, Arc::clone(&world.ring));
        verified.holders(&[Arc::new(issuer)], BEGIN).map(drop)
    };
    assert_eq!(under(rules()), Ok(()));
    for changed in [
        Rules { audience: "https://other.example".to_owned(), ..rules() },
        Rules { typ: TokenType::Jwt, ..rules() },
        Rules { algorithms: vec![Algorithm::EdDsa], ..rules() },
        Rules { holders: Holders::new([("home".parse().unwrap(), "x".into())]), ..rules() },
    ] {
        assert_eq!(under(changed), Err(TokenFault::Rules));
    }
    assert_eq!(verified.holders(&[], BEGIN), Err(TokenFault::Issuer));
}
