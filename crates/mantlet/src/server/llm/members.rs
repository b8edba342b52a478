//! The members of a JSON object, taken one by one: what is left over is a member that the protocol does not have.

use std::fmt::Display;

use mantlet_types::Rejection;
use serde_json::{Map, Value};

/// An object with its place in the request, which errors name.
pub(super) struct Members {
    at: String,
    map: Map<String, Value>,
}

impl Members {
    /// The request itself.
    pub(super) fn body(map: Map<String, Value>) -> Self {
        Self { at: String::new(), map }
    }

    /// The object at a place.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn of(value: Value, at: impl Into<String>) -> Result<Self, Rejection> {
        let at = at.into();
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            _ => Err(Rejection::invalid(at)),
        }
    }

    /// The name of a member's place.
    pub(super) fn place(&self, name: impl Display) -> String {
        if self.at.is_empty() { name.to_string() } else { format!("{}.{name}", self.at) }
    }

    /// The rejection of a member.
    pub(super) fn wrong(&self, name: &str) -> Rejection {
        Rejection::invalid(self.place(name))
    }

    /// A member's value; `null` is as good as none.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// A string, if it is there.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Rejection> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// A string that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<String, Rejection> {
        self.text(name)?.ok_or_else(|| self.wrong(name))
    }

    /// A truth value; `false` if it is not there.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Rejection> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// A list; empty if it is not there.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Rejection> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(name)),
        }
    }

    /// Members of the protocol that no route has: fine where they ask for nothing, rejected otherwise.
    ///
    /// # Errors
    /// Naming the first that asks for something.
    pub(super) fn refuse(&mut self, names: &[&str]) -> Result<(), Rejection> {
        for name in names {
            let asks = match self.take(name) {
                None | Some(Value::Bool(false)) => false,
                Some(Value::Array(items)) => !items.is_empty(),
                Some(_) => true,
            };
            if asks {
                return Err(self.wrong(name));
            }
        }
        Ok(())
    }

    /// Nothing must be left. A name that the caller made up is not repeated.
    ///
    /// # Errors
    /// If something is.
    pub(super) fn end(self) -> Result<(), Rejection> {
        if self.map.is_empty() {
            return Ok(());
        }
        let place = if self.at.is_empty() { "body" } else { &self.at };
        Err(Rejection::invalid(place).detailed("there is a member that the protocol does not have"))
    }
}

/// Takes options by their names, as the upstream's protocol calls them.
pub(super) fn options(
    members: &mut Members,
    names: &[&'static str],
    options: &mut Vec<(&'static str, Value)>,
) {
    options.extend(names.iter().filter_map(|name| Some((*name, members.take(name)?))));
}

/// Takes the caller's words for its users and caches, which only their pseudonyms leave in place of.
///
/// # Errors
/// If one is no string.
pub(super) fn salted(
    members: &mut Members,
    words: &mut Vec<(&'static str, String)>,
) -> Result<(), Rejection> {
    for name in ["user", "safety_identifier", "prompt_cache_key"] {
        if let Some(word) = members.text(name)? {
            words.push((name, word));
        }
    }
    Ok(())
}

/// `stream` and `stream_options`: whether to stream, and whether to say what it took.
///
/// # Errors
/// If they are not what the protocol has.
pub(super) fn streaming(members: &mut Members) -> Result<(bool, bool), Rejection> {
    let stream = members.flag("stream")?;
    let Some(value) = members.take("stream_options") else { return Ok((stream, false)) };
    let mut inner = Members::of(value, "stream_options")?;
    let usage = inner.flag("include_usage")?;
    inner.flag("include_obfuscation")?; // padding against observers of lengths: TLS records are ours, not theirs
    inner.end()?;
    if stream { Ok((true, usage)) } else { Err(members.wrong("stream_options")) }
}

impl Members {
    /// All of it, as it is.
    pub(super) fn into_value(self) -> Value {
        self.map.into()
    }
}
