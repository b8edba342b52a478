//! What leaves of a call's arguments. They are held until the call has ended and judged as what they are, JSON: every string
//! with its escapes undone, since a program will undo them, and together with the name that it stands under.

use std::{collections::BTreeSet, sync::Arc};

use mantlet_guard::output::{Rules, Stopped, Stream, Summary, strict};
use serde_json::{Map, Value};

use super::rules::Checks;

/// What is written down of a call that must not be passed on.
pub(super) const CALL: &str = "tool-call";

/// Judges arguments.
pub(super) struct Arguments<'a> {
    pub(super) checks: &'a Checks,
    /// What was done, by its codes.
    pub(super) done: &'a mut BTreeSet<&'static str>,
}

impl Arguments<'_> {
    /// What may leave of a call's arguments: as they came, if nothing is to be taken out.
    ///
    /// # Errors
    /// The code of what must not leave at all.
    pub(super) fn judge(&mut self, text: String) -> Result<String, &'static str> {
        self.leaks(&text)?;
        let Ok(mut value) = strict(&text) else {
            // No JSON, or a name twice: what its escapes would mean to whom, nobody can say.
            return if text.contains("\\u") { Err(CALL) } else { self.filter(&text) };
        };
        let mut said = String::with_capacity(text.len());
        strings(&value, &mut said);
        self.leaks(&said)?;
        let changed = self.value("", &mut value)?;
        Ok(if changed { value.to_string() } else { text })
    }

    /// Looks for what must not be said at all.
    pub(super) fn leaks(&self, text: &str) -> Result<(), &'static str> {
        whole(&self.checks.leaks, text).map(drop).map_err(|stopped| stopped.code)
    }

    fn filter(&mut self, text: &str) -> Result<String, &'static str> {
        let (text, summary) = whole(&self.checks.arguments, text).map_err(|stopped| stopped.code)?;
        note(&summary, self.done);
        Ok(text)
    }

    /// Whether anything was replaced. INVARIANT (bounded-recursion): the strict reader has bounded the value's depth.
    fn value(&mut self, name: &str, value: &mut Value) -> Result<bool, &'static str> {
        let mut changed = false;
        match value {
            Value::String(text) => {
                let filtered = self.named(name, text)?;
                changed = filtered != *text;
                *text = filtered;
            }
            // A card's number can be a number.
            Value::Number(number) => {
                let text = number.to_string();
                let filtered = self.named(name, &text)?;
                if filtered != text {
                    (*value, changed) = (Value::String(filtered), true);
                }
            }
            Value::Array(items) => {
                for item in items {
                    changed |= self.value(name, item)?;
                }
            }
            Value::Object(members) => {
                for (name, mut value) in std::mem::take(members) {
                    changed |= self.value(&name, &mut value)?;
                    let filtered = self.filter(&name)?;
                    changed |= filtered != name;
                    members.insert(filtered, value);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
        Ok(changed)
    }

    /// A text with its name before it, which may be all that says what it is.
    fn named(&mut self, name: &str, text: &str) -> Result<String, &'static str> {
        let together = self.filter(&format!("{name}: {text}"))?;
        match together.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")) {
            Some(filtered) => Ok(filtered.to_owned()),
            None => self.filter(text),
        }
    }
}

/// Passes a whole text through the filter that pieces pass through.
fn whole(rules: &Arc<Rules>, text: &str) -> Result<(String, Summary), Stopped> {
    let mut stream = Stream::new(Arc::clone(rules));
    let mut out = stream.push(text)?;
    let (rest, summary) = stream.finish()?;
    out.push_str(&rest);
    Ok((out, summary))
}

/// Notes what was taken out, by its codes.
pub(super) fn note(summary: &Summary, done: &mut BTreeSet<&'static str>) {
    done.extend(summary.redacted.keys().map(|kind| kind.name()));
    done.extend((summary.links_removed > 0).then_some("link"));
    done.extend((summary.html_removed > 0).then_some("html"));
}

/// All strings of a value as one text, names of members among them.
fn strings(value: &Value, said: &mut String) {
    let mut say = |text: &str| {
        said.push_str(text);
        said.push('\n');
    };
    match value {
        Value::String(text) => say(text),
        Value::Number(number) => say(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, said)),
        Value::Object(members) => members_said(members, said),
        Value::Null | Value::Bool(_) => {}
    }
}

fn members_said(members: &Map<String, Value>, said: &mut String) {
    for (name, value) in members {
        said.push_str(name);
        said.push('\n');
        strings(value, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::rules::Output;

    fn judged(json: &str) -> (Result<String, &'static str>, Vec<&'static str>) {
        let redact = ["email", "card", "password"].map(Into::into).into();
        let canaries = vec!["violet-harbor-77a1".to_owned()];
        let checks = Output { canaries, redact, ..Output::default() }.checks("").unwrap();
        let mut done = BTreeSet::new();
        let judged = Arguments { checks: &checks, done: &mut done }.judge(json.to_owned());
        (judged, done.into_iter().collect())
    }

    #[test]
    fn what_nothing_is_taken_out_of_leaves_as_it_came() {
        for json in ["", "{}", r#"{ "b":1, "a" : [1.50, null, "x<b>"] }"#, r#"{"cut": "of"#] {
            assert_eq!(judged(json), (Ok(json.to_owned()), Vec::new()), "{json}");
        }
    }

    #[test]
    fn what_is_taken_out_leaves_json_behind() {
        let (left, done) = judged(r#"{"to":["ann\u0040example.com"],"card":4111111111111111}"#);
        let left: Value = serde_json::from_str(&left.unwrap()).unwrap();
        assert_eq!(left, serde_json::json!({ "to": ["[EMAIL]"], "card": "[CARD]" }));
        assert_eq!(done, ["card", "email"]);
    }

    #[test]
    fn no_escape_hides_a_canary() {
        for json in [
            r#"{"a":"violet-harbor-77a1"}"#,
            r#"{"a":"vi\u006flet-harbor-77a1"}"#,
            r#"{"violet-h\u0061rbor-77a1":1}"#,
            "violet-harbor-77a1",
        ] {
            assert_eq!(judged(json).0, Err("canary"), "{json}");
        }
        // What is no plain JSON is stopped for its escapes alone, whatever they hide.
        for json in [r#"{"a":"ann\u0040example.com","a":1}"#, r#"{"a":"ann\u0040example.com"#] {
            assert_eq!(judged(json).0, Err(CALL), "{json}");
        }
    }
}
