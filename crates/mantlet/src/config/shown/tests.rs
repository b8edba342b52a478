//! What is painted over, what is not, and that nothing moves.

use proptest::prelude::*;

use super::*;
use crate::config::{Config, Overlay};

const HEX: &str = "6f1d7c0e9b3a58d24c7e1f0a9d8b6c5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c";

/// All errors of a text, as a person sees them.
fn told(text: &str) -> String {
    let errors = Config::load(text, Overlay::default()).unwrap_err();
    let mut told = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    handler.render_report(&mut told, &errors).unwrap();
    told
}

#[test]
fn a_key_beside_an_error_is_not_told() {
    for (text, key) in [
        (format!("[store]\nroot_key = \"{HEX}\"\nroot = 1"), HEX),
        (format!("[store]\nroot = 1\nroot_key = '{HEX}' # keep"), HEX),
        (format!("[store]\n\"root\\u005fkey\" = \"{HEX}\"\nroot = 1"), HEX),
        ("[store]\nroot_key = \"hunter2\"\nroot = 1".to_owned(), "hunter2"),
        ("[store]\nother = \"hunter2\"\nroot_key = \"inside\"".to_owned(), "hunter2"),
        ("[store]\nroot_key = \"\"\"\nhunter2\n\"\"\"\nroot = 1".to_owned(), "hunter2"),
        ("[store]\nroot_key = \"hunter2\nroot = 1".to_owned(), "hunter2"),
        ("[store]\nroot_key = 31337\n".to_owned(), "31337"),
        ("store = { root_key = \"hunter2\", root = 1 }".to_owned(), "hunter2"),
        ("store.root_key = \"hunter2\"\nstore.root = 1".to_owned(), "hunter2"),
        ("[server]\napi_token = \"hunter2\"".to_owned(), "hunter2"),
        ("[server]\nlisten = \"x\"\n# password = hunter2".to_owned(), "hunter2"),
        (format!("[server]\nconnections_max = \"{HEX}\""), HEX),
        (format!("[server]\n{HEX} = 1"), HEX),
        (format!("[{HEX}]"), HEX),
        (format!("[server]\nlisten = \"x\" # {HEX}"), HEX),
        (
            "[log]\nlevel = \"mtk_live_0123456789AB_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH\""
                .to_owned(),
            "abcdefghij",
        ),
    ] {
        let told = told(&text);
        assert!(!told.contains(key), "{text}\n{told}");
        assert!(told.contains("mantlet.toml"), "no place is told: {text}\n{told}");
    }
}

#[test]
fn what_is_no_secret_is_shown() {
    for text in [
        "[server]\nlisten = \"127.0.0.1:8443\"\nnames = [\"gate-17.eu-central-1.example.com\"]",
        "certificate = \"/etc/ssl/certs/gate-2026.example.com/fullchain.pem\"",
        "[[model]]\nname = \"breast-cancer-wisconsin-diagnostic-v2\"\nthreshold = 0.85",
        "anchors = [\"/var/lib/anchors/node-1/checkpoint\"]\nallow = [\"2001:db8:85a3::8a2e:370:7334/128\"]",
        "handshake_timeout_ms = 5000\nkey_overlap_hours = 24\nkey = \"/etc/gate.key\"",
        "reservation = 'internationalization of 12345 things'",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn what_looks_like_a_key_is_painted_over() {
    for key in [
        HEX,
        "550e8400-e29b-41d4-a716-446655440000",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
        "x7Rk/2pQ+9Lm/4VbT0sWcYzE/8uHjNfGdA1q=",
        "AKIAIOSFODNN7EXAMPLE",
    ] {
        let text = format!("a = \"{key}\" # b");
        assert_eq!(shown(&text), text.replace(key, &"*".repeat(key.len())));
        assert_eq!(message(&format!("not `{key}`")), "not `…`");
    }
}

fn junk() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "[store]\n",
        "[server]\n",
        "root = 1\n",
        "listen = \"x\"\n",
        "x\n",
        "\n",
        "\"\"\"",
        "'",
        "[[",
        "=",
        "a = 1 ",
        "#",
        "[[model]]\n",
        "name = 'a'\n",
        "level = 7\n",
        "[log]\n",
        "{",
        "}",
        "root_key = ",
        "é",
    ])
}

#[test]
fn long_lines_of_telling_words_take_no_time() {
    let text = "root_key".repeat(100_000);
    assert_eq!(shown(&text), text);
    assert_eq!(shown(&"token=".repeat(100_000)).len(), 600_000);
}

proptest! {
    /// Whatever is wrong around it, and wherever it stands.
    #[test]
    fn a_typed_key_is_never_told(
        before in prop::collection::vec(junk(), 0..6),
        after in prop::collection::vec(junk(), 0..6),
        line in prop::sample::select(vec![
            "root_key = 'SESAME-open'", "root_key=\"SESAME-open\" # it", "\"root_key\" = \"SESAME-open\"",
            "store.root_key = 'SESAME-open'", "  root_key\t=\t\"\"\"SESAME-open\"\"\"",
            "store = { root_key = \"SESAME-open\", x = 1 }", "root_key = SESAME-open", "ROOT_KEY = 'SESAME-open'",
        ]),
    ) {
        let text = [before.concat().as_str(), "\n", line, "\n", after.concat().as_str()].concat();
        let told = match Config::load(&text, Overlay::default()) {
            Ok(_) => String::new(),
            Err(_) => told(&text),
        };
        prop_assert!(!told.contains("SESAME"), "{}\n{}", text, told);
    }

    /// Errors point into the text by bytes and lines.
    #[test]
    fn nothing_moves(parts in prop::collection::vec(prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "root_key", "=", "\"\"\"", "\"", "\n", "[store]\n", "é", "token", "\u{1F511}", HEX, "\r\n", " ",
        ]).prop_map(str::to_owned),
    ], 0..24)) {
        let text = parts.concat();
        let shown = shown(&text);
        prop_assert_eq!(shown.len(), text.len());
        for (shown, typed) in shown.bytes().zip(text.bytes()) {
            prop_assert!(shown == typed || (shown == b'*' && typed != b'\n' && typed != b'\r'));
        }
    }
}
