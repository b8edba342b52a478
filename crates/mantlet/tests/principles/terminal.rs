//! What commands print is data, to terminals too; and what they are told is obeyed or refused, never ignored.

use std::process::Output;

use crate::support::{Home, mantlet};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn who_asks_is_not_ignored_where_nobody_is_asked() {
    let home = Home::demo();
    let owner = home.founder(home.said("operator"));
    let dir = owner.dir.to_str().unwrap();
    for command in [&["audit", "export"][..], &["audit", "verify"]] {
        assert_eq!(home.run(command).status.code(), Some(0), "{command:?}");
        for option in [["--as", dir], ["--url", "https://127.0.0.1:1"]] {
            let refused = home.run(&[command, &option[..]].concat());
            assert_eq!(refused.status.code(), Some(2), "{command:?} {option:?}");
            assert!(
                refused.stdout.is_empty() && said(&refused).contains("audit search"),
                "{}",
                said(&refused)
            );
        }
    }
}

#[test]
fn a_terminal_is_told_nothing_that_it_would_obey() {
    // A name that clears the screen, and says something else.
    let name = "no\u{1b}[2Jwhere\u{202e}\u{9b}1m";
    let missing = mantlet().args(["evaluate", name, "--data", "rows.csv"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let text = said(&missing);
    assert!(text.contains("\\u{1b}[2Jwhere\\u{202e}\\u{9b}1m"), "{text}");
    assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
}
