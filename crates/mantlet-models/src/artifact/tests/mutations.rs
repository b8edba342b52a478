//! Every member of a bundle and of a statement, dropped, doubled, renamed and given another type: what is still taken means
//! what it meant before.

use serde_json::{Value, json};

use super::*;
use crate::artifact::statement::Statement;

/// The ways to every member of every object in a document.
fn members(value: &Value, here: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let path = format!("{here}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(path.clone());
                members(inner, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                members(inner, &format!("{here}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The object that holds a member, and the member's name.
fn holder<'v>(value: &'v mut Value, path: &str) -> (&'v mut serde_json::Map<String, Value>, String) {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let object = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    (object, key.replace("~1", "/").replace("~0", "~"))
}

/// Text in which one member stands twice, first as it is and then as `second`.
fn doubled(value: &Value, path: &str, second: &Value) -> String {
    const MARK: &str = "a member that stands nowhere else";
    let mut marked = value.clone();
    let (object, key) = holder(&mut marked, path);
    let first = object[&key].clone();
    object.insert(key.clone(), json!(MARK));
    let twice = format!("{first},{}:{second}", json!(key));
    marked.to_string().replace(&json!(MARK).to_string(), &twice)
}

/// Documents with one member changed, each with what was done.
fn mutations(value: &Value) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    members(value, "", &mut paths);
    let mut texts = Vec::new();
    for path in paths {
        let mut changed = |what: &str, change: &dyn Fn(&mut serde_json::Map<String, Value>, String)| {
            let mut copy = value.clone();
            let (object, key) = holder(&mut copy, &path);
            change(object, key);
            texts.push((format!("{what} {path}"), copy.to_string()));
        };
        changed("drop", &|object, key| drop(object.remove(&key)));
        changed("rename", &|object, key| {
            let inner = object.remove(&key).unwrap();
            object.insert(format!("{key}x"), inner);
        });
        changed("rename case", &|object, key| {
            let inner = object.remove(&key).unwrap();
            object.insert(key.to_uppercase(), inner);
        });
        let others =
            [json!(null), json!(true), json!(1), json!(1.5), json!(""), json!("x"), json!([]), json!({})];
        for other in others {
            changed(&format!("make {other} of"), &|object, key| drop(object.insert(key, other.clone())));
        }
        let original = value.pointer(&path).unwrap();
        texts.push((format!("double {path}"), doubled(value, &path, original)));
        texts.push((format!("double, differently, {path}"), doubled(value, &path, &json!("x"))));
    }
    texts
}

#[test]
fn a_bundle_with_one_member_changed_opens_to_the_same_statement_or_not_at_all() {
    let read = |path: &str| fs::read_to_string(vectors().join(path)).unwrap();
    for (signature, trusted) in [
        ("sigs/valid-p256.sig", "keys/p256.pub"),
        ("sigs/valid-v1.0.1.sig", "keys/p256.pub"),
        ("sigs/valid-cert.sig", "keys/ca.crt"),
    ] {
        let trusted = TrustedSigner::from_pem(&read(trusted)).unwrap();
        let whole: Value = serde_json::from_str(&read(signature)).unwrap();
        let payload = bundle::open(whole.to_string().as_bytes(), &trusted).unwrap().payload;
        for (what, text) in mutations(&whole) {
            let Ok(opened) = bundle::open(text.as_bytes(), &trusted) else { continue };
            assert_eq!(opened.payload, payload, "{signature}: {what}");
            assert!(!what.starts_with("double"), "{signature}: {what}");
        }
    }
}

#[test]
fn a_statement_with_one_member_changed_says_the_same_or_nothing() {
    let read = |path: &str| fs::read_to_string(vectors().join(path)).unwrap();
    for signature in ["sigs/valid-p256.sig", "sigs/valid-ignore.sig", "sigs/valid-shards-py.sig"] {
        let trusted = TrustedSigner::from_pem(&read("keys/p256.pub")).unwrap();
        let payload = bundle::open(read(signature).as_bytes(), &trusted).unwrap().payload;
        let whole: Value = serde_json::from_slice(&payload).unwrap();
        let said = Statement::parse(&payload, Shape::Directory).unwrap();
        for (what, text) in mutations(&whole) {
            let Ok(statement) = Statement::parse(text.as_bytes(), Shape::Directory) else { continue };
            assert!(!what.starts_with("double"), "{signature}: {what}");
            if what.starts_with("make \"x\"") && what.ends_with("/name") {
                assert!(
                    statement.files.contains_key("x") || what.contains("/subject/"),
                    "{signature}: {what}"
                );
                continue;
            }
            // The digests are as before. What may be left out (paths that are ignored, links) may only be less.
            assert_eq!(statement.files, said.files, "{signature}: {what}");
            assert_eq!(statement.is_sharded, said.is_sharded, "{signature}: {what}");
            assert!(statement.allows_symlinks <= what.contains("allow_symlinks"), "{signature}: {what}");
            assert!(!statement.ignores("weights-00001.bin"), "{signature}: {what}");
        }
    }
}
