//! L1: attacks by their words: hashed n-grams over windows, phrase families, reserved tokens, gibberish.
//!
//! A text is judged as it looks and in each of its decoded views, and the worst of them counts. Weights were learned from
//! labelled texts by `train/ngrams.py`; thresholds are set by how many benign texts of a channel would be flagged. The
//! channel is no evidence (short documents are no attacks), it only chooses weights and threshold.
//!
//! Where words leave doubt, the encoder reads the heaviest windows, which are few however long the text is.
//!
//! Time is linear in the length of the text; memory too.

mod evidence;
mod model;
pub mod ngrams;
mod phrases;
mod reserved;
mod windows;

use std::sync::LazyLock;

use serde::Serialize;

use self::evidence::{Evidence, NAMES, Place};
pub use self::{
    evidence::NAMES as EVIDENCE,
    model::{ATTACK, Model, ModelError},
    windows::{STRIDE as WINDOW_STRIDE, WORDS as WINDOW_WORDS},
};

use crate::{
    Channel, Span,
    encoder::Encoder,
    normalize::{Mapped, Normalized, Tally, normalize, views},
};

/// Judges texts.
#[derive(Debug, Clone)]
pub struct Detector {
    model: Model,
    /// Whether [`Self::scan`] asks the encoder.
    is_refined: bool,
}

/// What was found in a text.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How likely an attack, 0 to 1: [`ATTACK`] is where one of a hundred benign texts of the channel would be flagged.
    pub score: f32,
    /// What the score means.
    pub verdict: Verdict,
    /// Why; empty for clean texts.
    pub reasons: Vec<Reason>,
}

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Like most benign texts.
    Clean,
    /// Too uncertain to say.
    Suspect,
    /// Like hardly any benign text.
    Attack,
}

/// One thing that speaks for an attack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it is, such as `override`.
    pub code: &'static str,
    /// Where first, in bytes of the original.
    pub span: Span,
}

/// A slower judge of single windows, which is asked where this one is uncertain.
pub trait Refine {
    /// Whether to ask about a text of this score by words.
    fn asks(&self, words: f32, channel: Channel) -> bool;

    /// The log-odds that a window is an attack; `task` is what the user wants, where known. What cannot be judged is infinitely
    /// likely.
    fn log_odds(&self, window: &str, channel: Channel, task: Option<&str>) -> f32;

    /// The score, 0 to 1, of a text with this score by words whose windows have these log-odds.
    fn score(&self, words: f32, log_odds: &[f32], channel: Channel) -> f32;
}

static EMBEDDED: LazyLock<Detector> = LazyLock::new(|| {
    let model = Model::read(
        include_bytes!("../../data/ngrams-user.i8"),
        include_bytes!("../../data/ngrams-document.i8"),
        include_str!("../../data/heads.json"),
    );
    #[expect(clippy::expect_used, reason = "what is compiled in is read by a test")]
    Detector { model: model.expect("the embedded model is whole"), is_refined: true }
});

/// Numbers that the score is made of, for training.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// How the text was written: `plain`, or the code of a decoded view.
    pub view: &'static str,
    /// Each kind of evidence with its value.
    pub values: Vec<(&'static str, f32)>,
}

/// One form of a text with its evidence and score.
struct Judged {
    kind: &'static str,
    text: Mapped,
    evidence: Evidence,
    score: f32,
}

impl Judged {
    /// Whether it stands for more bytes of the original than these.
    fn stands_for(&self, bytes: usize) -> bool {
        let span = self.text.origin(0..self.text.len());
        span.end - span.start > bytes
    }

    /// The score by another judge of the windows, and where the worst of them is; nothing if there is no window.
    fn refined(&self, refine: &dyn Refine, channel: Channel, task: Option<&str>) -> Option<(f32, Span)> {
        let folded = &self.evidence.folded;
        let judged = self.evidence.apart.iter().filter_map(|window| {
            let log_odds = refine.log_odds(folded.text().get(window.range.clone())?, channel, task);
            Some((log_odds, folded.origin(window.range.clone())))
        });
        let (log_odds, places): (Vec<f32>, Vec<Span>) = judged.unzip();
        let worst = places.into_iter().zip(&log_odds).max_by(|left, right| left.1.total_cmp(right.1))?.0;
        Some((refine.score(self.score, &log_odds, channel), worst))
    }
}

impl Detector {
    /// The detector with the weights that are compiled in.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// A detector with other weights, for training and evaluation; it asks no encoder.
    #[must_use]
    pub fn with_model(model: Model) -> Self {
        Self { model, is_refined: false }
    }

    /// Judges a text; with the weights that are compiled in, the encoder is asked where words alone leave doubt.
    #[must_use]
    pub fn scan(&self, text: &str, channel: Channel) -> Report {
        self.scan_for(text, channel, None)
    }

    /// The same, for one who knows what the user has asked to be done with a document: a document that asks for something
    /// else is the stranger for it. Of the task, the beginning is read.
    #[must_use]
    pub fn scan_for(&self, text: &str, channel: Channel, task: Option<&str>) -> Report {
        let encoder: Option<&dyn Refine> = if self.is_refined { Some(Encoder::embedded()) } else { None };
        self.scan_with(text, channel, task, encoder)
    }

    /// Judges a text, and where that is uncertain asks another judge about the windows that weigh most.
    #[must_use]
    pub fn scan_with(
        &self,
        text: &str,
        channel: Channel,
        task: Option<&str>,
        refine: Option<&dyn Refine>,
    ) -> Report {
        let normalized = normalize(text);
        let forms: Vec<Judged> = self.all(&normalized, channel).collect();
        let Some(worst) = worst(&forms) else {
            return Report { score: 0.0, verdict: Verdict::Clean, reasons: Vec::new() };
        };
        // Who reads for meaning finds some in letters that have none, so where most of what a user types is a code, what it says
        // is read. Documents are full of escapes, by which they say the same.
        let decoded = forms.iter().filter(|form| form.kind != "plain");
        let is_code = channel == Channel::User && decoded.clone().any(|form| form.stands_for(text.len() / 2));
        let legible = if is_code { self::worst(decoded) } else { Some(worst) };
        let refined = legible
            .filter(|form| refine.is_some_and(|refine| refine.asks(form.score, channel)))
            .and_then(|form| form.refined(refine?, channel, task));
        let score = match &refined {
            Some((score, _)) if is_code => score.max(worst.score),
            Some((score, _)) => *score,
            None => worst.score,
        };
        let verdict = self.verdict(score, channel);
        let mut reasons = if verdict == Verdict::Clean { Vec::new() } else { reasons(&normalized, worst) };
        if let Some((_, span)) = refined.filter(|_| verdict != Verdict::Clean) {
            reasons.push(Reason { code: "meaning", span });
        }
        Report { score, verdict, reasons }
    }

    /// The numbers of a text and of its views, for training.
    #[must_use]
    pub fn measure(&self, text: &str, channel: Channel) -> Vec<Measured> {
        let named = |values: [f32; NAMES.len()]| NAMES.into_iter().zip(values).collect();
        let measured = |judged: Judged| Measured { view: judged.kind, values: named(judged.evidence.values) };
        self.all(&normalize(text), channel).map(measured).collect()
    }

    fn verdict(&self, score: f32, channel: Channel) -> Verdict {
        if score >= ATTACK {
            Verdict::Attack
        } else if score >= self.model.of(channel).head.suspect {
            Verdict::Suspect
        } else {
            Verdict::Clean
        }
    }

    /// All forms of a text.
    fn all<'a>(&'a self, normalized: &'a Normalized, channel: Channel) -> impl Iterator<Item = Judged> + 'a {
        let learned = self.model.of(channel);
        let plain = std::iter::once(("plain", normalized.text.clone()));
        let decoded = views::views(normalized).into_iter().map(|view| (view.kind, view.text));
        let decoded: Vec<_> = decoded.collect();
        // Letters that read as text once they are turned around are not meant to be none.
        let deciphered = decoded.iter().any(|(kind, _)| views::is_cipher(kind));
        plain.chain(decoded).map(move |(kind, text)| {
            let evidence = evidence::gather(&text, &learned.table, !deciphered);
            let score = learned.head.score(&evidence.values);
            Judged { kind, text, evidence, score }
        })
    }
}

/// The worst form of a text.
fn worst<'a>(forms: impl IntoIterator<Item = &'a Judged>) -> Option<&'a Judged> {
    forms.into_iter().max_by(|left, right| left.score.total_cmp(&right.score))
}

/// Reasons for a verdict, each with its place in the original.
fn reasons(normalized: &Normalized, worst: &Judged) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if worst.kind != "plain" {
        reasons.push(Reason { code: "encoded", span: worst.text.origin(0..worst.text.len()) });
    }
    for (code, place) in &worst.evidence.places {
        let span = match place {
            Place::Text(range) => worst.text.origin(range.clone()),
            Place::Folded(range) => worst.evidence.folded.origin(range.clone()),
        };
        reasons.push(Reason { code: if *code == "worst" { "words" } else { code }, span });
    }
    let marks = &normalized.marks;
    let unusual = [
        ("invisible", marks.invisible),
        ("bidi", marks.bidi),
        ("homoglyph", marks.homoglyphs),
        ("stacked-marks", marks.stacked),
    ];
    let seen = |(code, tally): (&'static str, Tally)| Some(Reason { code, span: tally.first? });
    reasons.extend(unusual.into_iter().filter_map(seen));
    reasons
}

#[cfg(test)]
mod tests;
