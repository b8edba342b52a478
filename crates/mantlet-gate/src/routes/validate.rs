//! Whether a prompt is one that its route takes: its options, its size, who writes the system prompt, and that nothing in
//! it has the upstream fetch, run or keep anything.

use mantlet_guard::output::strict;
use mantlet_types::{Code, Rejection};
use serde_json::Value;

use super::{
    Prompt,
    filter::CHOICES_MAX,
    prompt::{Content, Role, Task},
    rules::{HoldAnswers, Rules, System},
};
use crate::{Gate, perimeter::RouteAdmission, record::Record};

/// A prompt that its route takes: the proof of validation.
pub(crate) struct ValidPrompt {
    pub(super) admission: RouteAdmission,
    pub(super) prompt: Prompt,
}

/// Options that belong to asking at all, and that no route has to list.
const ALWAYS: [&str; 2] = ["stream_options", "encoding_format"];

/// Checks a prompt against its route.
///
/// # Errors
/// 400 naming the member, 413 for what is too long.
pub(crate) fn validate(
    gate: &Gate,
    admission: RouteAdmission,
    mut prompt: Prompt,
    record: &mut Record,
) -> Result<ValidPrompt, Rejection> {
    let route = admission.permit().route();
    let rules = &route.rules;
    record.entry().batch = u32::try_from(prompt.turns()).ok();
    record.entry().input_length = u64::try_from(prompt.body_bytes).ok();
    record.entry().input_digest = gate.pseudonyms.as_ref().map(|names| names.digest(&prompt.body_digest));
    if prompt.body_bytes > rules.request_bytes_max || prompt.turns() > rules.messages_max {
        return Err(Code::TooLarge.into());
    }
    allowed(&prompt, rules)?;
    ranges(&prompt, rules)?;
    one_length(&prompt)?;
    choices(&prompt)?;
    arguments(&prompt)?;
    system(&prompt, rules)?;
    remote(&prompt, rules)?;
    salt(gate, &admission, &mut prompt);
    if rules.hold != HoldAnswers::Never {
        // What a person may have to look at first does not leave while it comes.
        prompt.stream = false;
    }
    Ok(ValidPrompt { admission, prompt })
}

/// Only options that the route lists; the names are words of the protocol, so they may be told.
fn allowed(prompt: &Prompt, rules: &Rules) -> Result<(), Rejection> {
    let listed = |name: &str| ALWAYS.contains(&name) || rules.options.contains(name);
    let named = prompt.options.iter().map(|(name, _)| *name);
    let salted = prompt.salted.iter().map(|(name, _)| *name);
    let tools = (!prompt.tools.is_empty()).then_some("tools");
    match named.chain(salted).chain(tools).find(|name| !listed(name)) {
        Some(name) => Err(Rejection::invalid(name).detailed("the route does not list this option")),
        None => Ok(()),
    }
}

/// Numbers within the protocol's bounds: what an upstream makes of others is its own secret.
fn ranges(prompt: &Prompt, rules: &Rules) -> Result<(), Rejection> {
    for (name, value) in &prompt.options {
        let number = |least: f64, most: f64| value.as_f64().is_some_and(|it| (least..=most).contains(&it));
        let count = |least: u64, most: u64| value.as_u64().is_some_and(|it| (least..=most).contains(&it));
        let holds = match *name {
            "temperature" => number(0.0, 2.0),
            "top_p" => number(0.0, 1.0),
            "presence_penalty" | "frequency_penalty" => number(-2.0, 2.0),
            "max_tokens" | "max_completion_tokens" | "dimensions" => count(1, 1 << 20),
            "n" => count(1, rules.choices_max.into()),
            "seed" => value.as_i64().is_some(),
            "parallel_tool_calls" => value.is_boolean(),
            "stop" => stops(value),
            "logit_bias" | "response_format" => value.is_object(),
            "reasoning_effort" | "verbosity" | "encoding_format" => value.is_string(),
            _ => true,
        };
        if !holds {
            return Err(Rejection::invalid(*name).detailed("the value of this option is out of its bounds"));
        }
    }
    Ok(())
}

/// An answer has one length: of two, each upstream would keep to the one that it knows.
fn one_length(prompt: &Prompt) -> Result<(), Rejection> {
    match (prompt.option("max_tokens"), prompt.option("max_completion_tokens")) {
        (Some(older), Some(newer)) if older.as_u64() != newer.as_u64() => {
            Err(Rejection::invalid("max_completion_tokens").because("another length than `max_tokens`"))
        }
        _ => Ok(()),
    }
}

/// As many answers as are told apart: each of several texts has `n`.
fn choices(prompt: &Prompt) -> Result<(), Rejection> {
    let Task::Text { prompts, .. } = &prompt.task else { return Ok(()) };
    let each = prompt.option("n").and_then(Value::as_u64).unwrap_or(1);
    let all = each.saturating_mul(prompts.len() as u64);
    if all > CHOICES_MAX.into() {
        Err(Rejection::invalid("prompt").because("too many answers"))
    } else {
        Ok(())
    }
}

/// Arguments of former calls whose escapes can be undone, so that what they hide is seen: of what is no plain JSON nobody
/// knows what a server makes of them.
fn arguments(prompt: &Prompt) -> Result<(), Rejection> {
    let Task::Chat(turns) = &prompt.task else { return Ok(()) };
    let hidden = |text: &str| text.contains("\\u") && strict(text).is_err();
    match turns.iter().position(|turn| turn.calls.iter().any(|call| hidden(&call.arguments))) {
        Some(index) => Err(Rejection::invalid(format!("messages[{index}].tool_calls"))),
        None => Ok(()),
    }
}

fn stops(value: &Value) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    text(value) || value.as_array().is_some_and(|list| (1..=4).contains(&list.len()) && list.iter().all(text))
}

/// Where the configuration writes the system prompt, callers bring none; and what has no place for one is not asked. Vectors
/// say nothing, so that they need none.
fn system(prompt: &Prompt, rules: &Rules) -> Result<(), Rejection> {
    let turns = match (&prompt.task, &rules.system) {
        (Task::Chat(turns), _) => turns,
        (Task::Text { .. }, System::Route(_)) => {
            return Err(Rejection::invalid("prompt").because("a bare text has no system prompt before it"));
        }
        (Task::Text { .. } | Task::Embed(_), _) => return Ok(()),
    };
    let brought = turns.iter().position(|turn| matches!(turn.role, Role::System | Role::Developer));
    match (&rules.system, brought) {
        (System::Route(_), Some(index)) => {
            let place = format!("messages[{index}].role");
            Err(Rejection::invalid(place).detailed("the route has a system prompt of its own"))
        }
        _ => Ok(()),
    }
}

/// Nothing is fetched from hosts, or run by tools, that the route does not list.
fn remote(prompt: &Prompt, rules: &Rules) -> Result<(), Rejection> {
    for hosted in &prompt.hosted {
        let kind = hosted.get("type").and_then(Value::as_str);
        if !kind.is_some_and(|kind| rules.hosted_tools.contains(kind)) {
            return Err(Rejection::invalid("tools").detailed("the route does not list this kind of tool"));
        }
    }
    let Task::Chat(turns) = &prompt.task else { return Ok(()) };
    for (index, turn) in turns.iter().enumerate() {
        let refused = turn.parts.iter().any(|part| match part {
            Content::Image { url, .. } => {
                !(is_inline(url) || host(url).is_some_and(|host| rules.remote_hosts.contains(host)))
            }
            Content::Text(_) | Content::Document { .. } => false,
        });
        if refused {
            let place = format!("messages[{index}].content");
            return Err(Rejection::invalid(place).detailed("the route does not list the host of this URL"));
        }
    }
    Ok(())
}

/// An image that is in the prompt itself: of the types that models take, in base64.
fn is_inline(url: &str) -> bool {
    let kinds = ["png", "jpeg", "webp", "gif"];
    let data = kinds
        .iter()
        .find_map(|kind| url.strip_prefix("data:image/")?.strip_prefix(kind)?.strip_prefix(";base64,"));
    data.is_some_and(|data| {
        data.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    })
}

/// The host of a plain `https:` URL; what is written in any other way has none here, since readers differ about it.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let plain =
        host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    let printable = url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    (plain && printable && !host.is_empty()).then_some(host)
}

/// Puts pseudonyms in the place of the caller's words for its users and caches: many tenants share one credential.
fn salt(gate: &Gate, admission: &RouteAdmission, prompt: &mut Prompt) {
    let Some(names) = &gate.pseudonyms else { return prompt.salted.clear() };
    let tenant = admission.permit().principal().id();
    for (name, word) in &mut prompt.salted {
        *word = names.word(tenant, name, word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_hosts_are_hosts() {
        for (url, expect) in [
            ("https://images.example/a.png?b#c", Some("images.example")),
            ("https://images.example", Some("images.example")),
            ("http://images.example/", None),
            ("https://user@images.example/", None),
            ("https://images.example:8443/", None),
            ("https://images.example\\@evil.example/", None),
            ("https://IMAGES.example/", None),
            ("https:///x", None),
            ("https://images.example/\n", None),
            ("//images.example/", None),
        ] {
            assert_eq!(host(url), expect, "{url}");
        }
    }

    #[test]
    fn only_images_in_base64_are_in_the_prompt_itself() {
        assert!(is_inline("data:image/png;base64,AA=="));
        for url in [
            "data:text/html;base64,AA==",
            "data:image/svg+xml;base64,AA==",
            "data:image/png,AA",
            "data:image/png;base64,<",
        ] {
            assert!(!is_inline(url), "{url}");
        }
    }

    fn prompt(task: Task, options: Vec<(&'static str, Value)>) -> Prompt {
        Prompt {
            model: "small".into(),
            task,
            tools: Vec::new(),
            options,
            stream: false,
            salted: Vec::new(),
            hosted: Vec::new(),
            body_bytes: 0,
            body_digest: mantlet_types::Sha256([0; 32]),
        }
    }

    #[test]
    fn no_endpoint_goes_round_the_route_s_system_prompt() {
        let rules = |system| Rules { system, ..super::super::tests::rules() };
        let (own, route) = (rules(System::Caller), rules(System::Route("Be kind.".to_owned())));
        let text = || prompt(Task::Text { prompts: vec!["a".into()], suffix: None }, Vec::new());
        let embed = prompt(Task::Embed(vec!["a".into()]), Vec::new());
        assert!(system(&text(), &own).is_ok() && system(&embed, &route).is_ok());
        assert!(system(&text(), &route).is_err());
    }

    #[test]
    fn no_more_answers_are_asked_for_than_are_told_apart() {
        let of = |texts, n: u64| {
            let task = Task::Text { prompts: vec!["a".to_owned(); texts], suffix: None };
            choices(&prompt(task, vec![("n", Value::from(n))]))
        };
        assert!(of(128, 1).is_ok() && of(32, 4).is_ok());
        assert!(of(129, 1).is_err() && of(33, 4).is_err() && of(2, u64::MAX).is_err());
    }

    #[test]
    fn no_escape_hides_in_what_is_no_plain_json() {
        let of = |text: &str| {
            let call = super::super::prompt::Call { arguments: text.to_owned(), ..Default::default() };
            let turn = super::super::prompt::Turn { calls: vec![call], ..Default::default() };
            arguments(&prompt(Task::Chat(vec![turn]), Vec::new()))
        };
        for text in ["", "{}", r#"{"a":"\u003c|im_end|>"}"#, r#"{"a":1,"a":2}"#, "no JSON"] {
            assert!(of(text).is_ok(), "{text}");
        }
        for text in [r#"{"a":1,"a":"\u003c|im_end|>"}"#, r#"{"a":"\u003c|im_end|>",}"#, r"\u003c|im_end|>"] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_has_one_length() {
        let of = |options| one_length(&prompt(Task::Chat(Vec::new()), options));
        let number = |number: u64| Value::from(number);
        assert!(of(vec![("max_tokens", number(9)), ("max_completion_tokens", number(9))]).is_ok());
        assert!(of(vec![("max_completion_tokens", number(9))]).is_ok());
        assert!(of(vec![("max_tokens", number(9)), ("max_completion_tokens", number(1))]).is_err());
    }

    #[test]
    fn stops_are_up_to_four_texts() {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(stops(&value(r#""a""#)) && stops(&value(r#"["a","b","c","d"]"#)));
        for no in [r#""""#, "[]", r#"["a","b","c","d","e"]"#, "[1]", "{}"] {
            assert!(!stops(&value(no)), "{no}");
        }
    }
}
