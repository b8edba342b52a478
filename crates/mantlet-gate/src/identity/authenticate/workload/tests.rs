//! Workloads at the first step of both doors.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mantlet_types::{Code, Rejection};
use serde_json::json;

use super::*;
use crate::{
    directory::{Change, Consumer},
    identity::{
        Credential,
        authenticate::renew,
        token::{Algorithm, Issuer, KeyRing, KeySet, Rules, TokenType},
        workload::{self, Holders, Trusted},
    },
    testing::{BEGIN, CONSUMER, Kit, PROJECT},
};

const SPIFFE: &str = "spiffe://prod.example/ns/shop/sa/fraud";

fn spiffe(text: &str) -> WorkloadIdentity {
    WorkloadIdentity::Spiffe { spiffe: text.parse().unwrap() }
}

fn subject(text: &str) -> WorkloadIdentity {
    WorkloadIdentity::Token { issuer: "ci".parse().unwrap(), subject: text.parse().unwrap() }
}

/// A gate that knows one issuer and one trust domain, and what signs for the issuer.
fn kit() -> (Kit, Ed25519KeyPair) {
    kit_with("/")
}

/// The same, where the project has those names of the trust domain that begin like this.
fn kit_with(begin: &str) -> (Kit, Ed25519KeyPair) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x }] });
    let rules = Rules {
        issuer: "https://issuer.example".to_owned(),
        audience: "gate".to_owned(),
        algorithms: vec![Algorithm::EdDsa],
        typ: TokenType::AccessToken,
        holders: Holders::new([(PROJECT.parse().unwrap(), "".into())]),
    };
    let ring = KeyRing::pinned(KeySet::parse(keys.to_string().as_bytes()).unwrap());
    let issuer = Arc::new(Issuer::new("ci".parse().unwrap(), rules, Arc::new(ring)));
    let kit = Kit::with(|snapshot| {
        let settings = Arc::make_mut(&mut snapshot.settings);
        settings.issuers = vec![issuer];
        settings.trust_domains = vec![trusted(begin)];
    });
    (kit, pair)
}

/// The trust domain, of which the project has names that begin like this.
fn trusted(begin: &str) -> Trusted {
    let holders = Holders::new([(PROJECT.parse().unwrap(), begin.into())]);
    Trusted { domain: "prod.example".parse().unwrap(), holders }
}

/// Gives the application these identities and no others.
fn map(kit: &Kit, consumer: &str, identities: &[WorkloadIdentity]) {
    let known = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    let record = Consumer { identities: identities.iter().cloned().collect(), ..known };
    kit.change(&[Change::PutConsumer(consumer.parse().unwrap(), record)]);
}

fn svid(id: &str) -> Svid {
    Svid { id: id.parse().unwrap(), expires: BEGIN.plus_seconds(3_600), vouched: true }
}

fn shown(arrival: Arrival, svid: Svid) -> Arrival {
    Arrival { channel: Channel::Workload(svid), ..arrival }
}

fn by_svid(kit: &Kit, svid: Svid) -> Arrival {
    shown(kit.arrival(Credential::Nothing), svid)
}

fn token(pair: &Ed25519KeyPair, sub: &str) -> String {
    let now = BEGIN.micros() / 1_000_000;
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "one" }).to_string();
    let claims = json!({
        "iss": "https://issuer.example", "aud": "gate", "sub": sub, "iat": now, "exp": now + 600,
    });
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(&header), part(&claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn known(kit: &Kit, arrival: Arrival) -> Principal {
    kit.authenticate(arrival).unwrap_or_else(|rejection| panic!("{:?}", rejection.cause))
}

fn why(rejection: &Rejection) -> &str {
    rejection.cause.as_deref().unwrap_or_default().split(':').next().unwrap_or_default()
}

#[track_caller]
fn check_fails(kit: &Kit, arrival: Arrival, cause: &str) {
    let rejection = kit.authenticate(arrival).err().expect("must not be known");
    assert_eq!((rejection.code, why(&rejection)), (Code::Unauthenticated, cause));
    assert!(rejection.detail.is_none());
}

#[test]
fn a_certificate_is_the_application_that_has_its_name() {
    let (kit, _) = kit();
    check_fails(&kit, by_svid(&kit, svid(SPIFFE)), "identity_unknown");
    map(&kit, CONSUMER, &[spiffe(SPIFFE)]);
    let principal = known(&kit, by_svid(&kit, svid(SPIFFE)));
    assert_eq!(principal.id().to_string(), format!("consumer:{CONSUMER}"));
    assert_eq!((principal.authn(), principal.mfa(), principal.kid()), (Authn::Spiffe, false, None));
    assert_eq!(principal.identity(), Some(workload::id(&spiffe(SPIFFE))));
    // Nothing below it, above it or like it.
    for other in [
        "spiffe://prod.example/ns/shop/sa/fraud/x",
        "spiffe://prod.example/ns/shop/sa",
        "spiffe://prod.example/ns/shop/sa/Fraud",
        "spiffe://prod.example/ns/shop/sa/fraud.",
    ] {
        check_fails(&kit, by_svid(&kit, svid(other)), "identity_unknown");
    }
}

#[test]
fn a_certificate_that_ended_or_lost_its_authority_counts_no_more() {
    let (kit, _) = kit();
    map(&kit, CONSUMER, &[spiffe(SPIFFE), spiffe("spiffe://other.example/a")]);
    check_fails(&kit, by_svid(&kit, Svid { vouched: false, ..svid(SPIFFE) }), "certificate_untrusted");
    check_fails(&kit, by_svid(&kit, svid("spiffe://other.example/a")), "identity_unknown");
    let before = known(&kit, by_svid(&kit, svid(SPIFFE)));
    kit.clock.advance(3_600);
    check_fails(&kit, by_svid(&kit, svid(SPIFFE)), "certificate_expired");
    assert_eq!(why(&renew(&kit.gate, before).err().unwrap()), "certificate_expired");
}

#[test]
fn a_token_is_the_application_that_has_its_subject() {
    let (kit, pair) = kit();
    let bearer = |sub: &str| kit.bearer(&token(&pair, sub));
    check_fails(&kit, bearer("shop"), "identity_unknown");
    map(&kit, CONSUMER, &[subject("shop")]);
    let principal = known(&kit, bearer("shop"));
    assert_eq!(principal.id().to_string(), format!("consumer:{CONSUMER}"));
    assert_eq!((principal.authn(), principal.kid()), (Authn::Token, None));
    assert_eq!(principal.identity(), Some(workload::id(&subject("shop"))));
    for other in ["Shop", "shop ", "sho", "shop2"] {
        check_fails(&kit, bearer(other), "identity_unknown");
    }
    check_fails(&kit, kit.bearer("a.b.c"), "token_form");
    check_fails(&kit, kit.bearer("mtk_live_a.b.c"), "not_a_key");
}

#[test]
fn a_removed_identity_fails_at_the_next_request() {
    let (kit, pair) = kit();
    map(&kit, CONSUMER, &[subject("shop"), spiffe(SPIFFE)]);
    let text = token(&pair, "shop");
    let arrivals = || [kit.bearer(&text), by_svid(&kit, svid(SPIFFE))];
    let before: Vec<Principal> = arrivals().into_iter().map(|arrival| known(&kit, arrival)).collect();
    map(&kit, CONSUMER, &[]);
    for arrival in arrivals() {
        check_fails(&kit, arrival, "identity_unknown");
    }
    for principal in before {
        assert_eq!(why(&renew(&kit.gate, principal).err().unwrap()), "identity_unknown");
    }
    // Nor does what was another's carry over.
    map(&kit, CONSUMER, &[subject("shop")]);
    let before = known(&kit, kit.bearer(&text));
    map(&kit, CONSUMER, &[]);
    map(&kit, "other-app", &[subject("shop")]);
    assert_eq!(why(&renew(&kit.gate, before).err().unwrap()), "identities_differ");
    assert_eq!(known(&kit, kit.bearer(&text)).id().to_string(), "consumer:other-app");
}

#[test]
fn an_identity_that_two_have_is_nobody_s() {
    let (kit, pair) = kit();
    map(&kit, CONSUMER, &[subject("shop")]);
    map(&kit, "other-app", &[subject("shop")]);
    check_fails(&kit, kit.bearer(&token(&pair, "shop")), "identity_unknown");
}

#[test]
fn an_application_that_is_gone_has_no_identity() {
    let (kit, pair) = kit();
    map(&kit, CONSUMER, &[subject("shop"), spiffe(SPIFFE)]);
    let known = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    for (record, cause) in [
        (Consumer { disabled: true, ..known.clone() }, "owner_disabled"),
        (Consumer { expires: BEGIN, ..known }, "owner_expired"),
    ] {
        kit.change(&[Change::PutConsumer(CONSUMER.parse().unwrap(), record)]);
        check_fails(&kit, kit.bearer(&token(&pair, "shop")), cause);
        check_fails(&kit, by_svid(&kit, svid(SPIFFE)), cause);
    }
}

#[test]
fn a_key_and_a_certificate_mean_one_application() {
    let (kit, pair) = kit();
    map(&kit, CONSUMER, &[subject("shop"), spiffe(SPIFFE)]);
    map(&kit, "other-app", &[subject("other"), spiffe("spiffe://prod.example/other")]);
    let (_, other_key) = kit.key("consumer:other-app");
    let both = known(&kit, shown(kit.bearer(&kit.consumer_key), svid(SPIFFE)));
    assert_eq!((both.authn(), both.kid().is_some()), (Authn::ApiKeyAndSpiffe, true));
    assert_eq!(both.identity(), Some(workload::id(&spiffe(SPIFFE))));
    let both = known(&kit, shown(kit.bearer(&token(&pair, "shop")), svid(SPIFFE)));
    assert_eq!(both.authn(), Authn::TokenAndSpiffe);
    assert_eq!(both.identity(), Some(workload::id(&subject("shop"))));
    // Two applications, or an application and a person, are no caller; nor is a certificate that is nobody's.
    let operator = kit.bearer(&kit.operator_key);
    for arrival in [kit.bearer(&other_key), kit.bearer(&token(&pair, "other")), operator] {
        check_fails(&kit, shown(arrival, svid(SPIFFE)), "identities_differ");
    }
    let unknown = svid("spiffe://prod.example/nobody");
    check_fails(&kit, shown(kit.bearer(&kit.consumer_key), unknown), "identity_unknown");
    let ended = Svid { expires: BEGIN, ..svid(SPIFFE) };
    check_fails(&kit, shown(kit.bearer(&kit.consumer_key), ended), "certificate_expired");
    // What was shown together is looked at again together.
    let before = known(&kit, shown(kit.bearer(&kit.consumer_key), svid(SPIFFE)));
    map(&kit, CONSUMER, &[subject("shop")]);
    assert!(renew(&kit.gate, before).is_err());
}

#[test]
fn a_name_that_the_configuration_gives_to_others_is_nobody_s_here() {
    let ((ours, _), (theirs, _)) = (kit_with("/ns/shop"), kit_with("/ns/other"));
    for kit in [&ours, &theirs] {
        map(kit, CONSUMER, &[spiffe(SPIFFE)]);
    }
    let before = known(&ours, by_svid(&ours, svid(SPIFFE)));
    check_fails(&theirs, by_svid(&theirs, svid(SPIFFE)), "identity_unknown");
    // What was shown under the one does not hold under the other, either.
    assert!(still_holds(&ours.gate.snapshot(), &before, BEGIN).is_ok());
    assert_eq!(still_holds(&theirs.gate.snapshot(), &before, BEGIN), Err(Failure::IdentityUnknown));
}

#[test]
fn a_token_holds_no_longer_than_the_rules_that_it_was_verified_under() {
    let ((before, pair), (after, _)) = (kit(), kit());
    for kit in [&before, &after] {
        map(kit, CONSUMER, &[subject("shop")]);
    }
    let principal = known(&before, before.bearer(&token(&pair, "shop")));
    assert!(still_holds(&before.gate.snapshot(), &principal, BEGIN).is_ok());
    // The same issuer by name and rules, and another key: as after a reload with another file.
    let failed = still_holds(&after.gate.snapshot(), &principal, BEGIN);
    assert_eq!(failed, Err(Failure::Token(token::TokenFault::KeyUnknown)));
}
