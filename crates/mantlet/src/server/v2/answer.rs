//! Inference answers: a JSON header, and behind it the outputs that the request wanted in binary.
//!
//! The protocol's parameters are strings, numbers and truth values, so confidences of several rows do not fit as an
//! array. An answer therefore carries `confidence` (of its least sure row) and `outcome` (`review` before `fallback`
//! before `served`); with several rows also `row_confidence` and `row_outcome`, one per row, separated by commas.
//! `request_id` is among them where a row is held for a person: it is what one comes back with for what was decided.
//! The same parameters stand at the answer and at each of its outputs, because clients look in either place.

use std::fmt::Write as _;

use mantlet_gate::output::{Answer, Outcome, RowAnswer};
use mantlet_types::{RequestId, Tensor};

use super::Form;
use crate::server::{json::Writer, tensor};

/// An answer in bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Header and tensors.
    pub body: Vec<u8>,
    /// Length of the JSON header, if tensors follow it.
    pub header_bytes: Option<usize>,
}

/// Writes an answer in the form that its request asked for.
#[must_use]
pub fn write(answer: &Answer, form: &Form, request_id: RequestId) -> Written {
    let parameters = Parameters::of(answer, request_id);
    let mut binary = Vec::new();
    let mut json =
        Writer::with_capacity(256 + 24 * answer.outputs.iter().map(|o| o.data.len()).sum::<usize>());
    json.object();
    if let Some(id) = &form.id {
        json.member("id", id);
    }
    json.member("model_name", answer.contract.model.as_str());
    json.key("model_version");
    json.string(itoa::Buffer::new().format(answer.contract.version.number()));
    json.key("parameters");
    json.object();
    parameters.write(&mut json);
    if answer.candidate {
        json.key("candidate");
        json.bool(true);
    }
    json.end_object();
    json.key("outputs");
    json.array();
    for output in &answer.outputs {
        self::output(&mut json, &mut binary, output, form, &parameters);
    }
    json.end_array();
    json.end_object();
    let mut body = json.into_bytes();
    let header_bytes = form.wants_any_binary(answer).then_some(body.len());
    body.append(&mut binary);
    Written { body, header_bytes }
}

fn output(json: &mut Writer, binary: &mut Vec<u8>, output: &Tensor, form: &Form, parameters: &Parameters) {
    json.object();
    json.member("name", &output.name);
    json.member("datatype", output.data.datatype().as_str());
    json.key("shape");
    json.array();
    output.shape.iter().for_each(|extent| json.integer(*extent));
    json.end_array();
    json.key("parameters");
    json.object();
    parameters.write(json);
    if form.wants_binary(output) {
        json.key("binary_data_size");
        json.integer(tensor::packed_length(&output.data));
        json.end_object();
        tensor::pack(&output.data, binary);
    } else {
        json.end_object();
        json.key("data");
        json.array();
        tensor::write(json, &output.data, 0..output.data.len());
        json.end_array();
    }
    json.end_object();
}

impl Form {
    fn wants_binary(&self, output: &Tensor) -> bool {
        let said = self.binary_by_output.iter().find(|(name, _)| *name == output.name);
        said.map_or(self.binary, |(_, binary)| *binary)
    }

    fn wants_any_binary(&self, answer: &Answer) -> bool {
        answer.outputs.iter().any(|output| self.wants_binary(output))
    }
}

/// What judgment says of the rows, under the names that both forms of the protocol give it.
pub(in crate::server) struct Parameters {
    confidence: Option<f64>,
    outcome: Outcome,
    row_confidence: String,
    row_outcome: String,
    /// Where something of it is to be come back for.
    request_id: Option<RequestId>,
}

impl Parameters {
    pub(in crate::server) fn of(answer: &Answer, request_id: RequestId) -> Self {
        let rank = |row: &&RowAnswer| match row.outcome {
            Outcome::Served => 0,
            Outcome::Fallback => 1,
            Outcome::Review => 2,
        };
        let least = answer.rows.iter().filter_map(|row| row.confidence).min_by(f64::total_cmp);
        let worst = answer.rows.iter().max_by_key(rank).map_or(Outcome::Served, |row| row.outcome);
        let mut all = Self {
            confidence: least,
            outcome: worst,
            row_confidence: String::new(),
            row_outcome: String::new(),
            request_id: (worst == Outcome::Review).then_some(request_id),
        };
        if answer.rows.len() > 1 {
            answer.rows.iter().enumerate().for_each(|(index, row)| all.add(index, row));
        }
        all
    }

    fn add(&mut self, index: usize, row: &RowAnswer) {
        if index > 0 {
            self.row_confidence.push(',');
            self.row_outcome.push(',');
        }
        if let Some(confidence) = row.confidence {
            let _ = write!(self.row_confidence, "{confidence}"); // writing to a string cannot fail
        }
        self.row_outcome.push_str(row.outcome.as_str());
    }

    /// All of them, in order.
    pub(in crate::server) fn each(&self, mut tell: impl FnMut(&'static str, Parameter<'_>)) {
        if let Some(confidence) = self.confidence {
            tell("confidence", Parameter::Number(confidence));
        }
        tell("outcome", Parameter::Text(self.outcome.as_str()));
        if let Some(id) = self.request_id {
            tell("request_id", Parameter::Text(std::str::from_utf8(&id.encode()).unwrap_or_default()));
        }
        if !self.row_outcome.is_empty() {
            tell("row_outcome", Parameter::Text(&self.row_outcome));
            if self.confidence.is_some() {
                tell("row_confidence", Parameter::Text(&self.row_confidence));
            }
        }
    }

    fn write(&self, json: &mut Writer) {
        self.each(|name, value| {
            json.key(name);
            match value {
                Parameter::Number(number) => json.double(number),
                Parameter::Text(text) => json.string(text),
            }
        });
    }
}

/// A parameter's value.
pub(in crate::server) enum Parameter<'a> {
    /// A number.
    Number(f64),
    /// A text of ours.
    Text(&'a str),
}

#[cfg(test)]
mod tests;
