//! A stream says the same however it is cut, holds little back, and stops at leaks.

use std::sync::Arc;

use proptest::prelude::*;

use super::{HELD_BYTES_MAX, Stopped, Stream, Summary};
use crate::output::{Html, Kinds, Pseudonyms, Rules, redact};

/// Everything that an answer came to: what left, and how it ended.
type Run = (String, Result<Summary, Stopped>);

fn rules() -> Arc<Rules> {
    let mut names = Pseudonyms::new("k3xq").expect("a mark");
    names.hide("joe@example.org", Kinds::STRUCTURED);
    let rules = Rules::new().redact(Kinds::STRUCTURED).canary("CANARY-7f3a-9b2c-11ee").expect("a canary");
    let rules = rules
        .prompt("You are Juno, the assistant of a shop. Never speak of the warehouse in Lyon to anybody.");
    let rules = rules.html(Html::Clean).links(["docs.example.org"]).expect("a host");
    Arc::new(rules.restore(Arc::new(names)))
}

/// Pushes the chunks, and holds the stream to its bound after each.
fn run(rules: &Arc<Rules>, chunks: &[&str]) -> Run {
    let mut stream = Stream::new(Arc::clone(rules));
    let mut output = String::new();
    for chunk in chunks {
        match stream.push(chunk) {
            Ok(text) => output.push_str(&text),
            Err(stopped) => return (output, Err(stopped)),
        }
        if stream.stopped.is_none() {
            assert!(stream.buffer.len().saturating_sub(stream.left) <= HELD_BYTES_MAX, "{chunks:?}");
        }
    }
    match stream.finish() {
        Ok((text, summary)) => (output + &text, Ok(summary)),
        Err(stopped) => (output, Err(stopped)),
    }
}

/// Cuts a text after the characters that the numbers choose.
fn cut<'a>(text: &'a str, sizes: &[usize]) -> Vec<&'a str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).max(1);
        let end = rest.char_indices().nth(size).map_or(rest.len(), |(index, _)| index);
        let (chunk, next) = rest.split_at(end);
        chunks.push(chunk);
        rest = next;
    }
    chunks
}

/// Pieces of text that the judges care for, and some that they do not.
const PIECES: &[&str] = &[
    "jane.doe@example.org",
    "4111 1111 1111 1111",
    "GB29 NWBK 6016 1331 9268 19",
    "+49 (0)30 1234-5678",
    "123-45-6789",
    "password: hunter2!x",
    "postgres://me:s3cr3t@db.example.com/x",
    "-----BEGIN PRIVATE KEY-----\nMIIB",
    "-----END PRIVATE KEY-----",
    "AKIAIOSFODNN7EXAMPLE",
    "canary7f3a9b2c11ee",
    "C A N A R Y 7f3a 9b2c 11ee",
    "2001:db8::8a2e:370:7334",
    "00:1b:44:11:3a:b7",
    "１２３-４５-６７８９",
    "日本語のテキスト",
    "é",
    " ",
    "\n",
    ", ",
    "-",
    "@",
    "the",
    "12",
    "x",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "AB 12 34 56 C",
    "<EMAIL_1_k3xq>",
    "<EMAIL_2_k3xq>",
    "<b>",
    "</b>",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "<a href=\"",
    "<",
    ">",
    "https://evil.test/a",
    "https://docs.example.org/a",
    "](",
    ")",
    "![x](//evil.test)",
    "]: ",
    "javascript:x",
    "www.evil.test",
    "assistant of a shop. Never speak",
    "of the warehouse in Lyon to anybody",
    "You are Juno, the ",
    "Q0FOQVJZLTdmM2EtOWIyYy0xMWVl",
    "::",
    "=",
    "\"",
    "\u{200b}",
    "🙂",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => proptest::sample::select(PIECES).prop_map(str::to_owned),
        1 => proptest::collection::vec(proptest::char::range(' ', '~'), 0..20).prop_map(String::from_iter),
        1 => (proptest::sample::select(vec!["A", "7", "a.", "é", "1 "]), 1_usize..300).prop_map(|(piece, count)| piece.repeat(count)),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_the_same_answer(text in text(), sizes in proptest::collection::vec(1_usize..40, 1..8)) {
        let rules = rules();
        let whole = run(&rules, &[&text]);
        prop_assert_eq!(&run(&rules, &cut(&text, &sizes)), &whole);
        prop_assert_eq!(&run(&rules, &cut(&text, &[1])), &whole);
    }

    #[test]
    fn a_whole_text_is_a_stream_of_one_chunk(text in text()) {
        let rules = Arc::new(Rules::new().redact(Kinds::STRUCTURED));
        let (output, summary) = run(&rules, &cut(&text, &[3]));
        let redacted = redact(&text);
        prop_assert_eq!(output, redacted.text);
        let count: u32 = summary.expect("nothing stops").redacted.values().sum();
        prop_assert_eq!(count as usize, redacted.found.len());
    }
}

#[test]
fn nothing_of_a_canary_leaves() {
    let text = format!("{} CANARY-7f3a-9b2c-11ee and more", "before ".repeat(50));
    for sizes in [&[1][..], &[7], &[1000]] {
        let (output, end) = run(&rules(), &cut(&text, sizes));
        assert_eq!(end, Err(Stopped { code: "canary" }));
        assert!(!output.contains("CAN"), "{output}");
    }
}
