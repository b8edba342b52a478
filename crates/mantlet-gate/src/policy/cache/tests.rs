use std::net::Ipv4Addr;

use super::*;
use crate::policy::testing::{NOW, id};

fn key<'a>(principal: &'a PrincipalId, resource: &'a Resource) -> Borrowed<'a> {
    Key {
        principal,
        action: Action::Predict,
        resource,
        authn: Authn::ApiKey,
        ip: Ipv4Addr::LOCALHOST.into(),
        mfa: false,
        protected: true,
    }
}

#[test]
fn what_differs_in_anything_is_not_recalled() {
    let cache = Cache::new();
    let (alice, consumer): (PrincipalId, PrincipalId) = (id("user:alice"), id("consumer:alice"));
    let (model, other) = (Resource::Model(id("m")), Resource::Model(id("n")));
    let known = key(&alice, &model);
    cache.remember(&known, Verdict::denied(), None);
    assert_eq!(cache.recall(&known, NOW), Some(Verdict::denied()));
    let strange = [
        key(&consumer, &model),
        key(&alice, &other),
        Key { action: Action::Explain, ..known.clone() },
        Key { authn: Authn::LocalOwner, ..known.clone() },
        Key { ip: Ipv4Addr::BROADCAST.into(), ..known.clone() },
        Key { mfa: true, ..known.clone() },
        Key { protected: false, ..known.clone() },
    ];
    for key in strange {
        assert_eq!(cache.recall(&key, NOW), None, "{key:?}");
    }
}

#[test]
fn an_entry_ends_in_the_millisecond_in_which_policies_say_so() {
    let cache = Cache::new();
    let (alice, model) = (id("user:alice"), Resource::Model(id("m")));
    let ends = Timestamp::from_micros(NOW.micros() + 1_500);
    cache.remember(&key(&alice, &model), Verdict::denied(), Some(ends));
    assert!(cache.recall(&key(&alice, &model), NOW).is_some());
    assert!(cache.recall(&key(&alice, &model), Timestamp::from_micros(NOW.micros() + 1_000)).is_none());
}

#[test]
fn the_cache_is_bounded() {
    let cache = Cache::new();
    let model = Resource::Model(id("m"));
    for number in 0..ENTRIES_MAX + ENTRIES_MAX / 4 {
        let user = id(&format!("user:u{number}"));
        cache.remember(&key(&user, &model), Verdict::denied(), None);
    }
    let len = cache.len();
    assert!(len <= ENTRIES_MAX && len > ENTRIES_MAX / 8, "{len}");
}
