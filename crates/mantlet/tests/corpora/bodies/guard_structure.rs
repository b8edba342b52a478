//! Texts that become part of a prompt: no reserved token and no boundary is left, and marks can be taken out again.

use mantlet_guard::{
    Channel,
    structure::{
        Boundary, Bounds, Form, Message, Part, Prompt, Role, Template, TenantKey, mark, neutralize, reserved,
        unmark,
    },
};

pub(super) fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let key = TenantKey::new(&[7; 32]).unwrap();
    let boundary = Boundary::derive(&key, &[]);
    // As if the boundary had leaked: a sign of the text's choice stands for it.
    let text =
        text.replace('\u{1}', boundary.id()).replace('\u{2}', boundary.mark().encode_utf8(&mut [0; 4]));

    let neutral = neutralize(&text);
    assert!(reserved(&neutral).is_empty(), "{neutral:?}");
    for form in [Form::Prose, Form::Json, Form::Code] {
        let marked = mark(&neutral, form, &boundary);
        assert_eq!(unmark(&marked, form, &boundary), *neutral);
        assert!(!marked.contains(boundary.id()), "{marked:?}");
        assert!(reserved(&marked).is_empty(), "{marked:?}");
    }
    let parts = [Channel::Document, Channel::Tool, Channel::User]
        .map(|channel| Part { channel, text: &text })
        .to_vec();
    let prompt = Prompt { system: &text, turns: vec![(Role::User, parts.clone()), (Role::Assistant, parts)] };
    let made = prompt.make(&boundary, &Bounds { part_bytes_max: 300, prompt_bytes_max: 1000 });
    templates_hold(&made.messages, &boundary);
}

/// A template's tokens are the template's.
fn templates_hold(messages: &[Message], boundary: &Boundary) {
    let count = |template: Template, token: &str| template.render(messages, boundary).matches(token).count();
    assert_eq!(count(Template::ChatMl, "<|im_end|>"), 3);
    assert_eq!(count(Template::Llama, "<|eot_id|>"), 3);
    assert_eq!(count(Template::Mistral, "[/INST]"), 1);
    assert!(serde_json::from_str::<serde_json::Value>(&Template::OpenAi.render(messages, boundary)).is_ok());
}
