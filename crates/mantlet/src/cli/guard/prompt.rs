//! `mantlet guard prompt`: a prompt in which documents cannot pass for instructions.

use std::{fs::File, io::Read as _, path::Path};

use mantlet_guard::{
    Channel,
    structure::{Boundary, Bounds, Part, Prompt, Role, Template, TenantKey},
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::{args::GuardPrompt, exit::Failure, print};

/// Bytes of a text file that are read: more than a prompt may have, so that what is cut is said.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a file with a key that are read.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// Prints the prompt.
pub(super) fn run(json: bool, command: &GuardPrompt) -> Result<(), Failure> {
    let system = text(command.system.as_deref(), command.system_file.as_deref())?;
    let user = text(command.user.as_deref(), command.user_file.as_deref())?;
    let mut documents = command.documents.clone();
    for path in &command.document_files {
        documents.push(read(path)?);
    }
    let boundary = Boundary::derive(&key(command.key_file.as_deref())?, &[&system, &user]);
    let documents = documents.iter().map(|text| Part { channel: Channel::Document, text });
    let parts = documents.chain([Part { channel: Channel::User, text: &user }]).collect();
    let prompt = Prompt { system: &system, turns: vec![(Role::User, parts)] };
    let mut bounds = Bounds::default();
    if let Some(bytes_max) = command.bytes_max {
        bounds.part_bytes_max = bytes_max;
    }
    let made = prompt.make(&boundary, &bounds);
    if made.bytes_left_out > 0 {
        print::note(format_args!(
            "{} bytes were left out; each text says so where it ends",
            made.bytes_left_out
        ));
    }
    let rendered = command.template.render(&made.messages, &boundary);
    if json {
        let messages: Vec<Value> = made
            .messages
            .iter()
            .map(|message| json!({ "role": message.role.name(), "content": message.content }))
            .collect();
        return print::json(&json!({
            "boundary": boundary.id(),
            "mark": boundary.mark(),
            "escape": boundary.escape(),
            "messages": messages,
            "prompt": (command.template != Template::OpenAi).then_some(rendered),
            "neutralized": made.neutralized,
            "bytes_left_out": made.bytes_left_out,
        }));
    }
    if command.template == Template::OpenAi {
        let messages: Value =
            serde_json::from_str(&rendered).map_err(|error| Failure::new(error.to_string()))?;
        return print::line(format!("{messages:#}"));
    }
    print::line(rendered)
}

/// The tenant's key: that of a file, or one for this prompt alone.
fn key(path: Option<&Path>) -> Result<TenantKey, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    match path {
        Some(path) => {
            let file = File::open(path)
                .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
            file.take(KEY_FILE_BYTES_MAX)
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))?;
        }
        None => {
            bytes.resize(32, 0);
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::new("no random numbers"))?;
        }
    }
    TenantKey::new(&bytes).map_err(|error| {
        Failure::new(error.to_string()).hint("make one with `head -c 32 /dev/urandom > FILE`")
    })
}

fn text(given: Option<&str>, path: Option<&Path>) -> Result<String, Failure> {
    match path {
        Some(path) => read(path),
        None => Ok(given.unwrap_or_default().to_owned()),
    }
}

/// A file's text; `-` is standard input.
fn read(path: &Path) -> Result<String, Failure> {
    let unread = |error: std::io::Error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
    let mut bytes = Vec::new();
    let taken = if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)
    } else {
        File::open(path).map_err(unread)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)
    };
    taken.map_err(unread)?;
    String::from_utf8(bytes).map_err(|_| Failure::new(format!("`{}` is not text in UTF-8", path.display())))
}
