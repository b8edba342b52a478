//! Prompts as OpenAI's protocol writes them.

use mantlet_gate::routes::{
    Forwarded, Prompt,
    prompt::{Call, Content, Role, Task, Tool, Turn},
};
use serde_json::{Map, Value, json};

/// The path below the upstream's own, and the body.
pub(super) fn request(forwarded: &Forwarded, model: &str) -> (&'static str, Vec<u8>) {
    let prompt = forwarded.prompt();
    let mut body = Map::new();
    body.insert("model".to_owned(), model.into());
    let path = match &prompt.task {
        Task::Chat(turns) => {
            body.insert("messages".to_owned(), turns.iter().map(message).collect());
            "/chat/completions"
        }
        Task::Text { prompts, suffix } => {
            let one = prompts.first().filter(|_| prompts.len() == 1);
            body.insert("prompt".to_owned(), one.map_or_else(|| json!(prompts), |one| json!(one)));
            if let Some(suffix) = suffix {
                body.insert("suffix".to_owned(), json!(suffix));
            }
            "/completions"
        }
        Task::Embed(inputs) => {
            body.insert("input".to_owned(), json!(inputs));
            "/embeddings"
        }
    };
    beside(prompt, &mut body);
    // A map of strings and numbers cannot fail to be written.
    (path, serde_json::to_vec(&Value::Object(body)).unwrap_or_default())
}

fn beside(prompt: &Prompt, body: &mut Map<String, Value>) {
    let tools: Vec<Value> = prompt.tools.iter().map(tool).chain(prompt.hosted.iter().cloned()).collect();
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    let options = prompt.options.iter().filter(|(name, _)| *name != "stream_options");
    body.extend(options.map(|(name, value)| ((*name).to_owned(), value.clone())));
    body.extend(prompt.salted.iter().map(|(name, word)| ((*name).to_owned(), word.as_str().into())));
    if prompt.stream {
        body.insert("stream".to_owned(), true.into());
        // What an answer took is counted, whether or not the caller wants to hear of it.
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    }
}

fn message(turn: &Turn) -> Value {
    let mut message = Map::new();
    message.insert("role".to_owned(), turn.role.as_str().into());
    message.insert("content".to_owned(), content(turn));
    if let Some(name) = &turn.name {
        message.insert("name".to_owned(), name.as_str().into());
    }
    if !turn.calls.is_empty() {
        message.insert("tool_calls".to_owned(), turn.calls.iter().map(call).collect());
    }
    if let Some(answers) = &turn.answers {
        message.insert("tool_call_id".to_owned(), answers.as_str().into());
    }
    message.into()
}

/// One text as a string, which every server reads; anything else as parts.
fn content(turn: &Turn) -> Value {
    match turn.parts.as_slice() {
        [] if turn.role == Role::Assistant => Value::Null,
        [] => "".into(),
        [Content::Text(text)] => text.as_str().into(),
        parts => parts.iter().map(part).collect(),
    }
}

fn part(part: &Content) -> Value {
    match part {
        Content::Text(text) => json!({ "type": "text", "text": text }),
        Content::Document { title, text } => {
            let text = title.as_ref().map_or_else(|| text.clone(), |title| format!("{title}\n\n{text}"));
            json!({ "type": "text", "text": text })
        }
        Content::Image { url, detail: None } => json!({ "type": "image_url", "image_url": { "url": url } }),
        Content::Image { url, detail: Some(detail) } => {
            json!({ "type": "image_url", "image_url": { "url": url, "detail": detail } })
        }
    }
}

fn call(call: &Call) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(text) = &tool.description {
        function.insert("description".to_owned(), text.as_str().into());
    }
    if let Some(schema) = &tool.parameters {
        function.insert("parameters".to_owned(), schema.clone());
    }
    if let Some(strict) = tool.strict {
        function.insert("strict".to_owned(), strict.into());
    }
    json!({ "type": "function", "function": function })
}
