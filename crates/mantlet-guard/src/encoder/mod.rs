//! L2: a small transformer that reads single windows, for texts about which their words alone leave doubt.
//!
//! The first three layers of MiniLM over a pruned vocabulary, trained by `train/student.py` with one output for what users
//! type and one for documents, which also sees the user's task. Weights are int8 (`train/export.py`) and run by rten, on
//! one thread. The graph comes from this repository, not from callers: only numbers of pieces reach it, at most
//! [`PIECES_MAX`] of them.

mod wordpiece;

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};

use self::wordpiece::{CLASSIFY, SEPARATE, WordPiece};
use crate::{Channel, detect::Refine};

/// Pieces that the encoder reads at once, with those that mark segments.
const PIECES_MAX: usize = 64;
/// Pieces of the text in one look, where there is no task.
const BODY: usize = 60;
/// How far the next look is from the one before.
const STRIDE: usize = 44;
/// Pieces of the task.
const TASK: usize = 12;
/// A window of the detector holds some forty words; this many looks show two hundred pieces of it.
const LOOKS_MAX: usize = 4;
/// Threads that wait for windows, at most.
const POOLS_MAX: usize = 64;

/// A number for what users type, and one for everything else.
struct ByChannel {
    user: f32,
    other: f32,
}

impl ByChannel {
    const fn of(&self, channel: Channel) -> f32 {
        match channel {
            Channel::User => self.user,
            Channel::Document | Channel::Tool => self.other,
        }
    }
}

/// Scores by words from which the encoder is asked: fifteen of a hundred benign texts of users in the dev set reach theirs.
/// What stands in documents says little by its words, so there it is asked about most.
const ASKED: ByChannel = ByChannel { user: 0.08, other: 0.03 };
/// Scores by words from which they decide alone: three of a thousand benign texts reach them.
const SURE: ByChannel = ByChannel { user: 0.93, other: 0.95 };
/// How much the log-odds of the words count beside the encoder's.
const WORDS_SHARE: ByChannel = ByChannel { user: 0.6, other: 0.54 };
/// How much is taken off for what the calmest window has beyond [`CALM`].
const CONTRAST: ByChannel = ByChannel { user: 0.0, other: 0.5 };
/// Log-odds of windows that nobody takes for instructions.
const CALM: f32 = -7.0;
/// Log-odds of both together that become a score of one half (`train/README.md`).
const ATTACK_LOG_ODDS: ByChannel = ByChannel { user: 4.0, other: 2.75 };

/// Reads windows.
pub struct Encoder {
    model: Model,
    ids: NodeId,
    places: NodeId,
    logits: NodeId,
    pieces: WordPiece,
    /// A pool of one thread for each core, taken in turn: a window runs on one thread, and windows side by side.
    pools: Vec<Arc<ThreadPool>>,
    next: AtomicUsize,
}

/// Why an encoder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The weights are not what they should be.
    #[error("the encoder's weights cannot be loaded: {0}")]
    Load(String),
    /// A run failed.
    #[error("the encoder cannot be run: {0}")]
    Run(String),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

static EMBEDDED: LazyLock<Encoder> = LazyLock::new(|| {
    let encoder =
        Encoder::new(include_bytes!("../../data/encoder.onnx"), include_str!("../../data/encoder-vocab.txt"));
    #[expect(clippy::expect_used, reason = "what is compiled in is read by a test")]
    encoder.expect("the embedded encoder is whole")
});

impl Encoder {
    /// The encoder whose weights are compiled in; the first call loads them.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    fn new(weights: &'static [u8], vocabulary: &'static str) -> Result<Self, EncoderError> {
        let load = |error: &dyn std::fmt::Display| EncoderError::Load(error.to_string());
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load_static_slice(weights)
            .map_err(|e| load(&e))?;
        let node = |name| model.node_id(name).map_err(|error| load(&error));
        let (ids, places, logits) = (node("ids")?, node("places")?, node("logits")?);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(POOLS_MAX));
        let pools = (0..cores).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect();
        let pieces = WordPiece::new(vocabulary);
        Ok(Self { model, ids, places, logits, pieces, pools, next: AtomicUsize::new(0) })
    }

    /// The largest log-odds of an attack among the looks at a window.
    ///
    /// # Errors
    /// [`EncoderError::Run`] if the engine fails, which the caller must not take for a clean window.
    pub fn logit(&self, window: &str, channel: Channel, task: Option<&str>) -> Result<f32, EncoderError> {
        let task = task.filter(|_| channel != Channel::User);
        let mut tail = task.map_or_else(Vec::new, |task| self.pieces.encode(task, TASK));
        if !tail.is_empty() {
            tail.push(SEPARATE);
        }
        let body = BODY - tail.len();
        let stride = STRIDE.min(body);
        let pieces = self.pieces.encode(window, body + stride * (LOOKS_MAX - 1));
        let mut largest = f32::NEG_INFINITY;
        let mut start = 0;
        loop {
            let look = pieces.iter().skip(start).take(body).copied();
            let ids: Vec<u16> =
                [CLASSIFY].into_iter().chain(look).chain([SEPARATE]).chain(tail.iter().copied()).collect();
            let [user, document] = self.run(&ids)?;
            largest = largest.max(ByChannel { user, other: document }.of(channel));
            start += stride;
            if start + (body - stride) >= pieces.len() {
                return Ok(largest);
            }
        }
    }

    fn pool(&self) -> Option<Arc<ThreadPool>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.pools.get(turn.checked_rem(self.pools.len())?).cloned()
    }

    /// The log-odds of one look, for users and for documents.
    fn run(&self, ids: &[u16]) -> Result<[f32; 2], EncoderError> {
        debug_assert!(ids.len() <= PIECES_MAX);
        let fail = |error: &dyn std::fmt::Display| EncoderError::Run(error.to_string());
        let numbers =
            |values: Vec<i32>| Value::from_shape(&[values.len()], values).map_err(|error| fail(&error));
        let places = (0_i32..).take(ids.len()).collect();
        let inputs = vec![
            (self.ids, numbers(ids.iter().copied().map(i32::from).collect())?.into()),
            (self.places, numbers(places)?.into()),
        ];
        let options = RunOptions::default().with_thread_pool(self.pool());
        let outputs = self.model.run(inputs, &[self.logits], Some(options)).map_err(|error| fail(&error))?;
        match outputs.into_iter().next() {
            Some(Value::FloatTensor(tensor)) => match *tensor.into_data() {
                [user, document] if user.is_finite() && document.is_finite() => Ok([user, document]),
                _ => Err(fail(&"it gave no two finite numbers")),
            },
            _ => Err(fail(&"it gave no numbers")),
        }
    }
}

impl Refine for Encoder {
    fn asks(&self, words: f32, channel: Channel) -> bool {
        (ASKED.of(channel)..SURE.of(channel)).contains(&words)
    }

    fn log_odds(&self, window: &str, channel: Channel, task: Option<&str>) -> f32 {
        // What cannot be judged is no clean window.
        self.logit(window, channel, task).unwrap_or(f32::INFINITY)
    }

    fn score(&self, words: f32, log_odds: &[f32], channel: Channel) -> f32 {
        let Some(worst) = log_odds.iter().copied().max_by(f32::total_cmp) else { return words };
        // A document that reads like instructions throughout, as manuals do, must hold one that stands out.
        let calmest = log_odds.iter().copied().min_by(f32::total_cmp).filter(|_| log_odds.len() > 1);
        let throughout = calmest.map_or(0.0, |calmest| CONTRAST.of(channel) * (calmest - CALM).max(0.0));
        let words = words.clamp(f32::EPSILON, 1.0 - f32::EPSILON);
        let both = worst - throughout + WORDS_SHARE.of(channel) * (words / (1.0 - words)).ln();
        // As far as the words' score goes, so that neither outranks the other for ever.
        let above = (both - ATTACK_LOG_ODDS.of(channel)).clamp(-15.0, 15.0);
        // What could not be judged is infinitely likely throughout, which is no number: it is no clean text.
        if above.is_nan() { 1.0 } else { 1.0 / (1.0 + (-above).exp()) }
    }
}

#[cfg(test)]
mod tests;
