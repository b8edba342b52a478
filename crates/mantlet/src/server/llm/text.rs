//! `POST /v1/completions` and `POST /v1/embeddings`.

use mantlet_gate::routes::{Prompt, prompt::Task};
use mantlet_types::Rejection;
use serde_json::{Map, Value};

use super::{
    Form,
    members::{Members, options, salted, streaming},
};

/// Options of completions.
const OPTIONS: [&str; 9] = [
    "temperature",
    "top_p",
    "n",
    "stop",
    "max_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
];

/// Reads a request to go on with texts.
pub(super) fn read_completion(
    body: Map<String, Value>,
    mut prompt: Prompt,
) -> Result<(Prompt, Form), Rejection> {
    let mut members = Members::body(body);
    prompt.model = members.required("model")?.into();
    let prompts = texts(&mut members, "prompt")?;
    prompt.task = Task::Text { prompts, suffix: members.text("suffix")? };
    let (stream, include_usage) = streaming(&mut members)?;
    prompt.stream = stream;
    options(&mut members, &OPTIONS, &mut prompt.options);
    salted(&mut members, &mut prompt.salted)?;
    members.refuse(&["echo", "logprobs", "best_of", "store", "metadata"])?;
    members.end()?;
    Ok((prompt, Form { include_usage }))
}

/// Reads a request for vectors.
pub(super) fn read_embeddings(
    body: Map<String, Value>,
    mut prompt: Prompt,
) -> Result<(Prompt, Form), Rejection> {
    let mut members = Members::body(body);
    prompt.model = members.required("model")?.into();
    prompt.task = Task::Embed(texts(&mut members, "input")?);
    options(&mut members, &["dimensions", "encoding_format"], &mut prompt.options);
    let form = prompt.option("encoding_format");
    if form.is_some_and(|form| form != "float" && form != "base64") {
        return Err(Rejection::invalid("encoding_format"));
    }
    salted(&mut members, &mut prompt.salted)?;
    members.end()?;
    Ok((prompt, Form::default()))
}

/// One text or several. Token numbers are not taken: nobody here could read what they say.
fn texts(members: &mut Members, name: &str) -> Result<Vec<String>, Rejection> {
    let texts: Option<Vec<String>> = match members.take(name) {
        Some(Value::String(text)) => Some(vec![text]),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Some(text),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    texts.filter(|texts| !texts.is_empty()).ok_or_else(|| members.wrong(name))
}
