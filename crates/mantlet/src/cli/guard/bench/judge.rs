//! Judges rows as the guard does, and measures what that takes.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use mantlet_guard::{
    Channel,
    detect::{Detector, Refine, Verdict},
    encoder::Encoder,
};
use serde::Serialize;

use super::{super::figures::Share, Row};

/// What the encoder had to do.
#[derive(Serialize)]
pub(super) struct EncoderFigures {
    /// Texts about which it was asked.
    pub(super) asked: Share,
    pub(super) windows: u32,
    pub(super) ms_per_window: f64,
}

/// The encoder, with what it was asked and how long that took.
struct Timed {
    windows: Cell<u32>,
    spent: Cell<Duration>,
}

impl Refine for Timed {
    fn asks(&self, words: f32, channel: Channel) -> bool {
        Encoder::embedded().asks(words, channel)
    }

    fn log_odds(&self, window: &str, channel: Channel, task: Option<&str>) -> f32 {
        let start = Instant::now();
        let log_odds = Encoder::embedded().log_odds(window, channel, task);
        self.windows.set(self.windows.get() + 1);
        self.spent.set(self.spent.get() + start.elapsed());
        log_odds
    }

    fn score(&self, words: f32, log_odds: &[f32], channel: Channel) -> f32 {
        Encoder::embedded().score(words, log_odds, channel)
    }
}

/// Scores and verdicts of all rows, and what they took.
pub(super) struct Judged {
    pub(super) scores: Vec<f32>,
    pub(super) verdicts: Vec<Verdict>,
    /// Bytes of each text with its time in microseconds.
    pub(super) times: Vec<(usize, f64)>,
    pub(super) encoder: Option<EncoderFigures>,
}

/// Judges all rows, by their words alone or as the guard does.
pub(super) fn judge(rows: &[Row], words_only: bool) -> Judged {
    let timed = Timed { windows: Cell::new(0), spent: Cell::new(Duration::ZERO) };
    let refine: Option<&dyn Refine> = if words_only { None } else { Some(&timed) };
    // Weights are read once per process, not per text.
    let _ = Detector::embedded().scan("Weights are read.", Channel::User);
    if !words_only {
        let _ = Encoder::embedded();
    }
    let mut asked = 0;
    let mut judged = Judged { scores: Vec::new(), verdicts: Vec::new(), times: Vec::new(), encoder: None };
    for row in rows {
        let (start, before) = (Instant::now(), timed.windows.get());
        let report = Detector::embedded().scan_with(&row.text, row.channel, row.task.as_deref(), refine);
        judged.times.push((row.text.len(), start.elapsed().as_secs_f64() * 1e6));
        judged.scores.push(report.score);
        judged.verdicts.push(report.verdict);
        asked += usize::from(timed.windows.get() > before);
    }
    judged.encoder = refine.map(|_| EncoderFigures {
        asked: Share::new(asked, rows.len()),
        windows: timed.windows.get(),
        ms_per_window: timed.spent.get().as_secs_f64() * 1e3 / f64::from(timed.windows.get().max(1)),
    });
    judged
}
