//! Whole answers.

use mantlet_gate::routes::{
    Answer,
    answer::{Choice, Usage, Vector},
    prompt::Call,
};

use super::{Endpoint, Heading, response};
use crate::server::json::Writer;

/// The document of an answer.
pub(super) fn whole(heading: &Heading, answer: &Answer) -> Vec<u8> {
    if heading.endpoint == Endpoint::Responses {
        return response::whole(heading, answer);
    }
    let mut json = Writer::with_capacity(512);
    json.object();
    match heading.endpoint {
        Endpoint::Chat | Endpoint::Responses => head(&mut json, heading, "chat.completion"),
        Endpoint::Text => head(&mut json, heading, "text_completion"),
        Endpoint::Embeddings => {
            vectors(&mut json, &answer.vectors);
            json.member("model", &heading.model);
            let usage = answer.usage.unwrap_or_default();
            json.key("usage");
            json.object();
            tokens(&mut json, "prompt_tokens", usage.input);
            tokens(&mut json, "total_tokens", usage.input);
            json.end_object();
            json.end_object();
            return json.into_bytes();
        }
    }
    json.key("choices");
    json.array();
    answer.choices.iter().for_each(|choice| one(&mut json, heading.endpoint, choice));
    json.end_array();
    usage(&mut json, answer.usage.unwrap_or_default());
    json.end_object();
    json.into_bytes()
}

/// What every document of an answer begins with.
pub(super) fn head(json: &mut Writer, heading: &Heading, object: &str) {
    let prefix = if heading.endpoint == Endpoint::Chat { "chatcmpl" } else { "cmpl" };
    json.member("id", &format!("{prefix}-{}", heading.id));
    json.member("object", object);
    json.key("created");
    json.integer(heading.created);
    json.member("model", &heading.model);
}

fn one(json: &mut Writer, endpoint: Endpoint, choice: &Choice) {
    json.object();
    json.key("index");
    json.integer(choice.index);
    if endpoint == Endpoint::Text {
        json.member("text", &choice.text);
    } else {
        json.key("message");
        message(json, choice);
    }
    json.key("logprobs");
    json.null();
    json.key("finish_reason");
    match choice.finish {
        Some(finish) => json.string(finish.as_str()),
        None => json.null(),
    }
    json.end_object();
}

fn message(json: &mut Writer, choice: &Choice) {
    json.object();
    json.member("role", "assistant");
    json.key("content");
    if choice.text.is_empty() && !(choice.calls.is_empty() && choice.refusal.is_none()) {
        json.null();
    } else {
        json.string(&choice.text);
    }
    json.key("refusal");
    match &choice.refusal {
        Some(text) => json.string(text),
        None => json.null(),
    }
    if !choice.calls.is_empty() {
        json.key("tool_calls");
        json.array();
        choice.calls.iter().for_each(|call| self::call(json, call));
        json.end_array();
    }
    json.end_object();
}

fn call(json: &mut Writer, call: &Call) {
    json.object();
    json.member("id", &call.id);
    json.member("type", "function");
    json.key("function");
    json.object();
    json.member("name", &call.name);
    json.member("arguments", &call.arguments);
    json.end_object();
    json.end_object();
}

/// What an answer took: no more than that, since how much of a prompt was cached tells of others' prompts.
pub(super) fn usage(json: &mut Writer, usage: Usage) {
    json.key("usage");
    json.object();
    tokens(json, "prompt_tokens", usage.input);
    tokens(json, "completion_tokens", usage.output);
    tokens(json, "total_tokens", usage.input.saturating_add(usage.output));
    json.end_object();
}

fn tokens(json: &mut Writer, name: &'static str, count: u64) {
    json.key(name);
    json.integer(count);
}

fn vectors(json: &mut Writer, vectors: &[Vector]) {
    json.member("object", "list");
    json.key("data");
    json.array();
    for (index, vector) in vectors.iter().enumerate() {
        json.object();
        json.member("object", "embedding");
        json.key("index");
        json.integer(index);
        json.key("embedding");
        match vector {
            Vector::Base64(text) => json.string(text),
            Vector::Numbers(numbers) => {
                json.array();
                numbers.iter().for_each(|number| json.double(*number));
                json.end_array();
            }
        }
        json.end_object();
    }
    json.end_array();
}
