//! Answers in the words of `/v1/responses`: a document of items, or events that build it.

use mantlet_gate::routes::{
    Answer, Event,
    answer::{Choice, Finish, Usage},
    prompt::Call,
};
use mantlet_types::Rejection;
use serde_json::{Value, json};

use super::{Heading, error};

/// The document of a whole answer.
pub(super) fn whole(heading: &Heading, answer: &Answer) -> Vec<u8> {
    let choice = answer.choices.first().cloned().unwrap_or_default();
    let document = document(heading, &choice, answer.usage);
    serde_json::to_vec(&document).unwrap_or_default() // strings and numbers cannot fail to be written
}

fn document(heading: &Heading, choice: &Choice, usage: Option<Usage>) -> Value {
    let (status, incomplete) = match choice.finish {
        None => ("in_progress", Value::Null),
        Some(Finish::Length) => ("incomplete", json!({ "reason": "max_output_tokens" })),
        Some(Finish::Filter) => ("incomplete", json!({ "reason": "content_filter" })),
        Some(Finish::Stop | Finish::Calls) => ("completed", Value::Null),
    };
    let usage = usage.map(|usage| {
        json!({
            "input_tokens": usage.input, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": usage.output, "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": usage.input.saturating_add(usage.output),
        })
    });
    json!({
        "id": format!("resp_{}", heading.id), "object": "response", "created_at": heading.created, "status": status,
        "error": null, "incomplete_details": incomplete, "instructions": null, "metadata": {}, "model": heading.model,
        "output": items(heading, choice), "parallel_tool_calls": true, "previous_response_id": null, "store": false,
        "temperature": null, "tool_choice": "auto", "tools": [], "top_p": null, "usage": usage,
    })
}

fn items(heading: &Heading, choice: &Choice) -> Vec<Value> {
    let mut items = Vec::new();
    if !choice.text.is_empty() || choice.refusal.is_some() || choice.calls.is_empty() {
        items.push(message(heading, choice, "completed"));
    }
    items.extend(choice.calls.iter().zip(0..).map(|(call, at)| function(heading, call, at, "completed")));
    items
}

fn message(heading: &Heading, choice: &Choice, status: &str) -> Value {
    let part = match &choice.refusal {
        Some(text) => json!({ "type": "refusal", "refusal": text }),
        None => part(&choice.text),
    };
    json!({ "id": message_id(heading), "type": "message", "role": "assistant", "status": status, "content": [part] })
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

fn message_id(heading: &Heading) -> String {
    format!("msg_{}", heading.id)
}

fn function_id(heading: &Heading, at: usize) -> String {
    format!("fc_{}_{at}", heading.id)
}

fn function(heading: &Heading, call: &Call, at: usize, status: &str) -> Value {
    json!({ "id": function_id(heading, at), "type": "function_call", "call_id": call.id, "name": call.name,
        "arguments": call.arguments, "status": status })
}

/// Builds the events of an answer under way.
#[derive(Debug, Default)]
pub(super) struct Builder {
    so_far: Choice,
    sequence: u64,
    begun: bool,
    /// The message's place among the items, once it has begun.
    message: Option<usize>,
    /// Numbers of calls with their places among the items.
    calls: Vec<(u32, usize)>,
}

impl Builder {
    /// What a piece becomes.
    pub(super) fn event(&mut self, heading: &Heading, event: Event) -> Vec<u8> {
        let mut out = Vec::new();
        self.begin(heading, &mut out);
        match event {
            Event::Text { text, .. } => {
                let at = self.open(heading, &mut out);
                self.put(
                    "response.output_text.delta",
                    &at,
                    json!({ "delta": text, "logprobs": [] }),
                    &mut out,
                );
                self.so_far.text.push_str(&text);
            }
            Event::Refusal { text, .. } => {
                let at = self.open(heading, &mut out);
                self.put("response.refusal.delta", &at, json!({ "delta": text }), &mut out);
                self.so_far.refusal.get_or_insert_default().push_str(&text);
            }
            Event::Call { index, id, name, arguments, .. } => {
                self.call(heading, (index, id, name), &arguments, &mut out);
            }
            Event::Finish { finish, .. } => self.so_far.finish = Some(finish),
            Event::Usage(_) => {}
        }
        out
    }

    /// What the end becomes.
    pub(super) fn end(&mut self, heading: &Heading, usage: Usage) -> Vec<u8> {
        let mut out = Vec::new();
        self.begin(heading, &mut out);
        if let Some(place) = self.message {
            let at = json!({ "item_id": message_id(heading), "output_index": place, "content_index": 0 });
            let text = self.so_far.text.clone();
            let (kind, said) = match self.so_far.refusal.clone() {
                Some(refusal) => ("response.refusal.done", json!({ "refusal": refusal })),
                None => ("response.output_text.done", json!({ "text": text, "logprobs": [] })),
            };
            self.put(kind, &at, said, &mut out);
            self.put("response.content_part.done", &at, json!({ "part": part(&text) }), &mut out);
            let item = message(heading, &self.so_far, "completed");
            self.put(
                "response.output_item.done",
                &json!({ "output_index": place }),
                json!({ "item": item }),
                &mut out,
            );
        }
        let calls = self.so_far.calls.clone();
        for (at, (call, (_, place))) in calls.iter().zip(self.calls.clone()).enumerate() {
            let item_at = json!({ "item_id": function_id(heading, at), "output_index": place });
            let done = json!({ "arguments": call.arguments, "name": call.name });
            self.put("response.function_call_arguments.done", &item_at, done, &mut out);
            let item = json!({ "item": function(heading, call, at, "completed") });
            self.put("response.output_item.done", &json!({ "output_index": place }), item, &mut out);
        }
        let mut document = document(heading, &self.so_far, Some(usage));
        if let (Some(place), Some(items)) = (self.message, document["output"].as_array_mut())
            && let Some(before) = items.get_mut(..=place)
        {
            before.rotate_left(1); // it would stand first otherwise
        }
        let kind =
            if document["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
        self.put(kind, &json!({}), json!({ "response": document }), &mut out);
        out
    }

    /// What an end becomes before the answer is whole.
    pub(super) fn fail(&mut self, rejection: &Rejection) -> Vec<u8> {
        let mut out = Vec::new();
        let error =
            json!({ "code": error::code(rejection.code), "message": rejection.to_string(), "param": null });
        self.put("error", &json!({}), error, &mut out);
        out
    }

    fn begin(&mut self, heading: &Heading, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            let mut document = document(heading, &Choice::default(), None);
            document["output"] = json!([]);
            for kind in ["response.created", "response.in_progress"] {
                self.put(kind, &json!({}), json!({ "response": document }), out);
            }
        }
    }

    /// Opens the message, if it is not open; where its only part is.
    fn open(&mut self, heading: &Heading, out: &mut Vec<u8>) -> Value {
        let at = |place| json!({ "item_id": message_id(heading), "output_index": place, "content_index": 0 });
        if let Some(place) = self.message {
            return at(place);
        }
        let place = self.calls.len();
        self.message = Some(place);
        let mut item = message(heading, &Choice::default(), "in_progress");
        item["content"] = json!([]);
        self.put(
            "response.output_item.added",
            &json!({ "output_index": place }),
            json!({ "item": item }),
            out,
        );
        self.put("response.content_part.added", &at(place), json!({ "part": part("") }), out);
        at(place)
    }

    fn call(
        &mut self,
        heading: &Heading,
        (index, id, name): (u32, Option<String>, Option<String>),
        arguments: &str,
        out: &mut Vec<u8>,
    ) {
        let at = match self.calls.iter().position(|(known, _)| *known == index) {
            Some(at) => at,
            None => {
                let (id, name) = (id.unwrap_or_default(), name.unwrap_or_default());
                let call = Call { id, name, arguments: String::new() };
                let at = self.calls.len();
                let place = at + usize::from(self.message.is_some());
                self.calls.push((index, place));
                let item = json!({ "item": function(heading, &call, at, "in_progress") });
                self.so_far.calls.push(call);
                self.put("response.output_item.added", &json!({ "output_index": place }), item, out);
                at
            }
        };
        let place = self.calls.get(at).map_or(0, |(_, place)| *place);
        let item_at = json!({ "item_id": function_id(heading, at), "output_index": place });
        self.put("response.function_call_arguments.delta", &item_at, json!({ "delta": arguments }), out);
        if let Some(call) = self.so_far.calls.get_mut(at) {
            call.arguments.push_str(arguments);
        }
    }

    /// Writes one event.
    fn put(&mut self, kind: &str, place: &Value, content: Value, out: &mut Vec<u8>) {
        let mut event = json!({ "type": kind, "sequence_number": self.sequence });
        self.sequence += 1;
        if let Some(event) = event.as_object_mut() {
            for part in [place.clone(), content] {
                if let Value::Object(members) = part {
                    event.extend(members);
                }
            }
        }
        out.extend_from_slice(format!("event: {kind}\ndata: {event}\n\n").as_bytes());
    }
}
