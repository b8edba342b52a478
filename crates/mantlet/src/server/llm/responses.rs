//! `POST /v1/responses`, as far as it keeps nothing: the same prompt in other words. It is asked of upstreams as a chat, which
//! all of them speak, and the answer is put back into this protocol's words.

use mantlet_gate::routes::{
    Prompt,
    prompt::{Call, Content, Role, Task, Turn},
};
use mantlet_types::Rejection;
use serde_json::{Map, Value, json};

use super::{
    Form,
    chat::{call_id, is_name, json_schema, read_function},
    members::{Members, options, salted},
};

/// What has somebody keep something, or run something by itself.
const REFUSED: [&str; 10] = [
    "store",
    "previous_response_id",
    "conversation",
    "background",
    "metadata",
    "include",
    "prompt",
    "service_tier",
    "top_logprobs",
    "max_tool_calls",
];

/// Reads the request.
pub(super) fn read(body: Map<String, Value>, mut prompt: Prompt) -> Result<(Prompt, Form), Rejection> {
    let mut members = Members::body(body);
    prompt.model = members.required("model")?.into();
    let mut turns = Vec::new();
    if let Some(text) = members.text("instructions")? {
        turns.push(Turn { role: Role::System, parts: vec![Content::Text(text)], ..Turn::default() });
    }
    match members.take("input") {
        Some(Value::String(text)) => turns.push(Turn { parts: vec![Content::Text(text)], ..Turn::default() }),
        Some(Value::Array(items)) if !items.is_empty() => {
            for (index, item) in items.into_iter().enumerate() {
                self::item(item, format!("input[{index}]"), &mut turns)?;
            }
        }
        _ => return Err(members.wrong("input")),
    }
    prompt.task = Task::Chat(turns);
    prompt.stream = members.flag("stream")?;
    for (index, tool) in members.list("tools")?.into_iter().enumerate() {
        self::tool(tool, format!("tools[{index}]"), &mut prompt)?;
    }
    options(&mut members, &["temperature", "top_p", "parallel_tool_calls"], &mut prompt.options);
    if let Some(most) = members.take("max_output_tokens") {
        prompt.options.push(("max_completion_tokens", most));
    }
    choice(&mut members, &mut prompt)?;
    text(&mut members, &mut prompt)?;
    if let Some(reasoning) = members.take("reasoning") {
        let mut reasoning = Members::of(reasoning, "reasoning")?;
        options(&mut reasoning, &["effort"], &mut prompt.options);
        prompt
            .options
            .iter_mut()
            .filter(|(name, _)| *name == "effort")
            .for_each(|(name, _)| *name = "reasoning_effort");
        reasoning.refuse(&["summary", "generate_summary"])?;
        reasoning.end()?;
    }
    salted(&mut members, &mut prompt.salted)?;
    if members.text("truncation")?.is_some_and(|word| word != "disabled") {
        return Err(members.wrong("truncation"));
    }
    members.refuse(&REFUSED)?;
    members.end()?;
    Ok((prompt, Form::default()))
}

/// One item of the input: a message, a call that the model has made, or what came of one.
fn item(item: Value, at: String, turns: &mut Vec<Turn>) -> Result<(), Rejection> {
    let mut members = Members::of(item, at)?;
    members.text("id")?; // ours, and of no meaning: nothing was kept
    members.text("status")?;
    match members.text("type")?.as_deref() {
        None | Some("message") => {
            let role = match members.required("role")?.as_str() {
                "system" => Role::System,
                "developer" => Role::Developer,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                _ => return Err(members.wrong("role")),
            };
            let content = members.take("content").ok_or_else(|| members.wrong("content"))?;
            turns.push(Turn { role, parts: parts(content, role, &members)?, ..Turn::default() });
        }
        Some("function_call") => {
            let (id, name) = (members.required("call_id")?, members.required("name")?);
            if !is_name(&name) {
                return Err(members.wrong("name"));
            }
            let call = Call { id: call_id(id, &members)?, name, arguments: members.required("arguments")? };
            // Calls of one turn stand one after another.
            match turns.last_mut().filter(|turn| turn.role == Role::Assistant) {
                Some(turn) => turn.calls.push(call),
                None => turns.push(Turn { role: Role::Assistant, calls: vec![call], ..Turn::default() }),
            }
        }
        Some("function_call_output") => {
            let id = members.required("call_id")?;
            let answers = Some(call_id(id, &members)?);
            let parts = vec![Content::Text(members.required("output")?)];
            turns.push(Turn { role: Role::Tool, parts, answers, ..Turn::default() });
        }
        Some(_) => return Err(members.wrong("type")),
    }
    members.end()
}

fn parts(content: Value, role: Role, members: &Members) -> Result<Vec<Content>, Rejection> {
    let Value::Array(items) = content else {
        return match content {
            Value::String(text) => Ok(vec![Content::Text(text)]),
            _ => Err(members.wrong("content")),
        };
    };
    let mut parts = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let mut part = Members::of(item, members.place(format_args!("content[{index}]")))?;
        parts.push(match (part.required("type")?.as_str(), role) {
            ("input_text", _) => Content::Text(part.required("text")?),
            ("output_text", Role::Assistant) => {
                part.refuse(&["annotations", "logprobs"])?;
                Content::Text(part.required("text")?)
            }
            ("refusal", Role::Assistant) => Content::Text(part.required("refusal")?),
            ("input_image", Role::User) => {
                part.refuse(&["file_id"])?;
                part.text("detail")?;
                Content::Image { url: part.required("image_url")?, detail: None }
            }
            _ => return Err(part.wrong("type")),
        });
        part.end()?;
    }
    Ok(parts)
}

fn tool(tool: Value, at: String, prompt: &mut Prompt) -> Result<(), Rejection> {
    let mut members = Members::of(tool, at)?;
    match members.text("type")?.as_deref() {
        Some("function") => {
            let tool = read_function(members)?;
            if prompt.tools.iter().any(|known| known.name == tool.name) {
                return Err(Rejection::invalid("tools").because("two functions of one name"));
            }
            prompt.tools.push(tool);
            Ok(())
        }
        // Asked as a chat, an upstream has no tools of its own to run.
        _ => Err(Rejection::invalid("tools")),
    }
}

fn choice(members: &mut Members, prompt: &mut Prompt) -> Result<(), Rejection> {
    let chosen = match members.take("tool_choice") {
        None => return Ok(()),
        Some(Value::String(word)) if ["none", "auto", "required"].contains(&word.as_str()) => word.into(),
        Some(value) => {
            let mut chosen = Members::of(value, "tool_choice")?;
            let (kind, name) = (chosen.required("type")?, chosen.required("name")?);
            chosen.end()?;
            if kind != "function" || !prompt.tools.iter().any(|tool| tool.name == name) {
                return Err(members.wrong("tool_choice"));
            }
            json!({ "type": "function", "function": { "name": name } })
        }
    };
    // Without functions there is nothing to choose, and servers refuse to be told how.
    if !prompt.tools.is_empty() {
        prompt.options.push(("tool_choice", chosen));
    }
    Ok(())
}

/// `text`: the form of the answer.
fn text(members: &mut Members, prompt: &mut Prompt) -> Result<(), Rejection> {
    let Some(text) = members.take("text") else { return Ok(()) };
    let mut text = Members::of(text, "text")?;
    options(&mut text, &["verbosity"], &mut prompt.options);
    if let Some(format) = text.take("format") {
        let mut format = Members::of(format, "text.format")?;
        let kind = format.required("type")?;
        let form = match kind.as_str() {
            "text" => None,
            "json_object" => Some(json!({ "type": "json_object" })),
            "json_schema" => {
                let schema = json_schema(format)?;
                prompt
                    .options
                    .push(("response_format", json!({ "type": "json_schema", "json_schema": schema })));
                return text.end();
            }
            _ => return Err(format.wrong("type")),
        };
        format.end()?;
        prompt.options.extend(form.map(|form| ("response_format", form)));
    }
    text.end()
}
