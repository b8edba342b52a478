//! Who may manage secrets, and that nothing shows their values but the one deed that does.

use mantlet_types::{Code, Role, entry::Event};

use super::*;
use crate::{
    administer::{Deed, administer},
    directory::Change,
    identity::Arrival,
    testing::{Kit, user},
};

const CANARY: &str = "sk-canary-7d1f";

async fn done<D: Deed>(kit: &Kit, arrival: Arrival, deed: D) -> Result<D::Reply, Code> {
    administer(kit.gate.clone(), arrival, deed).await.into_parts().0.map_err(|rejection| rejection.code)
}

fn keep(name: &str, body: &str, replaces: bool) -> KeepSecret {
    KeepSecret::new(name.parse().unwrap(), serde_json::from_str(body).unwrap(), replaces).unwrap()
}

fn value(kit: &Kit, name: &str) -> Option<String> {
    let snapshot = kit.gate.snapshot();
    let kept = snapshot.directory.secrets.get(&name.parse::<SecretName>().unwrap());
    kept.map(|kept| kept.value.expose_str().unwrap().to_owned())
}

fn body(value: &str) -> String {
    serde_json::json!({ "value": value }).to_string()
}

#[tokio::test]
async fn a_secret_is_kept_replaced_listed_shown_and_forgotten() {
    let kit = Kit::new();
    let operator = || kit.operator();
    let kept = done(&kit, operator(), keep("openai", &body(CANARY), false)).await.unwrap();
    assert_eq!((kept.about.version, value(&kit, "openai").as_deref()), (1, Some(CANARY)));
    let replaced = done(&kit, operator(), keep("openai", &body("second"), true)).await.unwrap();
    assert_eq!((replaced.about.version, value(&kit, "openai").as_deref()), (2, Some("second")));
    let misspelled = done(&kit, operator(), keep("openia", &body("third"), true)).await;
    assert_eq!(misspelled.unwrap_err(), Code::NotFound);
    let listed = done(&kit, operator(), ListSecrets).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!serde_json::to_string(&listed).unwrap().contains("second"));
    let shown = done(&kit, operator(), ShowSecret { name: "openai".parse().unwrap() }).await.ok().unwrap();
    assert_eq!(serde_json::to_value(&shown).unwrap()["value"], "second");
    done(&kit, operator(), RemoveSecret { name: "openai".parse().unwrap() }).await.unwrap();
    assert_eq!(value(&kit, "openai"), None);
    let gone = done(&kit, operator(), ShowSecret { name: "openai".parse().unwrap() }).await;
    assert_eq!(gone.err(), Some(Code::NotFound));
}

#[tokio::test]
async fn every_deed_is_in_the_log_and_no_value_is() {
    let kit = Kit::new();
    done(&kit, kit.operator(), keep("openai", &body(CANARY), false)).await.unwrap();
    done(&kit, kit.operator(), ShowSecret { name: "openai".parse().unwrap() }).await.ok().unwrap();
    let entries = kit.ledger.take();
    let of = |event| entries.iter().filter(|entry| entry.event == event).count();
    assert_eq!(
        (of(Event::SecretChange), of(Event::SecretRead)),
        (2, 1),
        "intent and outcome; one for a read"
    );
    assert!(
        entries
            .iter()
            .filter(|entry| matches!(entry.event, Event::SecretChange | Event::SecretRead))
            .all(|entry| entry.subject.as_ref().is_some_and(|subject| subject.as_str() == "secret:openai"))
    );
    let snapshot = kit.gate.snapshot();
    for text in [serde_json::to_string(&entries).unwrap(), format!("{:?}", snapshot.directory)] {
        assert!(!text.contains(CANARY));
    }
}

#[tokio::test]
async fn nobody_else_manages_secrets_or_learns_which_there_are() {
    let kit = Kit::new();
    kit.change(&[Change::PutUser("sue".parse().unwrap(), user(&[Role::Security]))]);
    done(&kit, kit.operator(), keep("openai", &body(CANARY), false)).await.unwrap();
    let arrivals = || {
        [
            kit.bearer(&kit.consumer_key),
            kit.bearer(&kit.operator_key),
            kit.bearer(&kit.key("user:ada").1),
            kit.bearer(&kit.key("user:sue").1),
        ]
    };
    for (at, arrival) in arrivals().into_iter().enumerate() {
        let shown = done(&kit, arrival, ShowSecret { name: "openai".parse().unwrap() }).await;
        assert!(matches!(shown.err(), Some(Code::Forbidden | Code::NotFound)), "{at}");
    }
    for (at, arrival) in arrivals().into_iter().enumerate() {
        let kept = done(&kit, arrival, keep("mine", &body("x"), false)).await;
        assert!(matches!(kept.unwrap_err(), Code::Forbidden | Code::NotFound), "{at}");
    }
    for arrival in arrivals() {
        let listed = done(&kit, arrival, ListSecrets).await;
        assert!(listed.is_err() || listed.unwrap().is_empty());
    }
    assert_eq!(value(&kit, "openai").as_deref(), Some(CANARY));
}

#[test]
fn values_are_checked_before_anything_is_kept() {
    let refused = |body: &str| {
        let request = serde_json::from_str(body).unwrap();
        KeepSecret::new("x".parse().unwrap(), request, false).err().map(|rejection| rejection.code)
    };
    let long =
        serde_json::json!({ "value": "x".repeat(mantlet_types::limits::SECRET_BYTES_MAX + 1) }).to_string();
    for body in [
        "{}",
        r#"{"value": ""}"#,
        r#"{"value": "a", "value_base64": "YQ=="}"#,
        r#"{"value_base64": "?"}"#,
        &long,
    ] {
        assert!(refused(body).is_some(), "{}", &body[..body.len().min(40)]);
    }
    assert_eq!(refused(r#"{"value_base64": "AP8="}"#), None, "bytes that are no text");
}
