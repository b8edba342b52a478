//! Answers as OpenAI's protocol writes them, whole or in pieces. Members that the protocol does not have, and those that the
//! gate has no use for (log probabilities, fingerprints, cached tokens), are passed over and never repeated.

use std::{fmt, marker::PhantomData};

use mantlet_gate::routes::{
    Answer, Event,
    answer::{Choice, Finish, Usage, Vector},
    prompt::Call,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, SeqAccess, Visitor},
};

/// What is not an answer of the protocol. Nothing of what it was is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(&'static str);

const NO_ANSWER: Invalid = Invalid("what it answers is not what the protocol has");

/// Choices of an answer, and calls of a choice: as many as the gate tells apart.
const FEW_MAX: usize = 128;

/// A list that is read no further than to its bound: what is built of a few bytes may take hundreds.
struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FewVisitor<T> {
    type Value = Few<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of at most {FEW_MAX}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Few<T>, A::Error> {
        let mut few = Vec::new();
        while let Some(item) = items.next_element()? {
            if few.len() == FEW_MAX {
                return Err(A::Error::invalid_length(FEW_MAX + 1, &self));
            }
            few.push(item);
        }
        Ok(Few(few))
    }
}

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Few<WholeChoice>,
    usage: Option<Tokens>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WholeChoice {
    index: Option<u32>,
    message: Option<Message>,
    text: Option<String>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Few<WholeCall>>,
}

#[derive(Deserialize)]
struct WholeCall {
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self { input: tokens.prompt_tokens, output: tokens.completion_tokens }
    }
}

/// Reads a whole answer to a prompt.
///
/// # Errors
/// If it is none.
pub fn completion(body: &[u8]) -> Result<Answer, Invalid> {
    let Completion { choices: Few(choices), usage, error } =
        serde_json::from_slice(body).map_err(|_| NO_ANSWER)?;
    if error.is_some() || choices.is_empty() {
        return Err(NO_ANSWER);
    }
    let choices = choices.into_iter().zip(0..).map(|(choice, place)| whole(choice, place)).collect();
    Ok(Answer { choices, vectors: Vec::new(), usage: usage.map(Into::into) })
}

fn whole(choice: WholeChoice, place: u32) -> Choice {
    let WholeChoice { index, message, text, finish_reason } = choice;
    let Message { content, refusal, tool_calls } = message.unwrap_or_default();
    let calls = tool_calls.unwrap_or_default().0.into_iter().map(|WholeCall { id, function }| Call {
        id,
        name: function.name,
        arguments: function.arguments,
    });
    Choice {
        index: index.unwrap_or(place),
        text: content.or(text).unwrap_or_default(),
        refusal,
        calls: calls.collect(),
        finish: Some(finish(finish_reason.as_deref().unwrap_or("stop"))),
    }
}

/// Servers have words of their own for an end that is none of the protocol's: an ordinary end.
fn finish(word: &str) -> Finish {
    Finish::from_word(word).unwrap_or(Finish::Stop)
}

#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedding>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Embedding {
    index: usize,
    embedding: Numbers,
}

enum Numbers {
    List(Vec<f64>),
    Base64(String),
}

// By hand, because serde would build every number in a form of its own before it knows which of the two it is.
impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("numbers, or base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = items.next_element()? {
            numbers.push(number);
        }
        Ok(Numbers::List(numbers))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Numbers, E> {
        Ok(Numbers::Base64(text.to_owned()))
    }
}

/// Reads vectors, and puts them in the order of the texts.
///
/// # Errors
/// If they are none, or one is missing.
pub fn embeddings(body: &[u8]) -> Result<Answer, Invalid> {
    let Embeddings { mut data, usage } = serde_json::from_slice(body).map_err(|_| NO_ANSWER)?;
    data.sort_by_key(|embedding| embedding.index);
    if data.iter().enumerate().any(|(place, embedding)| embedding.index != place) {
        return Err(Invalid("a vector is missing or there twice"));
    }
    let base64 =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    let vectors = data.into_iter().map(|embedding| match embedding.embedding {
        Numbers::List(numbers) => Ok(Vector::Numbers(numbers)),
        Numbers::Base64(text) if base64(&text) => Ok(Vector::Base64(text)),
        Numbers::Base64(_) => Err(NO_ANSWER),
    });
    Ok(Answer {
        choices: Vec::new(),
        vectors: vectors.collect::<Result<_, _>>()?,
        usage: usage.map(Into::into),
    })
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Few<ChunkChoice>,
    usage: Option<Tokens>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    text: Option<String>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Few<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: u32,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

/// Reads the data of one event of a stream.
///
/// # Errors
/// If it is none of the protocol's, or reports an error.
pub fn chunk(data: &str) -> Result<Vec<Event>, Invalid> {
    let Chunk { choices: Few(choices), usage, error } = serde_json::from_str(data).map_err(|_| NO_ANSWER)?;
    if error.is_some() {
        return Err(Invalid("it reports an error in the middle of its answer"));
    }
    let mut events = Vec::with_capacity(choices.len() + 1);
    for choice in choices {
        piece(choice, &mut events);
    }
    events.extend(usage.map(|usage| Event::Usage(usage.into())));
    Ok(events)
}

fn piece(choice: ChunkChoice, events: &mut Vec<Event>) {
    let ChunkChoice { index, delta, text, finish_reason } = choice;
    let Delta { content, refusal, tool_calls } = delta.unwrap_or_default();
    let said = |text: &String| !text.is_empty();
    if let Some(text) = content.or(text).filter(said) {
        events.push(Event::Text { choice: index, text });
    }
    events.extend(refusal.filter(said).map(|text| Event::Refusal { choice: index, text }));
    for CallDelta { index: call, id, function } in tool_calls.unwrap_or_default().0 {
        let FunctionDelta { name, arguments } =
            function.unwrap_or(FunctionDelta { name: None, arguments: None });
        // Some servers repeat an empty name with every piece.
        let name = name.filter(said);
        events.push(Event::Call {
            choice: index,
            index: call,
            id,
            name,
            arguments: arguments.unwrap_or_default(),
        });
    }
    if let Some(word) = finish_reason {
        events.push(Event::Finish { choice: index, finish: finish(&word) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_and_calls_are_counted_while_they_are_read() {
        let call = r#"{"id":"c","index":0,"function":{"name":"f","arguments":""}}"#;
        let calls = |count: usize| vec![call; count].join(",");
        let choice = r#"{"text":"a","finish_reason":"stop"}"#;
        let choices = |count: usize| vec![choice; count].join(",");
        let whole = |choices: &str| completion(format!(r#"{{"choices":[{choices}]}}"#).as_bytes()).is_ok();
        let of_calls = |count| whole(&format!(r#"{{"message":{{"tool_calls":[{}]}}}}"#, calls(count)));
        let piece = |count| {
            chunk(&format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{}]}}}}]}}"#, calls(count))).is_ok()
        };
        assert!(whole(&choices(128)) && !whole(&choices(129)));
        assert!(of_calls(128) && !of_calls(129));
        assert!(piece(128) && !piece(129));
        let none = r#"{"message":{"content":"a","tool_calls":null}}"#;
        assert!(whole(none));
    }

    #[test]
    fn vectors_are_numbers_or_base64() {
        let read = |vector: &str| {
            let body = format!(r#"{{"data":[{{"index":0,"embedding":{vector}}}]}}"#);
            embeddings(body.as_bytes()).map(|answer| answer.vectors)
        };
        assert_eq!(read("[1, -0.5, 2e3]").unwrap(), [Vector::Numbers(vec![1.0, -0.5, 2_000.0])]);
        assert_eq!(read(r#""AAAA""#).unwrap(), [Vector::Base64("AAAA".to_owned())]);
        for no in ["1", "null", "{}", r#"["a"]"#, r#""<b>""#, "[[1]]"] {
            assert!(read(no).is_err(), "{no}");
        }
    }
}
