//! For whom, from when until when, and as what.

use super::*;

// RFC 8725, 3.9

#[test]
fn a_token_for_somebody_else_is_refused() {
    let world = World::new(rules());
    for wrong in [
        json!("https://other.example"),
        json!("https://gate.example/"),
        json!("https://gate.exampl"),
        json!(""),
        json!([]),
        json!(["https://other.example"]),
        json!([format!("{AUD} https://other.example")]),
    ] {
        world.claim_fails("aud", wrong, TokenFault::Audience);
    }
    world.claim_fails("aud", Value::Null, TokenFault::Audience);
    for wrong in [json!(7), json!([AUD, 7]), json!({ "aud": AUD })] {
        world.claim_fails("aud", wrong, TokenFault::Claims);
    }
}

// Time: RFC 7519, 4.1.4 to 4.1.6

#[test]
fn a_token_ends_and_begins_within_a_minute_of_what_it_says() {
    let world = World::new(rules());
    let token = world.token(&header(), &claims());
    assert!(world.verify_at(&token, 600 + 59).is_ok());
    assert_eq!(world.verify_at(&token, 600 + 60), Err(TokenFault::Expired), "also one that is remembered");
    let fresh = World::new(rules());
    assert_eq!(fresh.verify_at(&fresh.token(&header(), &claims()), 600 + 60), Err(TokenFault::Expired));
    let fresh = World::new(rules());
    let token = fresh.token(&header(), &claims());
    assert_eq!(fresh.verify_at(&token, -61), Err(TokenFault::NotYet));
    assert!(fresh.verify_at(&token, -60).is_ok());
    world.claim_fails("nbf", json!(NOW_S + 61), TokenFault::NotYet);
    world.claim_fails("iat", json!(NOW_S + 61), TokenFault::NotYet);
    let without = with(claims(), "nbf", Value::Null);
    assert!(world.verify(&world.token(&header(), &without)).is_ok());
}

#[test]
fn times_are_required_and_numbers() {
    let world = World::new(rules());
    for name in ["exp", "iat"] {
        world.claim_fails(name, Value::Null, TokenFault::Claims);
    }
    for name in ["exp", "iat", "nbf"] {
        for wrong in [json!("1767225600"), json!(-1), json!(1e300), json!(true), json!([NOW_S])] {
            world.claim_fails(name, wrong, TokenFault::Claims);
        }
    }
}

#[test]
fn a_token_that_lives_for_days_is_refused() {
    let world = World::new(rules());
    let day = with(claims(), "exp", json!(NOW_S + 86_400));
    assert!(world.verify(&world.token(&header(), &day)).is_ok());
    world.claim_fails("exp", json!(NOW_S + 86_401), TokenFault::Lifetime);
    world.claim_fails("exp", json!(253_402_300_799_i64), TokenFault::Lifetime);
}

// RFC 8725, 3.11 and 3.12

#[test]
fn another_kind_of_token_is_refused() {
    let world = World::new(rules());
    for typ in ["application/at+jwt", "AT+JWT", "Application/At+Jwt"] {
        assert!(world.verify(&world.token(&with(header(), "typ", json!(typ)), &claims())).is_ok(), "{typ}");
    }
    for typ in ["JWT", "at+jwt ", "logout+jwt", "application/application/at+jwt", "at", ""] {
        world.header_fails("typ", json!(typ), TokenFault::Type);
    }
    world.header_fails("typ", Value::Null, TokenFault::Type);
    world.header_fails("typ", json!(7), TokenFault::Form);
    // An ID token of the same issuer is for a client, and says so by its type or its audience.
    let id_token = with(claims(), "aud", json!("client-7"));
    let as_jwt = world.token(&with(header(), "typ", json!("JWT")), &id_token);
    assert_eq!(world.verify(&as_jwt), Err(TokenFault::Type));
    let loose = World::new(Rules { typ: TokenType::Jwt, ..rules() });
    let as_jwt = loose.token(&with(header(), "typ", json!("JWT")), &id_token);
    assert_eq!(loose.verify(&as_jwt), Err(TokenFault::Audience));
    assert_eq!(loose.verify(&loose.token(&header(), &claims())), Err(TokenFault::Type));
    // Where there is to be no type, any is another.
    let none = World::new(Rules { typ: TokenType::Absent, ..rules() });
    assert!(none.verify(&none.token(&with(header(), "typ", Value::Null), &claims())).is_ok());
    assert_eq!(none.verify(&none.token(&header(), &claims())), Err(TokenFault::Type));
}
