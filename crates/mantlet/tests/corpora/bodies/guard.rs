//! The guard's detector and its normalizer: any text has a score, reasons within it, and no more views than its length allows.

use mantlet_guard::{
    Channel,
    detect::Detector,
    normalize::{normalize, views},
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
