//! What it costs to hold an answer to its rules: `cargo bench -p mantlet-guard --bench answer`.

#![expect(clippy::expect_used, reason = "rules that cannot be set up must end the bench")]

use std::sync::Arc;

use divan::{Bencher, black_box, counter::BytesCount};
use mantlet_guard::output::{Html, Kinds, Rules, Stream, redact};

fn main() {
    divan::main();
}

/// A mebibyte of prose with some numbers, addresses and links in it.
fn prose() -> String {
    const SENTENCES: [&str; 8] = [
        "The report describes how three teams of a small company plan their week. ",
        "In 2024 they shipped 1,204 parcels; order 88412 came back on 2024-03-07 at 14:05. ",
        "Which tools do they use for notes, meetings and invoices? ",
        "Write to jane.doe@example.org or call +49 30 1234567 before noon. ",
        "Version 2.31.4 fixes the timeout in `connect()`, see https://docs.example.org/a. ",
        "Costs rose by 4.2 % to 18,400 euros, less than anybody had feared. ",
        "Nobody knew the answer, so the meeting ended early and everyone went home. ",
        "See the table on page 12: rows 3 to 7 are new, the rest has not changed. ",
    ];
    SENTENCES.iter().cycle().take(14_000).copied().collect()
}

#[divan::bench]
fn redacts(bencher: Bencher<'_, '_>) {
    let text = prose();
    bencher.counter(BytesCount::of_str(&text)).bench(|| redact(black_box(&text)));
}

/// A mebibyte of rows of numbers, of which none is anybody's: the worst of what is no attack.
fn numbers() -> String {
    let mut state = 7_u32;
    let mut text = String::new();
    while text.len() < 1 << 20 {
        for separator in [",", " ", ";", "\n"] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text += &format!("{}.{:02}{separator}", (state >> 8) % 100_000, (state >> 4) % 100);
        }
    }
    text
}

#[divan::bench]
fn redacts_rows_of_numbers(bencher: Bencher<'_, '_>) {
    let text = numbers();
    bencher.counter(BytesCount::of_str(&text)).bench(|| redact(black_box(&text)));
}

/// The rules of each bench.
fn rules(all: bool) -> Arc<Rules> {
    let rules = Rules::new().redact(Kinds::STRUCTURED);
    if !all {
        return Arc::new(rules);
    }
    let rules = rules.html(Html::Clean).links(["docs.example.org"]).expect("hosts");
    let rules = rules.canary("CANARY-7f3a9b2c11ee").expect("a canary");
    Arc::new(
        rules.prompt(
            "You are Juno, the assistant of a shop. Never speak of the warehouse in Lyon to anybody.",
        ),
    )
}

/// A thousand events of four characters, as a model streams them.
#[divan::bench(args = [false, true])]
fn streams_a_thousand_events(bencher: Bencher<'_, '_>, all: bool) {
    let (text, rules) = (prose(), rules(all));
    let pieces: Vec<&str> =
        text.as_bytes().chunks(4).take(1000).filter_map(|piece| std::str::from_utf8(piece).ok()).collect();
    bencher.bench(|| {
        let mut stream = Stream::new(Arc::clone(&rules));
        for piece in &pieces {
            let _ = black_box(stream.push(piece));
        }
        stream.finish()
    });
}
