//! What it costs to judge a text: `cargo bench -p mantlet-guard --bench scan`.

use divan::{Bencher, black_box, counter::BytesCount};
use mantlet_guard::{Channel, detect::Detector};

fn main() {
    // Weights and automata are read once per process, not per text.
    let _ = Detector::embedded().scan("warm up", Channel::User);
    divan::main();
}

/// English prose of so many bytes, no sentence twice the same.
fn prose(bytes: usize) -> String {
    const WORDS: [&str; 24] = [
        "the",
        "report",
        "describes",
        "how",
        "teams",
        "of",
        "a",
        "small",
        "company",
        "plan",
        "their",
        "week",
        "and",
        "which",
        "tools",
        "they",
        "use",
        "for",
        "notes,",
        "meetings",
        "or",
        "invoices",
        "in",
        "spring.",
    ];
    let (mut text, mut state) = (String::new(), 7_u32);
    while text.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(WORDS[(state >> 8) as usize % WORDS.len()]);
        text.push(' ');
    }
    text.truncate(bytes);
    text
}

/// Ordinary text: no decoded views.
#[divan::bench(args = [100, 1_000, 4_000, 16_000])]
fn ordinary(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = prose(bytes);
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| black_box(Detector::embedded().scan(black_box(&text), Channel::User)));
}

/// Text that is nothing but a code for text: judged twice, and decoded.
#[divan::bench(args = [1_000, 16_000])]
fn hexadecimal(bencher: Bencher<'_, '_>, bytes: usize) {
    let text: String = prose(bytes / 2).bytes().map(|byte| format!("{byte:02x}")).collect();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| black_box(Detector::embedded().scan(black_box(&text), Channel::User)));
}

/// Letters that read as no text, so that each way to read them is tried.
#[divan::bench(args = [1_000, 16_000])]
fn unreadable(bencher: Bencher<'_, '_>, bytes: usize) {
    let text: String = prose(bytes)
        .chars()
        .map(|c| if c.is_ascii_lowercase() { char::from(b'z' - (c as u8 - b'a')) } else { c })
        .collect();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| black_box(Detector::embedded().scan(black_box(&text), Channel::User)));
}
