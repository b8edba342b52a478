//! Leaks are heard in every writing, at every offset, and nothing else is.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::output::{Rules, Stopped, Stream};

/// A generator of numbers (G. Marsaglia, "Xorshift RNGs", 2003), so that a failure can be had again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.next(words.len())]
    }

    /// A sentence of instructions about a subject.
    fn sentence(&mut self) -> String {
        let verb = self.pick(&[
            "Always check",
            "Never discuss",
            "Ask about",
            "Summarize",
            "Decline",
            "Confirm",
            "Translate",
            "Escalate",
        ]);
        let object = self.pick(&[
            "refunds over 50 euros",
            "the warehouse in Lyon",
            "legal questions",
            "travel plans",
            "invoices from suppliers",
            "medical advice",
            "the loyalty program",
            "late parcels",
            "account closures",
            "press inquiries",
        ]);
        let clause = self.pick(&[
            "before you answer",
            "with the customer's order number",
            "unless a manager agrees",
            "in two short sentences",
            "and offer the help center",
            "when the user insists",
            "without naming colleagues",
            "if the tone is angry",
        ]);
        let tail = self.pick(&[
            "because auditors read the log",
            "as the policy of May says",
            "for members of the gold tier",
            "on weekdays only",
            "and keep a friendly voice",
            "then close the ticket",
        ]);
        format!("{verb} {object} {clause}, {tail}.")
    }

    fn prompt(&mut self) -> String {
        let count = 3 + self.next(8);
        let name = self.pick(&["Ada", "Juno", "Milo", "Vera"]);
        (0..count).fold(format!("You are {name}, the assistant of a shop."), |text, _| {
            text + " " + &self.sentence()
        })
    }

    /// An answer that has nothing to do with any prompt, in the words of ordinary answers.
    fn benign(&mut self) -> String {
        const WORDS: &[&str] = &[
            "the",
            "a",
            "of",
            "to",
            "and",
            "parcel",
            "customer",
            "policy",
            "refund",
            "you",
            "can",
            "please",
            "order",
            "assistant",
            "always",
            "check",
            "your",
            "invoice",
            "is",
            "on",
            "its",
            "way",
            "we",
            "will",
            "answer",
            "with",
            "euros",
            "help",
            "center",
            "manager",
            "in",
            "short",
            "sentences",
            "as",
            "said",
            "before",
            "for",
            "members",
            "SGVsbG8gd29ybGQ=",
            "https://example.org/a?b=c",
            "0x4f2a",
            "`let x = 5;`",
            "über",
            "日本",
            "- item",
            "1.",
        ];
        let count = 10 + self.next(30);
        (0..count).map(|_| self.pick(WORDS)).collect::<Vec<_>>().join(" ")
    }
}

fn every_other(text: &str, between: &str) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join(between)
}

fn rot13(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            'a'..='z' => char::from((character as u8 - b'a' + 13) % 26 + b'a'),
            'A'..='Z' => char::from((character as u8 - b'A' + 13) % 26 + b'A'),
            character => character,
        })
        .collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A way to write a text.
type Writing = (&'static str, fn(&str) -> String);

/// What keeps letters letters.
const PLAIN: &[Writing] = &[
    ("verbatim", str::to_owned),
    ("upper", |text| text.to_uppercase()),
    ("lower", |text| text.to_lowercase()),
    ("spaced", |text| every_other(text, " ")),
    ("dotted", |text| every_other(text, ".")),
    ("zero width", |text| every_other(text, "\u{200b}")),
    ("rot13", rot13),
    ("reversed", |text| text.chars().rev().collect()),
    ("look-alikes", |text| text.replace('a', "а").replace('e', "е").replace('o', "ο")),
    ("full width", |text| {
        text.chars()
            .map(|c| if c.is_ascii_graphic() { char::from_u32(c as u32 + 0xFEE0).unwrap() } else { c })
            .collect()
    }),
];

/// What makes a code of it.
const CODES: &[Writing] = &[
    ("base64", |text| STANDARD.encode(text)),
    ("base64 shifted by one", |text| STANDARD.encode(format!("x{text}"))),
    ("base64 shifted by two", |text| STANDARD.encode(format!("xy{text}"))),
    ("base64url", |text| URL_SAFE_NO_PAD.encode(text)),
    ("hex", hex),
    ("spaced hex", |text| text.bytes().map(|byte| format!("{byte:02X} ")).collect()),
    ("0x", |text| text.bytes().map(|byte| format!("0x{byte:02x}, ")).collect()),
];

/// What may be done to a code without breaking it.
const AROUND: &[Writing] = &[
    ("as it is", str::to_owned),
    ("spaced", |text| every_other(text, " ")),
    ("zero width", |text| every_other(text, "\u{200b}")),
    ("rot13", rot13),
    ("reversed", |text| text.chars().rev().collect()),
];

/// All writings up to two deep that can be read back.
fn written(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (outer, write) in PLAIN {
        for (inner, first) in PLAIN {
            // Rotating leaves look-alikes where they are, and nobody could read the mixture.
            if (*outer, *inner) == ("rot13", "look-alikes") {
                continue;
            }
            all.push((format!("{outer} of {inner}"), write(&first(text))));
        }
    }
    for (code, encode) in CODES {
        for (inner, first) in PLAIN {
            all.push((format!("{code} of {inner}"), encode(&first(text))));
        }
        for (outer, around) in AROUND {
            all.push((format!("{outer} of {code}"), around(&encode(text))));
        }
        for (outer, again) in CODES {
            all.push((format!("{outer} of {code}"), again(&encode(text))));
        }
    }
    all
}

fn stops(rules: &Arc<Rules>, answer: &str) -> Option<&'static str> {
    let mut stream = Stream::new(Arc::clone(rules));
    let pushed = stream.push(answer);
    match pushed.and_then(|_| stream.finish()) {
        Ok(_) => None,
        Err(Stopped { code }) => Some(code),
    }
}

#[test]
fn a_canary_is_heard_in_every_writing() {
    let mut numbers = Numbers(0x5EED);
    for canary in ["CANARY-7f3a9b2c11ee", "mantlet7Qp2xW9zK4vB", "Zebra-Quartz-Violin-42"] {
        let rules = Arc::new(Rules::new().canary(canary).expect("a canary"));
        for (writing, text) in written(canary) {
            for before in ["", "Sure: ", "ab"] {
                let answer = format!(
                    "{}{before}{text}",
                    if before.is_empty() { String::new() } else { numbers.benign() + " " }
                );
                assert_eq!(stops(&rules, &answer), Some("canary"), "{writing}: {answer}");
                assert_eq!(
                    stops(&rules, &format!("{answer} and more")),
                    Some("canary"),
                    "{writing}: {answer} and more"
                );
            }
        }
    }
}

#[test]
fn a_prompt_is_heard_in_every_writing() {
    let mut numbers = Numbers(0x9E37);
    for _ in 0..4 {
        let prompt = numbers.prompt();
        let rules = Arc::new(Rules::new().prompt(&prompt));
        for (writing, text) in written(&prompt) {
            let answer = format!("{} {text} {}", numbers.benign(), numbers.benign());
            assert_eq!(stops(&rules, &answer), Some("prompt-leak"), "{writing}");
        }
        // A good piece from anywhere.
        for _ in 0..20 {
            let start = numbers.next(prompt.len() - 110);
            assert_eq!(stops(&rules, &prompt[start..start + 110]), Some("prompt-leak"), "from {start}");
        }
    }
}

#[test]
fn ten_thousand_benign_answers_pass() {
    let mut numbers = Numbers(0xB16B);
    let prompts: Vec<String> = (0..5).map(|_| numbers.prompt()).collect();
    let rules = prompts
        .iter()
        .fold(Rules::new().canary("CANARY-7f3a9b2c11ee").expect("a canary"), |rules, prompt| {
            rules.prompt(prompt)
        });
    let rules = Arc::new(rules);
    let stopped = (0..10_000).filter(|_| stops(&rules, &numbers.benign()).is_some()).count();
    assert_eq!(stopped, 0);
}

#[test]
fn a_phrase_of_the_prompt_is_no_leak() {
    let rules = Arc::new(Rules::new().prompt(
        "You are Juno, the assistant of a shop. Always check refunds over 50 euros before you answer. Decline legal questions.",
    ));
    assert_eq!(stops(&rules, "I am Juno, the assistant of a shop. How can I help?"), None);
    assert_eq!(stops(&rules, "We check refunds over 50 euros by hand."), None);
}
