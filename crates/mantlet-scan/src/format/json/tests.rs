use super::{Event, Reader};
use crate::scan::Stop;

fn events(text: &str) -> Result<usize, Stop> {
    let mut reader = Reader::new(text, false);
    let mut count = 0;
    while reader.next()?.is_some() {
        count += 1;
    }
    if reader.exhausted() { Ok(count) } else { Err(Stop::malformed(0, "trailing")) }
}

#[test]
fn what_serde_json_accepts_is_accepted() {
    for text in [
        "{}",
        "[]",
        " [ 1 , -2.5e+7, 0, 1E5 ] ",
        r#"{"a":{"b":[{},[],null,true,false,"x"]},"c":""}"#,
        r#""\u00e9\ud83d\ude00\n\/""#,
    ] {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok());
        assert!(events(text).is_ok(), "{text}");
    }
}

#[test]
fn malformed_text_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for text in [
        "",
        "{",
        "[1",
        "[1,]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        "[1 2]",
        "01",
        "-",
        "1.",
        "1e",
        "+1",
        "NaN",
        "nul",
        r#"{"a":1}}"#,
        "{} {}",
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        "\"\u{1}\"",
        r#""\ud800""#,
        r#""\x""#,
        "{]",
        "[}",
        "\u{feff}{}",
        "{'a':1}",
        r#"{1:2}"#,
        "// x\n{}",
        &deep,
    ] {
        assert!(events(text).is_err(), "{text}");
    }
}

#[test]
fn keys_and_numbers_are_given_as_they_mean() {
    let mut reader = Reader::new(r#"{"a\n": -Infinity}"#, true);
    assert_eq!(reader.next().unwrap(), Some((0, Event::ObjectStart)));
    assert_eq!(reader.next().unwrap(), Some((1, Event::Key("a\n".into()))));
    assert_eq!(reader.next().unwrap(), Some((8, Event::Number("-Infinity"))));
}
