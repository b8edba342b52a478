//! What an answer must be when it is data: JSON of a schema (`response_format`), and calls of listed tools with arguments
//! of their schemas.
//!
//! JSON is read strictly: one value, no name twice in an object, and no deeper than [`DEPTH_MAX`]. A schema refers to
//! nothing outside itself, and its patterns are matched by automata in linear time.

use std::{collections::BTreeMap, fmt};

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// How deep JSON may be nested, in schemas and in answers.
pub const DEPTH_MAX: usize = 32;

/// The largest schema, in bytes of its JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// The largest JSON that is judged, in bytes.
pub const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The largest automaton of a pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// A JSON schema that answers must keep.
#[derive(Debug)]
pub struct Schema(Validator);

/// Why a schema cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSchema {
    /// It is longer than [`SCHEMA_BYTES_MAX`].
    #[error("longer than `{SCHEMA_BYTES_MAX}` bytes")]
    Size,
    /// It is not JSON of the strict kind.
    #[error("no strict JSON")]
    Json,
    /// It is no schema, refers to something outside itself, or has a pattern that is too costly.
    #[error("no schema that stands by itself")]
    Schema,
}

/// Why an answer is not what it must be. Nothing of the answer is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not JSON of the strict kind.
    #[error("no strict JSON")]
    Json,
    /// It does not keep its schema.
    #[error("not of its schema")]
    Schema,
    /// It calls a tool that is not listed.
    #[error("a tool that is not listed")]
    Tool,
}

impl Unfit {
    /// A code for the log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Schema => "schema",
            Self::Tool => "tool",
        }
    }
}

/// Answers no question about schemas elsewhere.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("a schema refers to nothing outside itself".into())
    }
}

impl Schema {
    /// Reads a schema. It may come from a caller: its size, depth and patterns are bounded.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn new(json: &str) -> Result<Self, BadSchema> {
        if json.len() > SCHEMA_BYTES_MAX {
            return Err(BadSchema::Size);
        }
        let schema = strict(json).map_err(|_| BadSchema::Json)?;
        Self::of(&schema)
    }

    fn of(schema: &Value) -> Result<Self, BadSchema> {
        let patterns =
            PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options().with_retriever(Nowhere).with_pattern_options(patterns);
        options.build(schema).map(Self).map_err(|_| BadSchema::Schema)
    }

    /// Judges an answer, which must be one JSON value.
    ///
    /// # Errors
    /// If it is not strict JSON or does not keep the schema.
    pub fn judge(&self, json: &str) -> Result<Value, Unfit> {
        let value = strict(json)?;
        if self.0.is_valid(&value) { Ok(value) } else { Err(Unfit::Schema) }
    }
}

/// The tools that an answer may call, with the schemas of their arguments. An empty list allows none.
#[derive(Debug, Default)]
pub struct Tools(BTreeMap<String, Schema>);

impl Tools {
    /// Lists a tool. Without a schema, any object of arguments will do.
    ///
    /// # Errors
    /// If the schema cannot be used.
    pub fn allow(&mut self, name: &str, arguments: Option<&str>) -> Result<(), BadSchema> {
        let schema = Schema::new(arguments.unwrap_or(r#"{"type":"object"}"#))?;
        self.0.insert(name.to_owned(), schema);
        Ok(())
    }

    /// Judges a call: the name must be listed, the arguments be one strict JSON object of the tool's schema.
    ///
    /// # Errors
    /// If they are not.
    pub fn judge(&self, name: &str, arguments: &str) -> Result<Value, Unfit> {
        let schema = self.0.get(name).ok_or(Unfit::Tool)?;
        let value = schema.judge(arguments)?;
        if value.is_object() { Ok(value) } else { Err(Unfit::Schema) }
    }
}

/// Reads one JSON value strictly: within the bounds, and with no name twice in an object. Two parsers that read such a
/// name differently would disagree about what was judged.
///
/// # Errors
/// If it is not such a value.
pub fn strict(json: &str) -> Result<Value, Unfit> {
    if json.len() > JSON_BYTES_MAX {
        return Err(Unfit::Json);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let value = Strict(DEPTH_MAX).deserialize(&mut reader).map_err(|_| Unfit::Json)?;
    reader.end().map_err(|_| Unfit::Json)?;
    Ok(value)
}

/// Reads a value that may be nested so deep.
#[derive(Clone, Copy)]
struct Strict(usize);

impl Strict {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_schema() {
        let schema = Schema::new(
            r#"{"type":"object","properties":{"n":{"type":"integer","minimum":1},"s":{"type":"string","pattern":"^(a+)+$"}},
               "required":["n"],"additionalProperties":false}"#,
        )
        .expect("a schema");
        assert!(schema.judge(r#"{"n": 2, "s": "aaa"}"#).is_ok());
        assert_eq!(schema.judge(r#"{"n": 0}"#), Err(Unfit::Schema));
        assert_eq!(schema.judge(r#"{"n": 2, "x": 1}"#), Err(Unfit::Schema));
        // A pattern that takes backtracking engines forever.
        let long = format!(r#"{{"n": 2, "s": "{}b"}}"#, "a".repeat(50_000));
        assert_eq!(schema.judge(&long), Err(Unfit::Schema));
    }

    #[test]
    fn json_is_read_strictly() {
        for text in [
            "",
            "{",
            "{}{}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "{'a':1}",
            "[1,]",
            "NaN",
            "1e999",
            "// x\n{}",
            "{\"a\":1} trailing",
            "\u{feff}{}",
        ] {
            assert_eq!(strict(text), Err(Unfit::Json), "{text}");
        }
        assert_eq!(strict(&"[".repeat(100_000)), Err(Unfit::Json));
        assert!(strict(&format!("{}1{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX))).is_ok());
        assert!(strict(&format!("{}1{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1))).is_err());
        assert_eq!(strict(" {\"a\": [1.5, -2, \"x\", null, true]} ").expect("JSON")["a"][0], 1.5);
    }

    #[test]
    fn schemas_from_callers_are_bounded() {
        assert_eq!(Schema::new(&" ".repeat(SCHEMA_BYTES_MAX + 1)).err(), Some(BadSchema::Size));
        assert_eq!(Schema::new("{").err(), Some(BadSchema::Json));
        for schema in [
            r#"{"$ref":"https://example.org/schema.json"}"#,
            r#"{"$ref":"file:///etc/passwd"}"#,
            r#"{"type":"nothing"}"#,
            r#"{"pattern":"(?=a)"}"#,
            r#"{"pattern":"((a{1000}){1000}){1000}"}"#,
        ] {
            assert_eq!(Schema::new(schema).err(), Some(BadSchema::Schema), "{schema}");
        }
        let recursive =
            Schema::new(r##"{"properties":{"next":{"$ref":"#"}}}"##).expect("it ends with its data");
        assert!(recursive.judge(r#"{"next":{"next":{}}}"#).is_ok());
    }

    #[test]
    fn tools_are_listed_with_their_arguments() {
        let mut tools = Tools::default();
        tools
            .allow("weather", Some(r#"{"type":"object","properties":{"city":{"type":"string","maxLength":40}},"required":["city"]}"#))
            .expect("a schema");
        tools.allow("now", None).expect("a schema");
        assert!(tools.judge("weather", r#"{"city":"Lyon"}"#).is_ok());
        assert_eq!(tools.judge("weather", r#"{"city":7}"#), Err(Unfit::Schema));
        assert_eq!(tools.judge("weather", r#"{"city":"Lyon","city":"Rome"}"#), Err(Unfit::Json));
        assert_eq!(tools.judge("Weather", r#"{"city":"Lyon"}"#), Err(Unfit::Tool));
        assert_eq!(tools.judge("now", "[]"), Err(Unfit::Schema));
        assert_eq!(Tools::default().judge("now", "{}"), Err(Unfit::Tool));
    }
}
