//! L2: a small transformer that reads single windows, for texts about which their words alone leave doubt.
//!
//! The first three layers of MiniLM over a pruned vocabulary, trained by `train/student.py` with one output for what users
//! type and one for documents, which also sees the user's task. Weights are int8 (`train/export.py`) and run by rten, on
//! one thread. The graph comes from this repository, not from callers: only numbers of pieces reach it, at most
//! [`PIECES_MAX`] of them.

mod wordpiece;

use std::sync::{Arc, LazyLock};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};

use self::wordpiece::{CLASSIFY, SEPARATE, WordPiece};
use crate::Channel;

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

/// Reads windows.
pub struct Encoder {
    model: Model,
    ids: NodeId,
    places: NodeId,
    logits: NodeId,
    pieces: WordPiece,
    pool: Arc<ThreadPool>,
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

static EMBEDDED: LazyLock<Result<Encoder, EncoderError>> = LazyLock::new(|| {
    Encoder::new(
        include_bytes!("../../data/encoder.onnx"),
        include_str!("../../data/encoder-vocab.txt"),
    )
});

impl Encoder {
    /// The encoder whose weights are compiled in; the first call loads them.
    ///
    /// # Errors
    /// [`EncoderError::Load`] if they cannot be used here.
    pub fn embedded() -> Result<&'static Self, &'static EncoderError> {
        EMBEDDED.as_ref()
    }

    fn new(weights: &'static [u8], vocabulary: &'static str) -> Result<Self, EncoderError> {
        let load = |error: &dyn std::fmt::Display| EncoderError::Load(error.to_string());
        let model =
            ModelOptions::with_all_ops().prepack_weights(true).load_static_slice(weights).map_err(|e| load(&e))?;
        let node = |name| model.node_id(name).map_err(|error| load(&error));
        let (ids, places, logits) = (node("ids")?, node("places")?, node("logits")?);
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        Ok(Self { model, ids, places, logits, pieces: WordPiece::new(vocabulary), pool })
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
            let ids: Vec<u16> = [CLASSIFY].into_iter().chain(look).chain([SEPARATE]).chain(tail.iter().copied()).collect();
            let [user, document] = self.run(&ids)?;
            largest = largest.max(if channel == Channel::User { user } else { document });
            start += stride;
            if start + (body - stride) >= pieces.len() {
                return Ok(largest);
            }
        }
    }

    /// The log-odds of one look, for users and for documents.
    fn run(&self, ids: &[u16]) -> Result<[f32; 2], EncoderError> {
        debug_assert!(ids.len() <= PIECES_MAX);
        let fail = |error: &dyn std::fmt::Display| EncoderError::Run(error.to_string());
        let numbers = |values: Vec<i32>| Value::from_shape(&[values.len()], values).map_err(|error| fail(&error));
        let places = (0_i32..).take(ids.len()).collect();
        let inputs = vec![
            (self.ids, numbers(ids.iter().copied().map(i32::from).collect())?.into()),
            (self.places, numbers(places)?.into()),
        ];
        let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
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

#[cfg(test)]
mod tests;
