use super::*;

#[test]
fn places_are_counted_in_lines_and_characters() {
    let node = read("{\n  \"ä\": [1, true],\n  \"b\": \"x\"\n}").unwrap();
    let list = node.get("ä").unwrap();
    assert_eq!(list.place, Place { line: 2, column: 8 });
    assert_eq!(list.items()[1].place, Place { line: 2, column: 12 });
    assert_eq!(node.get("b").unwrap().text(), Some("x"));
}

#[test]
fn what_two_programs_could_read_differently_is_refused() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        "[1,]",
        "[01]",
        "{'a':1}",
        "\"\\ud800\"",
        "\"\n\"",
        "1 2",
        "",
        "nul",
        "[1",
        "\"\\x\"",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read(&("[".repeat(DEPTH_MAX + 2) + &"]".repeat(DEPTH_MAX + 2))).is_err());
    assert!(read(&"[".repeat(1_000_000)).is_err());
}

#[test]
fn the_usual_parser_agrees() {
    let text = r#" {"a":[null,true,false,-1.5e3,"\u00e9\ud83d\ude00\n"],"b":{}} "#;
    let ours = read(text).unwrap();
    let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(ours.get("a").unwrap().items()[4].text(), theirs["a"][4].as_str());
    assert_eq!(ours.get("a").unwrap().items()[3].value, Value::Number("-1.5e3".to_owned()));
}
