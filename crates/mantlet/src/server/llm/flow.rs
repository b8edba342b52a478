//! Answers that leave as they come, as server-sent events.
//!
//! An answer that must not go on, or cannot, ends in an event with an error and without `[DONE]`: clients raise it, and
//! nobody takes a part for the whole.

use std::{
    collections::BTreeSet,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use hyper::body::Frame;
use mantlet_gate::routes::{Event, Part, Running, answer::Usage};
use mantlet_types::{Code, Rejection};

use super::{Endpoint, Heading, error, reply, response::Builder};
use crate::server::{content::Content, json::Writer, reply::Reply};

/// A reply's body under way.
#[derive(Debug)]
pub struct Flow {
    heading: Heading,
    running: Running,
    /// Choices whose first piece has left, which says whose turn it is.
    begun: BTreeSet<u32>,
    ended: bool,
    /// What has left so far, where the protocol repeats it at the end.
    builder: Builder,
}

/// The reply that carries it.
pub(super) fn reply(heading: Heading, running: Running) -> Reply {
    let flow = Flow { heading, running, begun: BTreeSet::new(), ended: false, builder: Builder::default() };
    let mut reply = Response::new(Content::Flow(Box::new(flow)));
    let headers = reply.headers_mut();
    headers.reserve(10);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy that gathers events would keep them from whoever waits.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

impl Flow {
    /// The next bytes, when they are there.
    pub(in crate::server) fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        while !self.ended {
            let Poll::Ready(part) = self.running.poll_part(context) else { return Poll::Pending };
            let bytes = match part {
                Some(Part::Event(event)) => self.event(event),
                Some(Part::Done(usage)) => self.end(usage),
                Some(Part::Failed(rejection)) => self.fail(&rejection),
                // What drives the answer is gone, without a word.
                None => self.fail(&Rejection::new(Code::Unavailable)),
            };
            if !bytes.is_empty() {
                return Poll::Ready(Some(Frame::data(bytes.into())));
            }
        }
        Poll::Ready(None)
    }

    fn event(&mut self, event: Event) -> Vec<u8> {
        match self.heading.endpoint {
            Endpoint::Responses => self.builder.event(&self.heading, event),
            Endpoint::Chat => self.chat(&event),
            Endpoint::Text | Endpoint::Embeddings => self.text(event),
        }
    }

    fn chat(&mut self, event: &Event) -> Vec<u8> {
        let mut json = self.open("chat.completion.chunk");
        let (choice, finish) = match event {
            Event::Text { choice, .. } | Event::Refusal { choice, .. } | Event::Call { choice, .. } => {
                (*choice, None)
            }
            Event::Finish { choice, finish } => (*choice, Some(*finish)),
            Event::Usage(_) => return Vec::new(), // told at the end, to whoever has asked
        };
        json.object();
        json.key("index");
        json.integer(choice);
        json.key("delta");
        json.object();
        if self.begun.insert(choice) {
            json.member("role", "assistant");
        }
        match event {
            Event::Text { text, .. } => json.member("content", text),
            Event::Refusal { text, .. } => json.member("refusal", text),
            Event::Call { index, id, name, arguments, .. } => {
                call(&mut json, *index, id.as_deref(), name.as_deref(), arguments);
            }
            Event::Finish { .. } | Event::Usage(_) => {}
        }
        json.end_object();
        json.key("logprobs");
        json.null();
        json.key("finish_reason");
        match finish {
            Some(finish) => json.string(finish.as_str()),
            None => json.null(),
        }
        json.end_object();
        self.close(json, None)
    }

    fn text(&mut self, event: Event) -> Vec<u8> {
        let (choice, text, finish) = match event {
            Event::Text { choice, text } | Event::Refusal { choice, text } => (choice, text, None),
            Event::Finish { choice, finish } => (choice, String::new(), Some(finish)),
            Event::Call { .. } | Event::Usage(_) => return Vec::new(),
        };
        let mut json = self.open("text_completion");
        json.object();
        json.key("index");
        json.integer(choice);
        json.member("text", &text);
        json.key("logprobs");
        json.null();
        json.key("finish_reason");
        match finish {
            Some(finish) => json.string(finish.as_str()),
            None => json.null(),
        }
        json.end_object();
        self.close(json, None)
    }

    /// What it took, if somebody wants to know, and that it has ended.
    fn end(&mut self, usage: Usage) -> Vec<u8> {
        self.ended = true;
        if self.heading.endpoint == Endpoint::Responses {
            return self.builder.end(&self.heading, usage);
        }
        let mut bytes = Vec::new();
        if self.heading.form.include_usage {
            let object = if self.heading.endpoint == Endpoint::Chat {
                "chat.completion.chunk"
            } else {
                "text_completion"
            };
            let json = self.open(object);
            bytes = self.close(json, Some(usage));
        }
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        bytes
    }

    /// That it has ended and is not whole.
    fn fail(&mut self, rejection: &Rejection) -> Vec<u8> {
        self.ended = true;
        match self.heading.endpoint {
            Endpoint::Responses => self.builder.fail(rejection),
            Endpoint::Chat | Endpoint::Text | Endpoint::Embeddings => framed(&error::body(rejection)),
        }
    }

    fn open(&self, object: &str) -> Writer {
        let mut json = Writer::with_capacity(256);
        json.object();
        reply::head(&mut json, &self.heading, object);
        json.key("choices");
        json.array();
        json
    }

    fn close(&self, mut json: Writer, usage: Option<Usage>) -> Vec<u8> {
        json.end_array();
        match usage {
            Some(usage) => reply::usage(&mut json, usage),
            None if self.heading.form.include_usage => {
                json.key("usage");
                json.null();
            }
            None => {}
        }
        json.end_object();
        framed(&json.into_bytes())
    }
}

fn call(json: &mut Writer, index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) {
    json.key("tool_calls");
    json.array();
    json.object();
    json.key("index");
    json.integer(index);
    if let Some(id) = id {
        json.member("id", id);
        json.member("type", "function");
    }
    json.key("function");
    json.object();
    if let Some(name) = name {
        json.member("name", name);
    }
    json.member("arguments", arguments);
    json.end_object();
    json.end_object();
    json.end_array();
}

/// One event. JSON as we write it has no line breaks.
fn framed(json: &[u8]) -> Vec<u8> {
    [b"data: ", json, b"\n\n"].concat()
}
