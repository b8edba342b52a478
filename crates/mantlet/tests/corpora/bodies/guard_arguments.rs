//! Arguments of tool calls, as a model writes them and an upstream hands them on: what is read strictly is what any reader
//! reads, and what is refused has a reason that another reader sees.

use std::{collections::BTreeSet, fmt};

use mantlet_guard::output::{Tools, strict};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

/// What another reader sees of a value: how deep it is, and whether an object has a name twice.
#[derive(Default)]
struct Seen {
    depth: usize,
    twice: bool,
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looker)
    }
}

struct Looker;

macro_rules! leaves {
    ($($visit:ident: $kind:ty),*) => { $(fn $visit<E>(self, _: $kind) -> Result<Seen, E> { Ok(Seen::default()) })* };
}

impl<'de> Visitor<'de> for Looker {
    type Value = Seen;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        let mut all = Seen { depth: 1, twice: false };
        while let Some(item) = items.next_element::<Seen>()? {
            all = Seen { depth: all.depth.max(item.depth + 1), twice: all.twice || item.twice };
        }
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let (mut all, mut names) = (Seen { depth: 1, twice: false }, BTreeSet::<String>::new());
        while let Some((name, item)) = members.next_entry::<String, Seen>()? {
            all.twice |= item.twice || !names.insert(name);
            all.depth = all.depth.max(item.depth + 1);
        }
        Ok(all)
    }
}

/// Nested less deeply than this, a value is read by everybody.
const DEPTH_OF_ALL: usize = 30;

pub(super) fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let other = serde_json::from_str::<Value>(&text);
    let seen = serde_json::from_str::<Seen>(&text).ok();
    match strict(&text) {
        Ok(value) => {
            assert_eq!(other.ok().as_ref(), Some(&value));
            assert!(seen.is_some_and(|seen| !seen.twice), "a name stands twice");
            // What is passed on after a string was replaced is written by us. (Floats may differ in their last bit.)
            assert!(strict(&value.to_string()).is_ok());
        }
        Err(_) => assert!(
            seen.is_none_or(|seen| seen.twice || seen.depth >= DEPTH_OF_ALL),
            "refused without a reason"
        ),
    }
    tools(&text);
}

/// A tool with a schema gets what fits it, any other object only what is one, and an unknown tool nothing.
fn tools(text: &str) {
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string", "maxLength": 40 }, "days": { "type": "integer", "minimum": 1 } },
        "required": ["city"],
        "additionalProperties": false,
    });
    let mut tools = Tools::default();
    tools.allow("forecast", Some(&schema.to_string())).unwrap();
    assert!(tools.judge("other", text).is_err());
    if let Ok(value) = tools.judge("forecast", text) {
        let members = value.as_object().unwrap();
        assert!(members["city"].as_str().is_some_and(|city| city.chars().count() <= 40));
        // In JSON Schema, 2.0 is an integer.
        let days = members.get("days").map(|days| days.as_f64().unwrap());
        assert!(days.is_none_or(|days| days >= 1.0 && days.fract() == 0.0));
        assert!(members.keys().all(|name| name == "city" || name == "days"));
    }
}
