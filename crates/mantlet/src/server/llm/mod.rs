//! OpenAI's protocol for callers: requests taken apart strictly, answers put together from what the gate releases.
//!
//! What a member of a request means is said in one place each, and a member that nobody has a meaning for is rejected: an
//! upstream might have one. Answers have the members that the protocol needs and no others, so that nothing of an upstream
//! shows but what its model said.

mod chat;
pub mod error;
mod flow;
mod members;
mod models;
mod reply;
mod response;
mod responses;
mod text;

use std::sync::{Arc, Mutex, PoisonError};

use mantlet_gate::{
    identity::Arrival,
    mediate::{Completed, Letter, Served, complete},
    reviews::HeldAnswer,
    routes::{Answer, Prompt, prompt::Task},
};
use mantlet_types::{Rejection, RequestId, Sha256, Timestamp, limits::PROMPT_DEPTH_MAX};
use serde_json::{Map, Value};

pub(super) use self::models::{list, show};
pub use self::{chat::OPTIONS as CHAT_OPTIONS, flow::Flow};
use super::{Outcome, Server, body::Parcel, json, reply as replies};

/// Values in one request. Built, each takes some hundred bytes, however few it has on the wire.
const PROMPT_VALUES_MAX: usize = 1 << 16;

/// What is asked for by which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/completions`
    Text,
    /// `POST /v1/embeddings`
    Embeddings,
}

/// What of a request shapes its answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// Whether the last piece of a stream is to say what it took.
    pub include_usage: bool,
}

/// A request, not yet read.
struct Post {
    endpoint: Endpoint,
    parcel: Parcel,
    form: Arc<Mutex<Form>>,
}

impl Letter for Post {
    async fn read(self, bytes_max: usize) -> Result<Prompt, Rejection> {
        let bytes = self.parcel.read_question_within(bytes_max).await?;
        let (prompt, form) = read(self.endpoint, &bytes)?;
        *self.form.lock().unwrap_or_else(PoisonError::into_inner) = form;
        Ok(prompt)
    }
}

/// Reads a request's body.
///
/// # Errors
/// 400 naming the member that is not what the protocol has, where it is a member of the protocol.
pub fn read(endpoint: Endpoint, bytes: &[u8]) -> Result<(Prompt, Form), Rejection> {
    let wrong = || Rejection::invalid("body").detailed("the request is not one JSON object");
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    json::check_within(text, PROMPT_DEPTH_MAX, PROMPT_VALUES_MAX).map_err(|_| wrong())?;
    let body: Map<String, Value> = serde_json::from_str(text).map_err(|_| wrong())?;
    let empty = Prompt {
        model: "".into(),
        task: Task::Chat(Vec::new()),
        tools: Vec::new(),
        options: Vec::new(),
        stream: false,
        salted: Vec::new(),
        hosted: Vec::new(),
        body_bytes: bytes.len(),
        body_digest: sha256(bytes),
    };
    match endpoint {
        Endpoint::Chat => chat::read(body, empty),
        Endpoint::Responses => responses::read(body, empty),
        Endpoint::Text => text::read_completion(body, empty),
        Endpoint::Embeddings => text::read_embeddings(body, empty),
    }
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut plain = [0; 32];
    plain.iter_mut().zip(digest.as_ref()).for_each(|(plain, byte)| *plain = *byte);
    Sha256(plain)
}

/// What every answer to one request says of itself.
#[derive(Clone, Debug)]
pub(super) struct Heading {
    pub(super) endpoint: Endpoint,
    pub(super) id: RequestId,
    /// Seconds since the Unix epoch.
    pub(super) created: i64,
    pub(super) model: String,
    pub(super) form: Form,
}

/// A held answer that may leave now, as the document of a chat.
pub(super) fn held(id: RequestId, held: Timestamp, answer: HeldAnswer) -> Vec<u8> {
    let HeldAnswer { model, choices, usage } = answer;
    let (model, created) = (model.as_str().to_owned(), held.millis() / 1_000);
    let heading = Heading { endpoint: Endpoint::Chat, id, created, model, form: Form::default() };
    reply::whole(&heading, &Answer { choices, vectors: Vec::new(), usage: Some(usage) })
}

impl Server {
    /// Door 1 for prompts.
    pub(super) async fn complete(&self, arrival: Arrival, endpoint: Endpoint, parcel: Parcel) -> Outcome {
        let form = Arc::new(Mutex::new(Form::default()));
        let (id, created) = (arrival.request_id, self.gate.now().millis() / 1_000);
        let letter = Post { endpoint, parcel, form: Arc::clone(&form) };
        let (completed, receipt) = complete(Arc::clone(&self.gate), arrival, letter).await.into_parts();
        let reply = completed.map(|Completed { served, model, standings }| {
            let form = *form.lock().unwrap_or_else(PoisonError::into_inner);
            let heading = Heading { endpoint, id, created, model: model.as_str().to_owned(), form };
            let mut reply = match served {
                Served::Whole(completion) => replies::json(reply::whole(&heading, &completion.into_answer())),
                Served::Running(running) => flow::reply(heading, running),
            };
            replies::stand_all(reply.headers_mut(), &standings);
            reply
        });
        Outcome { reply, receipt }
    }
}

#[cfg(test)]
mod tests;
