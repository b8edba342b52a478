//! The guard's detector, its normalizer and what it does to answers: any text has a score, reasons within it, and no more views than its length allows.

use std::sync::Arc;

use mantlet_guard::{
    Channel,
    detect::Detector,
    normalize::{normalize, views},
    output::{Html, Kinds, Rules, SCHEMA_BYTES_MAX, Schema, Stopped, Stream, Summary, redact, strict},
};

/// Judges a text on every channel, twice the same, by its words: the encoder sees numbers of pieces alone.
pub(super) fn detect(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for channel in [Channel::User, Channel::Document, Channel::Tool] {
        let report = Detector::embedded().scan_with(&text, channel, None, None);
        assert!((0.0..=1.0).contains(&report.score));
        for reason in &report.reasons {
            assert!(text.get(reason.span.start..reason.span.end).is_some(), "{reason:?}");
        }
        let again = Detector::embedded().scan_with(&text, channel, None, None);
        assert_eq!(again.score.to_bits(), report.score.to_bits());
        assert_eq!(again.reasons, report.reasons);
    }
}

/// Normalizes a text; what is normal stays so, and every byte of every view comes from the text.
pub(super) fn normalized(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let seen = normalize(&text);
    let all = views::views(&seen);
    let bytes: usize = all.iter().map(|view| view.text.len()).sum();
    assert!(bytes <= seen.text.len() * views::BUDGET_FACTOR + views::BUDGET_BYTES);
    assert!(all.len() <= views::VIEWS_MAX);
    for mapped in all.iter().map(|view| &view.text).chain([&seen.text, &seen.hidden]) {
        let mut before = 0;
        for (place, character) in mapped.text().char_indices() {
            let span = mapped.origin(place..place + character.len_utf8());
            assert!(span.start >= before && text.get(span.start..span.end).is_some());
            before = span.start;
        }
    }
}

/// Redacts a text: what was found lies in it, in order, and what was not found is still there.
pub(super) fn redacted(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let redacted = redact(&text);
    let (mut expected, mut kept) = (String::new(), 0);
    for found in &redacted.found {
        assert!(found.start >= kept && found.end > found.start, "{found:?}");
        expected += text.get(kept..found.start).unwrap();
        expected += found.kind.label();
        kept = found.end;
    }
    assert_eq!(redacted.text, expected + text.get(kept..).unwrap());
}

/// Everything that an answer can be held to at once.
fn rules() -> Rules {
    let rules = Rules::new().redact(Kinds::STRUCTURED).html(Html::Clean).links(["docs.example.org"]).unwrap();
    rules
        .canary("CANARY-7f3a9b2c11ee")
        .unwrap()
        .prompt("You are Juno, the assistant of a shop. Never speak of the warehouse.")
}

/// What an answer came to in these chunks.
fn run<'a>(rules: &Arc<Rules>, chunks: impl Iterator<Item = &'a str>) -> (String, Result<Summary, Stopped>) {
    let (mut stream, mut left) = (Stream::new(Arc::clone(rules)), String::new());
    for chunk in chunks {
        match stream.push(chunk) {
            Ok(text) => left += &text,
            Err(stopped) => return (left, Err(stopped)),
        }
    }
    match stream.finish() {
        Ok((text, summary)) => (left + &text, Ok(summary)),
        Err(stopped) => (left, Err(stopped)),
    }
}

/// Cleans markup: no element leaves that could act.
pub(super) fn markup(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (left, _) = run(&Arc::new(rules()), [&*text].into_iter());
    let lower = left.to_ascii_lowercase();
    for name in
        ["<script", "<iframe", "<svg", "<math", "<style", "<object", "<!--", "<form", "<meta", "<base"]
    {
        assert!(!lower.contains(name), "{left}");
    }
}

/// Streams an answer cut where its first bytes say: it comes to the same as in one piece.
pub(super) fn streamed(data: &[u8]) {
    let (sizes, text) = data.split_at(data.len().min(4));
    let text = String::from_utf8_lossy(text);
    let rules = Arc::new(rules());
    let mut sizes = sizes.iter().map(|size| usize::from(*size % 64) + 1).cycle();
    let mut cuts = vec![0];
    while let (Some(last), Some(size)) = (cuts.last().copied(), sizes.next()) {
        let Some(rest) = text.get(last..).filter(|rest| !rest.is_empty()) else { break };
        cuts.push(last + rest.char_indices().nth(size).map_or(rest.len(), |(index, _)| index));
    }
    let chunks = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]);
    assert_eq!(run(&rules, chunks), run(&rules, [&*text].into_iter()));
}

/// A schema in the first line, and an answer behind it: what keeps the schema is one JSON value, which another reader reads too.
pub(super) fn schema(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (schema, answer) = text.split_once('\n').unwrap_or((&text, "{}"));
    let read = strict(answer);
    if let Ok(value) = &read {
        let other: serde_json::Value = serde_json::from_str(answer).unwrap();
        assert_eq!(&other, value);
    }
    let Ok(schema_read) = Schema::new(schema) else { return };
    assert!(schema.len() <= SCHEMA_BYTES_MAX);
    if let Ok(value) = schema_read.judge(answer) {
        assert_eq!(read.ok(), Some(value));
    }
}
