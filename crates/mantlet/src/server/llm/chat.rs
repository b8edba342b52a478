//! `POST /v1/chat/completions`: turns by role, tools, options.

use mantlet_gate::routes::{
    Prompt,
    prompt::{Call, Content, Role, Task, Tool, Turn},
};
use mantlet_types::Rejection;
use serde_json::{Map, Value, json};

use super::{
    Form,
    members::{Members, options, salted, streaming},
};

/// Options that routes may list.
pub const OPTIONS: [&str; 16] = [
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "response_format",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "dimensions",
];

/// What has an upstream keep something, look something up, or answer in another form than the gate reads.
const REFUSED: [&str; 13] = [
    "store",
    "metadata",
    "service_tier",
    "logprobs",
    "top_logprobs",
    "audio",
    "prediction",
    "web_search_options",
    "functions",
    "function_call",
    "prompt_cache_retention",
    "conversation",
    "previous_response_id",
];

/// Longest id of a call.
const CALL_ID_BYTES_MAX: usize = 256;

/// Reads the request.
pub(super) fn read(body: Map<String, Value>, mut prompt: Prompt) -> Result<(Prompt, Form), Rejection> {
    let mut members = Members::body(body);
    prompt.model = members.required("model")?.into();
    let messages = members.list("messages")?;
    if messages.is_empty() {
        return Err(members.wrong("messages"));
    }
    let turns = messages.into_iter().enumerate().map(|(index, message)| turn(message, index));
    prompt.task = Task::Chat(turns.collect::<Result<_, _>>()?);
    let (stream, include_usage) = streaming(&mut members)?;
    prompt.stream = stream;
    for (index, tool) in members.list("tools")?.into_iter().enumerate() {
        read_tool(tool, index, &mut prompt)?;
    }
    options(&mut members, &OPTIONS, &mut prompt.options);
    choice(&prompt)?;
    format(&mut prompt)?;
    salted(&mut members, &mut prompt.salted)?;
    only_text(&mut members)?;
    members.refuse(&REFUSED)?;
    members.end()?;
    Ok((prompt, Form { include_usage }))
}

/// `modalities` may say what holds anyway.
fn only_text(members: &mut Members) -> Result<(), Rejection> {
    let modalities = members.list("modalities")?;
    if modalities.iter().all(|kind| kind == "text") { Ok(()) } else { Err(members.wrong("modalities")) }
}

/// In what form the answer is to come: a word of the protocol, or a schema; nothing else that an upstream may have a use for.
fn format(prompt: &mut Prompt) -> Result<(), Rejection> {
    let Some((_, value)) = prompt.options.iter_mut().find(|(name, _)| *name == "response_format") else {
        return Ok(());
    };
    let mut format = Members::of(value.take(), "response_format")?;
    let kind = format.required("type")?;
    *value = match kind.as_str() {
        "text" | "json_object" => json!({ "type": kind }),
        "json_schema" => {
            let inner = format.take("json_schema").ok_or_else(|| format.wrong("json_schema"))?;
            let schema = json_schema(Members::of(inner, format.place("json_schema"))?)?;
            json!({ "type": kind, "json_schema": schema })
        }
        _ => return Err(format.wrong("type")),
    };
    format.end()
}

/// The members of a form that a schema says.
pub(super) fn json_schema(mut members: Members) -> Result<Map<String, Value>, Rejection> {
    let mut schema = Map::new();
    for name in ["name", "description", "schema", "strict"] {
        let Some(value) = members.take(name) else { continue };
        let fits = match name {
            "schema" => value.is_object() && !points_elsewhere(&value),
            "strict" => value.is_boolean(),
            _ => value.is_string(),
        };
        if !fits {
            return Err(members.wrong(name));
        }
        schema.insert(name.to_owned(), value);
    }
    members.end()?;
    Ok(schema)
}

/// Whether a schema has whoever reads it fetch another one (JSON Schema 2020-12, section 8.2.3). A member of that name is
/// one wherever it stands: what a reader takes for a schema is its own secret. INVARIANT (bounded-recursion): the reader that
/// made the value has bounded its depth.
fn points_elsewhere(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let points = matches!(name.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
            let here = value.as_str().is_none_or(|place| place.starts_with('#'));
            (points && !here) || points_elsewhere(value)
        }),
        Value::Array(items) => items.iter().any(points_elsewhere),
        _ => false,
    }
}

/// A word of the protocol, or one of the functions that the request has.
fn choice(prompt: &Prompt) -> Result<(), Rejection> {
    let wrong = || Rejection::invalid("tool_choice");
    match prompt.option("tool_choice") {
        None => Ok(()),
        Some(Value::String(word)) if ["none", "auto", "required"].contains(&word.as_str()) => Ok(()),
        Some(value) => {
            let mut chosen = Members::of(value.clone(), "tool_choice")?;
            if chosen.required("type")? != "function" {
                return Err(wrong());
            }
            let mut function =
                Members::of(chosen.take("function").ok_or_else(wrong)?, "tool_choice.function")?;
            let name = function.required("name")?;
            function.end()?;
            chosen.end()?;
            if prompt.tools.iter().any(|tool| tool.name == name) { Ok(()) } else { Err(wrong()) }
        }
    }
}

fn turn(message: Value, index: usize) -> Result<Turn, Rejection> {
    let mut members = Members::of(message, format!("messages[{index}]"))?;
    let role = match members.required("role")?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(members.wrong("role")),
    };
    let mut turn = Turn { role, name: members.text("name")?, ..Turn::default() };
    if turn.name.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(members.wrong("name"));
    }
    match members.take("content") {
        Some(content) => turn.parts = parts(content, role, &members)?,
        None if role == Role::Assistant => {}
        None => return Err(members.wrong("content")),
    }
    match role {
        Role::Tool => turn.answers = Some(call_id(members.required("tool_call_id")?, &members)?),
        Role::Assistant => {
            turn.parts.extend(members.text("refusal")?.map(Content::Text));
            for (place, call) in members.list("tool_calls")?.into_iter().enumerate() {
                turn.calls.push(read_call(call, members.place(format_args!("tool_calls[{place}]")))?);
            }
            // An answer's own members come back in histories.
            members.refuse(&["annotations", "audio", "function_call"])?;
        }
        Role::System | Role::Developer | Role::User => {}
    }
    members.end()?;
    Ok(turn)
}

/// Names of functions and speakers, as the protocol has them.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

pub(super) fn call_id(id: String, members: &Members) -> Result<String, Rejection> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'));
    if plain && (1..=CALL_ID_BYTES_MAX).contains(&id.len()) {
        Ok(id)
    } else {
        Err(members.wrong("tool_call_id"))
    }
}

fn parts(content: Value, role: Role, members: &Members) -> Result<Vec<Content>, Rejection> {
    match content {
        Value::String(text) => Ok(vec![Content::Text(text)]),
        Value::Array(items) => {
            let place = |index| members.place(format_args!("content[{index}]"));
            items.into_iter().enumerate().map(|(index, item)| part(item, role, place(index))).collect()
        }
        _ => Err(members.wrong("content")),
    }
}

fn part(item: Value, role: Role, at: String) -> Result<Content, Rejection> {
    let mut members = Members::of(item, at)?;
    let content = match (members.required("type")?.as_str(), role) {
        ("text", _) => Content::Text(members.required("text")?),
        ("refusal", Role::Assistant) => Content::Text(members.required("refusal")?),
        ("image_url", Role::User) => {
            let image = members.take("image_url").ok_or_else(|| members.wrong("image_url"))?;
            let mut image = Members::of(image, members.place("image_url"))?;
            let url = image.required("url")?;
            let detail = match image.text("detail")?.as_deref() {
                None => None,
                Some("auto") => Some("auto"),
                Some("low") => Some("low"),
                Some("high") => Some("high"),
                Some(_) => return Err(image.wrong("detail")),
            };
            image.end()?;
            Content::Image { url, detail }
        }
        ("document", Role::User | Role::Tool) => {
            let document = members.take("document").ok_or_else(|| members.wrong("document"))?;
            let mut document = Members::of(document, members.place("document"))?;
            let (title, text) = (document.text("title")?, document.required("text")?);
            document.end()?;
            Content::Document { title, text }
        }
        _ => return Err(members.wrong("type")),
    };
    members.end()?;
    Ok(content)
}

fn read_call(call: Value, at: String) -> Result<Call, Rejection> {
    let mut members = Members::of(call, at)?;
    if members.required("type")? != "function" {
        return Err(members.wrong("type"));
    }
    let id = members.required("id")?;
    let id = call_id(id, &members)?;
    let function = members.take("function").ok_or_else(|| members.wrong("function"))?;
    let mut function = Members::of(function, members.place("function"))?;
    let (name, arguments) = (function.required("name")?, function.required("arguments")?);
    if !is_name(&name) {
        return Err(function.wrong("name"));
    }
    function.end()?;
    members.take("index"); // left over from a stream
    members.end()?;
    Ok(Call { id, name, arguments })
}

/// A function; anything else is a tool that the upstream would run by itself, which the gate decides on.
fn read_tool(tool: Value, index: usize, prompt: &mut Prompt) -> Result<(), Rejection> {
    let at = format!("tools[{index}]");
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        prompt.hosted.push(Members::of(tool, at).map(Members::into_value)?);
        return Ok(());
    }
    let mut members = Members::of(tool, at)?;
    members.take("type");
    let function = members.take("function").ok_or_else(|| members.wrong("function"))?;
    let function = Members::of(function, members.place("function"))?;
    members.end()?;
    let tool = read_function(function)?;
    if prompt.tools.iter().any(|known| known.name == tool.name) {
        return Err(Rejection::invalid("tools").because("two functions of one name"));
    }
    prompt.tools.push(tool);
    Ok(())
}

/// What a request says of a function.
pub(super) fn read_function(mut function: Members) -> Result<Tool, Rejection> {
    let name = function.required("name")?;
    if !is_name(&name) {
        return Err(function.wrong("name"));
    }
    let description = function.text("description")?;
    let parameters = function.take("parameters");
    if parameters.as_ref().is_some_and(|schema| !schema.is_object() || points_elsewhere(schema)) {
        return Err(function.wrong("parameters"));
    }
    let strict = match function.take("strict") {
        None => None,
        Some(Value::Bool(strict)) => Some(strict),
        Some(_) => return Err(function.wrong("strict")),
    };
    function.end()?;
    Ok(Tool { name, description, parameters, strict })
}
