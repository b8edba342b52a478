//! The simple protocol: features in, a result with its confidence out.
//!
//! ```text
//! {"features": {"age": 41, …}, "options": {…}}          → {"result": …, "confidence": …, "request_id": …}
//! {"features": [41, …]}                                    or {"result": "uncertain", "action": "manual_review", …}
//! {"features": [{…}, {…}]} · {"features": [[…], […]]}   → {"results": [{…}, {…}], "request_id": …}
//! ```

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use mantlet_gate::{
    mediate::Payload,
    output::{Answer, Outcome, Value},
};
use mantlet_types::{
    Contract, Rejection, RequestId,
    limits::{ELEMENTS_MAX, FEATURES_MAX},
    question::{Question, Rows, Scalar},
};

use super::{
    body::{Media, Parcel},
    json::{Kind, Malformed, Progress, Reader, Writer, once},
    tensor,
};

/// Options in one request; contracts list a handful.
const OPTIONS_MAX: usize = 64;

/// A request's body, with a note for the answer whether it asked for several rows.
#[derive(Debug)]
pub struct Predict {
    /// The body.
    pub parcel: Parcel,
    /// Set once the body turns out to be a batch.
    pub batch: Arc<AtomicBool>,
}

impl Payload for Predict {
    async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
        if self.parcel.media == Ok(Media::Binary) {
            return Err(mantlet_types::Code::UnsupportedMedia.into());
        }
        let bytes = self.parcel.read_question().await?;
        let Decoded { question, batch } = decode(&bytes, contract)?;
        self.batch.store(batch, Ordering::Relaxed);
        Ok(question)
    }
}

/// A decoded request.
#[derive(Debug, PartialEq)]
pub struct Decoded {
    /// What it asks.
    pub question: Question,
    /// Whether it lists rows, so that the answer must.
    pub batch: bool,
}

/// Decodes a request.
///
/// # Errors
/// 400 naming the member that is wrong, or `body` if it is no such object at all.
pub fn decode(body: &[u8], contract: &Contract) -> Result<Decoded, Rejection> {
    let text = std::str::from_utf8(body).map_err(|_| Rejection::invalid("body"))?;
    let mut reader = Reader::new(text);
    let (mut features, mut options) = (None, None);
    let whole = |_: Malformed| Rejection::invalid("body");
    let mut members = reader.object().map_err(whole)?;
    while let Some(key) = reader.key(&mut members).map_err(whole)? {
        match key.as_ref() {
            "features" => {
                let rows = rows(&mut reader, contract)?;
                once(&mut features, rows).map_err(|_| Rejection::invalid("features"))?;
            }
            "options" => {
                let listed = self::options(&mut reader).map_err(|_| Rejection::invalid("options"))?;
                once(&mut options, listed).map_err(|_| Rejection::invalid("options"))?;
            }
            _ => return Err(Rejection::invalid("body")),
        }
    }
    reader.end().map_err(whole)?;
    let (rows, batch) = features.ok_or_else(|| Rejection::invalid("features"))?;
    let options = options.unwrap_or_default();
    let question = Question { rows, options, body_bytes: body.len(), ..Question::default() };
    Ok(Decoded { question, batch })
}

/// Options by name, each once.
pub(super) fn options(reader: &mut Reader<'_>) -> Result<Vec<(Box<str>, Scalar)>, Malformed> {
    let mut options: Vec<(Box<str>, Scalar)> = Vec::new();
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        let taken = options.iter().any(|(name, _)| **name == *key);
        if taken || options.len() == OPTIONS_MAX {
            return Err(Malformed);
        }
        options.push((key.into(), reader.scalar()?));
    }
    Ok(options)
}

fn rows(reader: &mut Reader<'_>, contract: &Contract) -> Result<(Rows, bool), Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("features");
    if reader.peek().map_err(malformed)? == Kind::Object {
        return named(reader, contract).map(|row| (row.into_rows(), false));
    }
    match first(reader.clone()) {
        Ok(Kind::Object) => named_rows(reader, contract).map(|rows| (rows, true)),
        Ok(Kind::Array) => {
            let mut budget = ELEMENTS_MAX;
            let mut rows = Vec::new();
            let mut elements = reader.array().map_err(malformed)?;
            while reader.element(&mut elements).map_err(malformed)? {
                let row = ordered(reader, &mut budget).map_err(malformed)?;
                // An empty row has no element to be charged for, and takes room all the same.
                let room = usize::from(row.is_empty());
                budget = budget.checked_sub(room).ok_or_else(|| Rejection::invalid("features"))?;
                rows.push(row);
            }
            Ok((Rows::Ordered(rows), true))
        }
        Ok(_) => {
            let mut budget = FEATURES_MAX;
            let row = ordered(reader, &mut budget).map_err(malformed)?;
            Ok((Rows::Ordered(vec![row]), false))
        }
        Err(error) => Err(malformed(error)),
    }
}

/// What an array holds shows in its first element; an empty one holds no row.
fn first(mut reader: Reader<'_>) -> Result<Kind, Malformed> {
    let mut elements = reader.array()?;
    if reader.element(&mut elements)? { reader.peek() } else { Err(Malformed) }
}

fn ordered(reader: &mut Reader<'_>, budget: &mut usize) -> Result<Vec<Scalar>, Malformed> {
    let mut row = Vec::new();
    let mut elements = reader.array()?;
    while reader.element(&mut elements)? {
        *budget = budget.checked_sub(1).ok_or(Malformed)?;
        row.push(reader.scalar()?);
    }
    Ok(row)
}

/// One row of named values.
enum Row {
    /// Exactly the contract's features in the contract's order: the names need not be kept.
    InOrder(Vec<Scalar>),
    /// Anything else.
    Named(Vec<(Box<str>, Scalar)>),
}

impl Row {
    fn into_rows(self) -> Rows {
        match self {
            Self::InOrder(values) => Rows::Ordered(vec![values]),
            Self::Named(values) => Rows::Named(vec![values]),
        }
    }

    fn named(self, contract: &Contract) -> Vec<(Box<str>, Scalar)> {
        match self {
            Self::Named(values) => values,
            Self::InOrder(values) => name(values, contract),
        }
    }
}

fn name(values: Vec<Scalar>, contract: &Contract) -> Vec<(Box<str>, Scalar)> {
    contract.features.iter().map(|feature| feature.name.as_ref().into()).zip(values).collect()
}

fn named_rows(reader: &mut Reader<'_>, contract: &Contract) -> Result<Rows, Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("features");
    let mut budget = ELEMENTS_MAX;
    let mut rows = Vec::new();
    let mut elements = reader.array().map_err(malformed)?;
    while reader.element(&mut elements).map_err(malformed)? {
        let row = named(reader, contract)?;
        let length = match &row {
            Row::InOrder(values) => values.len(),
            Row::Named(values) => values.len(),
        };
        budget = budget.checked_sub(length.max(1)).ok_or_else(|| Rejection::invalid("features"))?;
        rows.push(row);
    }
    if rows.iter().all(|row| matches!(row, Row::InOrder(_))) {
        let values = |row| match row {
            Row::InOrder(values) => values,
            Row::Named(_) => Vec::new(),
        };
        return Ok(Rows::Ordered(rows.into_iter().map(values).collect()));
    }
    Ok(Rows::Named(rows.into_iter().map(|row| row.named(contract)).collect()))
}

fn named(reader: &mut Reader<'_>, contract: &Contract) -> Result<Row, Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("features");
    let mut values = Vec::with_capacity(contract.features.len().min(reader.remaining() / 4));
    let mut members = reader.object().map_err(malformed)?;
    while let Some(key) = reader.key(&mut members).map_err(malformed)? {
        match contract.features.get(values.len()) {
            Some(feature) if *feature.name == *key => values.push(value(reader, contract, &key)?),
            _ => return out_of_order(reader, contract, members, key, values),
        }
    }
    if values.len() == contract.features.len() {
        return Ok(Row::InOrder(values));
    }
    Ok(Row::Named(name(values, contract)))
}

/// The rest of a row whose names differ from the contract's order: kept by name, each once.
#[cold]
fn out_of_order<'a>(
    reader: &mut Reader<'a>,
    contract: &Contract,
    mut members: Progress,
    first: std::borrow::Cow<'a, str>,
    before: Vec<Scalar>,
) -> Result<Row, Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("features");
    let mut row = name(before, contract);
    let mut seen: HashSet<Box<str>> = row.iter().map(|(name, _)| name.clone()).collect();
    let mut next = Some(first);
    while let Some(key) = next {
        let known = || contract.features.iter().find(|feature| *feature.name == *key);
        if row.len() == FEATURES_MAX || !seen.insert(key.as_ref().into()) {
            return Err(Rejection::invalid(
                known().map_or_else(|| "features".into(), |f| Arc::clone(&f.name)),
            ));
        }
        let value = value(reader, contract, &key)?;
        row.push((key.as_ref().into(), value));
        next = reader.key(&mut members).map_err(malformed)?;
    }
    Ok(Row::Named(row))
}

/// A feature's value; what is wrong with it is told by its name if the contract has that name.
fn value(reader: &mut Reader<'_>, contract: &Contract, key: &str) -> Result<Scalar, Rejection> {
    reader.scalar().map_err(|_| {
        let known = contract.features.iter().find(|feature| *feature.name == *key);
        Rejection::invalid(known.map_or_else(|| "features".into(), |feature| Arc::clone(&feature.name)))
    })
}

/// Writes an answer.
#[must_use]
pub fn write(answer: &Answer, batch: bool, request_id: RequestId) -> Vec<u8> {
    let mut json = Writer::with_capacity(96 + 64 * answer.rows.len());
    json.object();
    if batch {
        json.key("results");
        json.array();
        for index in 0..answer.rows.len() {
            json.object();
            members(&mut json, answer, index);
            json.end_object();
        }
        json.end_array();
    } else {
        members(&mut json, answer, 0);
    }
    if answer.candidate {
        json.key("candidate");
        json.bool(true);
    }
    json.member("request_id", std::str::from_utf8(&request_id.encode()).unwrap_or_default());
    json.end_object();
    json.into_bytes()
}

fn members(json: &mut Writer, answer: &Answer, index: usize) {
    let Some(row) = answer.rows.get(index) else { return };
    json.key("result");
    match &row.result {
        Value::Label(label) => json.string(label),
        Value::Number(number) => json.double(*number),
        Value::Opaque => outputs(json, answer, index),
    }
    if row.outcome != Outcome::Served {
        json.member("action", &answer.contract.judgment.fallback.action);
    }
    if row.outcome == Outcome::Review {
        json.member("outcome", row.outcome.as_str());
    }
    json.key("confidence");
    match row.confidence {
        Some(confidence) => json.double(confidence),
        None => json.null(),
    }
    if let Some((low, high)) = row.interval {
        json.key("interval");
        json.array();
        json.double(low);
        json.double(high);
        json.end_array();
    }
}

/// One row of every output, for models whose outputs have no stated meaning.
fn outputs(json: &mut Writer, answer: &Answer, index: usize) {
    json.object();
    for output in &answer.outputs {
        let width = output.data.len() / answer.rows.len().max(1);
        json.name(&output.name);
        json.array();
        tensor::write(json, &output.data, index * width..(index + 1) * width);
        json.end_array();
    }
    json.end_object();
}

#[cfg(test)]
mod tests;
