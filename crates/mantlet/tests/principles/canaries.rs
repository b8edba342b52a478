//! Metadata only: no input, no output, no key turns up where it does not belong.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose};
use serde_json::json;

use crate::support::{
    Home, Server,
    rows::{benign, inference, named, question},
};

const PREDICT: &str = "/v1/models/breast-cancer/predict";

/// What must not be found, in the forms in which a careless program keeps things.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    let bytes = canary.as_bytes();
    let hex = |upper: bool| -> String {
        bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let mut forms = vec![bytes.to_vec(), hex(false).into_bytes(), hex(true).into_bytes()];
    // Base64 depends on where in a longer text the canary begins; what is sure is the part between the edges.
    for engine in [&general_purpose::STANDARD_NO_PAD, &general_purpose::URL_SAFE_NO_PAD] {
        for lead in 0..3 {
            let text = engine.encode([&vec![b' '; lead], bytes].concat());
            forms.push(text.as_bytes()[lead + lead.div_ceil(2)..text.len() - 2].to_vec());
        }
    }
    forms
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Where a canary is found.
fn found<'a>(places: &'a [(PathBuf, Vec<u8>)], canary: &str) -> Vec<&'a PathBuf> {
    let forms = forms(canary);
    places
        .iter()
        .filter(|(_, bytes)| forms.iter().any(|form| contains(bytes, form)))
        .map(|(path, _)| path)
        .collect()
}

/// Every place where something could be kept: the files of the home, without the zeros that files are reserved with,
/// and what was written beside them.
fn places(home: &Home, more: Vec<(&str, String)>) -> Vec<(PathBuf, Vec<u8>)> {
    let trimmed = |bytes: Vec<u8>| {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes[..end].to_vec()
    };
    let files = home.bytes().into_iter().map(|(path, bytes)| (path, trimmed(bytes)));
    files.chain(more.into_iter().map(|(name, text)| (PathBuf::from(name), text.into_bytes()))).collect()
}

#[test]
fn nothing_that_was_sent_is_kept() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let monitor = home.key("watcher", &["--monitor"]);
    let server = Server::with(&home, &[], &[("MANTLET_LOG", "trace")]);
    let client = server.client_with(&key.key);
    let canary = |place: &str| format!("Canary-{place}-hK2vQ9xW7z");
    let number = "123.4567890123";
    let mut row = named(&benign());
    row.insert("mean_area".to_owned(), json!(123.456_789_012_3));
    let answered = client.post(PREDICT, &json!({ "features": row }));
    assert_eq!(answered.status, 200, "{}", answered.text());
    let spread = |body: serde_json::Value| {
        let client = client
            .clone()
            .header("x-note", &canary("header"))
            .header("user-agent", &canary("agent"))
            .header("cookie", &canary("cookie"))
            .header("traceparent", &canary("trace"))
            .header("x-request-id", &canary("request"));
        [
            client.post(PREDICT, &body),
            client.post(&format!("{PREDICT}?{}=1", canary("query")), &body),
            client.post("/v2/models/breast-cancer/infer", &body),
            client.post("/v2/models/breast-cancer/explain", &body),
            client.post(&format!("/v1/models/{}/predict", canary("path")), &body),
            client.get(&format!("/{}", canary("route"))),
            server.client_with(&canary("bearer")).post(PREDICT, &body),
            client.post("/admin/v1/keys", &json!({ "consumer": canary("consumer"), "project": "home" })),
            client.post("/audit/v1/search", &json!({ "principal": canary("principal") })),
            client.post("/audit/v1/prove", &json!({ "receipt": canary("receipt") })),
        ]
    };
    let mut member = named(&benign());
    member.insert(canary("name"), json!(1));
    let mut value = named(&benign());
    value.insert("mean_area".to_owned(), json!(canary("value")));
    let mut v2 = inference(&benign());
    v2["id"] = json!(canary("id"));
    v2["parameters"] = json!({ "note": canary("parameter") });
    let bodies = [
        json!({ "features": member }),
        json!({ "features": value }),
        json!({ canary("member"): 1, "features": named(&benign()) }),
        json!({ "features": named(&benign()), "options": { canary("option"): canary("choice") } }),
        json!(canary("body")),
        v2,
    ];
    let mut said = String::new();
    for body in bodies {
        for reply in spread(body) {
            assert!(reply.status != 503, "{}", reply.text());
            // An id that the protocol echoes is its sender's own; nothing else comes back.
            said.push_str(&reply.text().replace(&canary("id"), ""));
        }
    }
    let metrics = server.client_with(&monitor.key).get("/metrics");
    let metrics = if metrics.status == 200 {
        metrics.text()
    } else {
        server.client_as(&home.founder(home.said("operator"))).get("/metrics").text()
    };
    assert!(metrics.contains("# TYPE"), "{metrics}");
    let stderr = server.said();
    assert!(stderr.contains("rejected"), "the log is silent: {stderr}");
    server.stop();
    let export = home.run(&["audit", "export"]).stdout;
    let export = String::from_utf8(export).unwrap();
    assert!(export.contains("consumer:app"));
    let places =
        places(&home, vec![("stderr", stderr), ("metrics", metrics), ("export", export), ("replies", said)]);
    let kept: Vec<_> = [canary("").trim_end_matches("-hK2vQ9xW7z").to_owned(), "hK2vQ9xW7z".to_owned()]
        .into_iter()
        .chain([number.to_owned(), "123.45678901".to_owned()])
        .flat_map(|canary| {
            found(&places, &canary)
                .into_iter()
                .map(move |path| (canary.clone(), path.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(kept.is_empty(), "{kept:?}");
    // Numbers may be kept as the machine keeps them.
    for bytes in [123.456_789_012_3_f64.to_le_bytes().to_vec(), 123.456_789_012_3_f64.to_be_bytes().to_vec()]
    {
        assert!(!places.iter().any(|(_, content)| contains(content, &bytes)));
    }
}

/// Names are checked, and a checked name is still what its sender chose: none is kept before something has it.
#[test]
fn a_name_that_nothing_has_is_not_kept() {
    let home = Home::demo();
    let key = home.busy_key("app");
    let server = Server::with(&home, &[], &[("MANTLET_LOG", "trace")]);
    let (client, canary) = (server.client_with(&key.key), "canary-hk2vq9xw7z");
    let mut last = String::new();
    for path in [
        format!("/v1/models/{canary}/predict"),
        format!("/v1/models/{canary}/versions/7/predict"),
        format!("/v2/models/{canary}/infer"),
    ] {
        let reply = client.post(&path, &question(&benign()));
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
        last = reply.request_id().to_owned();
    }
    for path in [
        format!("/v2/models/{canary}"),
        format!("/v2/models/{canary}/ready"),
        format!("/v2/models/{canary}/stats"),
        format!("/admin/v1/keys?project={canary}"),
        format!("/admin/v1/keys?consumer={canary}"),
    ] {
        client.get(&path);
    }
    client.post(&format!("/admin/v1/models/{canary}?project=home"), &json!({}));
    client.post("/admin/v1/keys", &json!({ "consumer": "x", "project": canary, "models": [canary] }));
    assert_eq!(home.entries_in_time(&last, 1)[0]["error_code"], "not_found");
    let stderr = server.said();
    server.stop();
    let places = places(&home, vec![("stderr", stderr)]);
    let kept: Vec<_> = home.log().into_iter().filter(|entry| entry.to_string().contains(canary)).collect();
    assert!(kept.is_empty(), "{kept:#?}");
    assert_eq!(found(&places, canary), Vec::<&PathBuf>::new());
}

#[test]
fn keys_are_shown_once_and_kept_nowhere() {
    let home = Home::demo();
    let key = home.key("app", &["--model", "breast-cancer"]);
    let server = Server::with(&home, &[], &[("MANTLET_LOG", "trace")]);
    let person = home.bound("reader", "reader");
    let rotated = home.json(&["key", "rotate", &key.kid]);
    let keys = [
        &key.key,
        &person.key,
        &home.said("operator_key").to_owned(),
        &rotated["key"].as_str().unwrap().to_owned(),
    ];
    for key in keys {
        let reply = server.client_with(key).post(PREDICT, &question(&benign()));
        assert!(!reply.text().contains(key.as_str()));
        server.client().get(&format!("/v2?key={key}"));
    }
    let stderr = server.said();
    server.stop();
    let places = places(&home, vec![("stderr", stderr), ("list", home.json(&["key", "list"]).to_string())]);
    for key in keys {
        // The id is public; the secret is what comes after it.
        let secret = &key["mtk_live_".len() + 13..];
        assert_eq!(found(&places, secret), Vec::<&PathBuf>::new());
    }
    // The demonstration's own key is kept by design, so that `mantlet env` can hand it on, and nowhere else.
    let demo = &home.said("demo_key")["mtk_test_".len() + 13..];
    assert_eq!(found(&places, demo), [&home.path.join("keys/demo.key")]);
}

#[test]
fn the_search_finds_what_it_looks_for() {
    // A search that finds nothing, ever, would make the tests above worthless.
    let canary = "Canary-hK2vQ9xW7z";
    for (kept, hides) in [
        (format!("xx{canary}yy"), true),
        (general_purpose::STANDARD.encode(format!("a{canary}b")), true),
        (general_purpose::STANDARD.encode(format!("ab{canary}bc")), true),
        (general_purpose::URL_SAFE.encode(format!("abc{canary}bcd")), true),
        (canary.bytes().map(|byte| format!("{byte:02x}")).collect(), true),
        ("nothing".to_owned(), false),
    ] {
        let places = [(PathBuf::from("file"), kept.clone().into_bytes())];
        assert_eq!(!found(&places, canary).is_empty(), hides, "{kept}");
    }
}
