use std::sync::Arc;

use mantlet_types::{Sha256, entry::Event};
use zeroize::Zeroizing;

use super::*;
use crate::{
    directory::{Change, User},
    testing::{BEGIN, CERTIFICATE, CLIENT, CONSUMER, Kit, OPERATOR, resealed},
};

const DAY: i64 = 86_400;

fn cause(rejection: &Rejection) -> &str {
    rejection.cause.as_deref().unwrap_or_default()
}

/// Rejected alike from outside, for this reason inside.
#[track_caller]
fn check_fails(kit: &Kit, arrival: Arrival, why: &str) {
    let rejection = kit.authenticate(arrival).err().expect("must not be known");
    assert_eq!(rejection.code, Code::Unauthenticated);
    assert!(rejection.detail.is_none() && rejection.field.is_none() && rejection.standing.is_none());
    assert_eq!(cause(&rejection).split(':').next(), Some(why));
}

fn in_url(kit: &Kit, key: &str) -> Arrival {
    kit.arrival(Credential::InUrl(vec![Zeroizing::new(key.to_owned())]))
}

/// The key with its last secret character another one, and the checksum right.
fn forged(key: &str) -> String {
    let last = if key.as_bytes()[64] == b'a' { 'b' } else { 'a' };
    resealed(&format!("{}{last}", &key[..64]))
}

#[test]
fn a_key_is_its_owner() {
    let kit = Kit::new();
    let principal = kit.authenticate(kit.bearer(&kit.consumer_key)).ok().unwrap();
    assert_eq!(principal.id().to_string(), format!("consumer:{CONSUMER}"));
    assert_eq!(principal.kid().unwrap().as_str(), &kit.consumer_key[9..21]);
    assert_eq!((principal.authn(), principal.mfa(), principal.protected()), (Authn::ApiKey, false, true));
    assert!(Arc::ptr_eq(principal.snapshot(), &kit.gate.snapshot()));
}

#[test]
fn what_is_no_credential() {
    let kit = Kit::new();
    check_fails(&kit, kit.arrival(Credential::Nothing), "no_credential");
    check_fails(&kit, kit.arrival(Credential::Malformed), "credential_malformed");
    check_fails(&kit, kit.bearer(""), "not_a_key");
    check_fails(
        &kit,
        kit.bearer(&kit.consumer_key.replace("live", "prod").replace("test", "prod")),
        "not_a_key",
    );
    let mut damaged = kit.consumer_key.clone();
    let digit = if damaged.ends_with('0') { "1" } else { "0" };
    damaged.replace_range(70.., digit);
    check_fails(&kit, kit.bearer(&damaged), "key_checksum");
    check_fails(&kit, kit.bearer(&forged(&kit.consumer_key)), "key_unknown");
    let stranger = key::mint(key::Env::Live, &kit.gate.snapshot().peppers).unwrap();
    check_fails(&kit, kit.bearer(&stranger.secret.reveal()), "key_unknown");
}

#[test]
fn a_kept_hash_is_no_credential() {
    // What the store holds does not open the gate: the secret of one key with the id of another neither.
    let kit = Kit::new();
    let (_, other) = kit.key(&format!("consumer:{CONSUMER}"));
    let mixed = resealed(&format!("{}{}", &kit.operator_key[..21], &other[21..65]));
    check_fails(&kit, kit.bearer(&mixed), "key_unknown");
}

#[test]
fn a_key_ends_exactly_when_it_says() {
    let kit = Kit::new();
    let arrival = || kit.bearer(&kit.consumer_key);
    kit.clock.set(Timestamp::from_micros(BEGIN.plus_seconds(90 * DAY).micros() - 1));
    assert!(kit.authenticate(arrival()).is_ok());
    kit.clock.set(BEGIN.plus_seconds(90 * DAY));
    check_fails(&kit, arrival(), "key_expired");
}

#[test]
fn a_replaced_key_ends_exactly_with_the_overlap() {
    let kit = Kit::new();
    let (kid, text) = kit.key(&format!("consumer:{CONSUMER}"));
    let until = BEGIN.plus_seconds(DAY);
    kit.change(&[Change::PutKey(kid, Key { state: KeyState::Retiring { until }, ..kit.kept(kid) })]);
    kit.clock.set(Timestamp::from_micros(until.micros() - 1));
    assert!(kit.authenticate(kit.bearer(&text)).is_ok());
    kit.clock.set(until);
    check_fails(&kit, kit.bearer(&text), "key_overlap_ended");
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_ok(), "the other key is not concerned");
}

#[test]
fn a_revoked_key_fails_at_the_next_request() {
    let kit = Kit::new();
    let (kid, text) = kit.key(&format!("consumer:{CONSUMER}"));
    let before = kit.authenticate(kit.bearer(&text)).ok().unwrap();
    kit.change(&[Change::PutKey(kid, Key { state: KeyState::Revoked, ..kit.kept(kid) })]);
    check_fails(&kit, kit.bearer(&text), "key_revoked");
    let rejection = renew(&kit.gate, before).err().unwrap();
    assert_eq!((rejection.code, cause(&rejection)), (Code::Unauthenticated, &*format!("key_revoked:{kid}")));
}

#[test]
fn a_key_may_be_tied_to_networks() {
    let kit = Kit::new();
    let (kid, text) = kit.key(&format!("consumer:{CONSUMER}"));
    let networks = vec!["192.0.2.0/29".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    kit.change(&[Change::PutKey(kid, Key { networks, ..kit.kept(kid) })]);
    let from = |ip: &str| Arrival { ip: ip.parse().unwrap(), ..kit.bearer(&text) };
    for ip in [CLIENT, "::ffff:192.0.2.7", "2001:db8::7"] {
        assert!(kit.authenticate(from(ip)).is_ok(), "{ip}");
    }
    for ip in ["192.0.2.8", "127.0.0.1", "2001:db9::7"] {
        check_fails(&kit, from(ip), "key_foreign_network");
    }
}

#[test]
fn an_owner_who_is_gone_has_no_key() {
    let kit = Kit::new();
    let consumer = kit.gate.snapshot().directory.consumers[CONSUMER].clone();
    let id = || CONSUMER.parse().unwrap();
    kit.change(&[Change::PutConsumer(
        id(),
        crate::directory::Consumer { disabled: true, ..consumer.clone() },
    )]);
    check_fails(&kit, kit.bearer(&kit.consumer_key), "owner_disabled");
    kit.change(&[Change::PutConsumer(id(), crate::directory::Consumer { expires: BEGIN, ..consumer })]);
    check_fails(&kit, kit.bearer(&kit.consumer_key), "owner_expired");
    let user = kit.gate.snapshot().directory.users[OPERATOR].clone();
    kit.change(&[Change::PutUser(OPERATOR.parse().unwrap(), User { disabled: true, ..user })]);
    check_fails(&kit, kit.operator(), "owner_disabled");
    check_fails(&kit, kit.local_owner(), "owner_disabled");
    check_fails(&kit, kit.bearer(&kit.key("user:nobody").1), "owner_unknown");
    check_fails(&kit, kit.bearer(&kit.key("component:serving").1), "owner_unknown");
}

#[test]
fn a_second_factor_is_the_same_user_s_listed_certificate() {
    let kit = Kit::new();
    let with = |digest, user: &str, key: &str| {
        let certificate =
            Certificate { digest, user: user.parse().unwrap(), expires: BEGIN.plus_seconds(DAY) };
        let channel = Channel::Tls(Some(certificate));
        kit.authenticate(Arrival { channel, ..kit.bearer(key) }).ok().unwrap()
    };
    let both = with(CERTIFICATE, OPERATOR, &kit.operator_key);
    assert_eq!((both.mfa(), both.authn()), (true, Authn::ApiKeyAndCertificate));
    for (digest, user, key) in [
        (Sha256([1; 32]), OPERATOR, &kit.operator_key),
        (CERTIFICATE, "ada", &kit.operator_key),
        (CERTIFICATE, OPERATOR, &kit.consumer_key),
        (CERTIFICATE, OPERATOR, &kit.key("user:ada").1),
        (CERTIFICATE, "ada", &kit.key("user:ada").1),
    ] {
        let one = with(digest, user, key);
        assert_eq!((one.mfa(), one.authn()), (false, Authn::ApiKey), "{user}");
    }
    let alone = Arrival { credential: Credential::Nothing, ..kit.operator() };
    check_fails(&kit, alone, "no_credential");
}

#[test]
fn a_withdrawn_certificate_ends_what_it_was_shown_for() {
    let kit = Kit::new();
    let principal = kit.authenticate(kit.operator()).ok().unwrap();
    let user = kit.gate.snapshot().directory.users[OPERATOR].clone();
    let without = User { certificates: Default::default(), ..user };
    kit.change(&[Change::PutUser(OPERATOR.parse().unwrap(), without)]);
    let rejection = renew(&kit.gate, principal).err().unwrap();
    assert!(cause(&rejection).starts_with("certificate_withdrawn"));
}

#[test]
fn the_home_s_owner_is_known_at_the_control_socket_only() {
    let kit = Kit::new();
    let principal = kit.authenticate(kit.local_owner()).ok().unwrap();
    assert_eq!(principal.id().to_string(), format!("user:{OPERATOR}"));
    assert_eq!((principal.authn(), principal.mfa(), principal.kid()), (Authn::LocalOwner, true, None));
    check_fails(&kit, kit.arrival(Credential::LocalOwner), "not_local_owner");
    let plain = Arrival { channel: Channel::PlaintextLoopback, ..kit.arrival(Credential::LocalOwner) };
    check_fails(&kit, plain, "not_local_owner");
    let nobody = Kit::with(|snapshot| Arc::make_mut(&mut snapshot.settings).local_owner = None);
    check_fails(&nobody, nobody.local_owner(), "not_local_owner");
}

#[test]
fn renewal_sees_the_newest_generation() {
    let kit = Kit::new();
    for arrival in [kit.bearer(&kit.consumer_key), kit.operator(), kit.local_owner()] {
        let before = kit.authenticate(arrival).ok().unwrap();
        kit.change(&[]);
        let id = before.id().clone();
        let after = renew(&kit.gate, before).ok().unwrap();
        assert_eq!((after.id(), after.snapshot().generation), (&id, kit.gate.snapshot().generation));
    }
}

#[test]
fn renewal_is_for_the_very_key() {
    let kit = Kit::new();
    let (kid, text) = kit.key(&format!("consumer:{CONSUMER}"));
    let before = kit.authenticate(kit.bearer(&text)).ok().unwrap();
    kit.change(&[Change::PutKey(kid, Key { hmac: [0; 32], ..kit.kept(kid) })]);
    assert!(renew(&kit.gate, before).is_err());
}

#[test]
fn a_key_in_a_url_is_no_credential() {
    let kit = Kit::new();
    let rejection = kit.authenticate(in_url(&kit, &kit.consumer_key)).err().unwrap();
    assert_eq!(rejection.code, Code::KeyInUrl);
}

#[test]
fn an_address_that_guesses_is_turned_away() {
    let kit = Kit::new();
    for _ in 0..10 {
        check_fails(&kit, kit.bearer("guess"), "not_a_key");
    }
    for arrival in
        [kit.bearer("guess"), kit.arrival(Credential::Nothing), kit.bearer(&forged(&kit.consumer_key))]
    {
        let rejection = kit.authenticate(arrival).err().unwrap();
        assert_eq!((rejection.code, cause(&rejection)), (Code::RateLimited, ""));
        assert_eq!(rejection.retry_after, Some(std::time::Duration::from_secs(6)), "it is not counted");
    }
    let elsewhere = Arrival { ip: "192.0.2.8".parse().unwrap(), ..kit.bearer("guess") };
    check_fails(&kit, elsewhere, "not_a_key");
    kit.clock.advance(6);
    check_fails(&kit, kit.bearer("guess"), "not_a_key");
}

#[test]
fn strangers_at_a_shared_address_lock_out_nobody_with_a_key() {
    let kit = Kit::new();
    for _ in 0..1_000 {
        assert!(kit.authenticate(kit.bearer("guess")).is_err());
    }
    assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_ok());
    assert!(kit.authenticate(kit.operator()).is_ok());
    assert!(kit.authenticate(kit.local_owner()).is_ok());
}

#[test]
fn a_key_behind_a_decoy_or_at_a_guessing_address_is_found() {
    let kit = Kit::new();
    let texts = |texts: &[&str]| {
        let texts = texts.iter().map(|text| Zeroizing::new((*text).to_owned())).collect();
        kit.arrival(Credential::InUrl(texts))
    };
    let found = |arrival: &Arrival| {
        let (rejection, kids) = refuse_leaked(&kit.gate, arrival);
        (rejection.code, kids.first().map(|kid| kid.as_str().to_owned()))
    };
    let kid = Some(kit.consumer_key[9..21].to_owned());
    let hidden = texts(&["mtk_x", &forged(&kit.consumer_key), &kit.consumer_key]);
    assert_eq!(found(&hidden), (Code::KeyInUrl, kid.clone()));
    for _ in 0..20 {
        assert!(kit.authenticate(kit.bearer("guess")).is_err());
    }
    assert_eq!(found(&hidden), (Code::RateLimited, kid));
    let mut many = vec!["mtk_x"; LEAKED_MAX];
    many.push(&kit.consumer_key);
    assert_eq!(found(&texts(&many)).1, None, "how much is tried is bounded");
}

#[test]
fn a_certificate_is_no_second_factor_once_it_has_ended() {
    let kit = Kit::new();
    let (_, key) = kit.key(&format!("user:{OPERATOR}"));
    let until = BEGIN.plus_seconds(DAY);
    let certificate = Certificate { digest: CERTIFICATE, user: OPERATOR.parse().unwrap(), expires: until };
    let arrival = || Arrival { channel: Channel::Tls(Some(certificate.clone())), ..kit.bearer(&key) };
    kit.clock.set(Timestamp::from_micros(until.micros() - 1));
    let before = kit.authenticate(arrival()).ok().unwrap();
    assert!(before.mfa());
    kit.clock.set(until);
    let after = kit.authenticate(arrival()).ok().unwrap();
    assert_eq!((after.mfa(), after.authn()), (false, Authn::ApiKey), "the connection is older than that");
    let rejection = renew(&kit.gate, before).err().unwrap();
    assert!(cause(&rejection).starts_with("certificate_expired"));
}

#[test]
fn success_is_not_counted() {
    let kit = Kit::new();
    for _ in 0..1_000 {
        assert!(kit.authenticate(kit.bearer(&kit.consumer_key)).is_ok());
    }
}

#[test]
fn a_record_knows_who_was_known() {
    let kit = Kit::new();
    let arrival = kit.operator();
    let mut record = Record::of(&kit.gate, Event::Inference, &arrival);
    assert!(authenticate(&kit.gate, arrival, &mut record).is_ok());
    let entry = record.entry().clone();
    assert_eq!(entry.principal.unwrap().to_string(), format!("user:{OPERATOR}"));
    assert_eq!(entry.authn, Some(Authn::ApiKeyAndCertificate));
    assert_eq!(entry.key_id.unwrap().as_str(), &kit.operator_key[9..21]);
    assert_eq!(entry.policy_gen, Some(kit.gate.snapshot().generation));
    let arrival = kit.bearer("guess");
    let mut record = Record::of(&kit.gate, Event::Inference, &arrival);
    assert!(authenticate(&kit.gate, arrival, &mut record).is_err());
    assert!(!record.is_authenticated() && record.entry().principal.is_none());
}
