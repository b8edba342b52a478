//! Inference requests: a JSON header, and behind it the tensors that the header says are binary.

use std::sync::{Arc, OnceLock};

use mantlet_gate::mediate::Payload;
use mantlet_types::{
    Code, Contract, Datatype, Rejection, Tensor, TensorData,
    limits::{ELEMENTS_MAX, RANK_MAX, TENSORS_MAX},
    question::{Question, Rows, Scalar},
};

use crate::server::{
    body::{Media, Parcel},
    json::{Malformed, Reader, once},
    simple, tensor,
};

/// Longest `id` that is echoed; UUIDs and their like fit.
const ID_BYTES_MAX: usize = 128;

/// What the request says of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// To be echoed.
    pub id: Option<Box<str>>,
    /// Whether outputs are binary unless one says otherwise.
    pub binary: bool,
    /// What single outputs say.
    pub binary_by_output: Vec<(Arc<str>, bool)>,
}

/// A request's body, with a place for what it says of the answer.
#[derive(Debug)]
pub struct Infer {
    /// The body.
    pub parcel: Parcel,
    /// `Inference-Header-Content-Length`, if it was sent; an error if it is no number.
    pub header_bytes: Result<Option<usize>, Code>,
    /// Filled once the body is decoded.
    pub form: Arc<OnceLock<Form>>,
}

impl Payload for Infer {
    async fn read(self, contract: &Contract) -> Result<Question, Rejection> {
        let header_bytes = self.header_bytes?;
        if header_bytes.is_none() && self.parcel.media == Ok(Media::Binary) {
            return Err(Code::UnsupportedMedia.into());
        }
        let bytes = self.parcel.read_question().await?;
        let (question, form) = decode_body(&bytes, header_bytes, contract)?;
        let _ = self.form.set(form); // set nowhere else
        Ok(Question { body_bytes: bytes.len(), ..question })
    }
}

/// Decodes a body, of which so many bytes are a JSON header, or all; none says that all of it is one raw tensor.
///
/// # Errors
/// As [`decode`]; 400 naming `body` if the header were longer than it.
pub fn decode_body(
    body: &[u8],
    header_bytes: Option<usize>,
    contract: &Contract,
) -> Result<(Question, Form), Rejection> {
    match header_bytes {
        Some(0) => decode_raw(body, contract),
        Some(length) => {
            let (header, tail) = body.split_at_checked(length).ok_or_else(|| Rejection::invalid("body"))?;
            decode(header, tail, contract)
        }
        None => decode(body, &[], contract),
    }
}

/// Decodes a JSON header and the binary tensors behind it.
///
/// # Errors
/// 400 naming the member that is wrong, as in `inputs[1].shape`.
pub fn decode(header: &[u8], tail: &[u8], contract: &Contract) -> Result<(Question, Form), Rejection> {
    let text = std::str::from_utf8(header).map_err(|_| Rejection::invalid("body"))?;
    let mut reader = Reader::new(text);
    let whole = |_: Malformed| Rejection::invalid("body");
    let (mut id, mut parameters, mut inputs, mut outputs) = (None, None, None, None);
    let mut named = false;
    let mut members = reader.object().map_err(whole)?;
    while let Some(key) = reader.key(&mut members).map_err(whole)? {
        match key.as_ref() {
            "id" => self::id(&mut reader)
                .and_then(|read| once(&mut id, read))
                .map_err(|_| Rejection::invalid("id"))?,
            "parameters" => simple::options(&mut reader)
                .and_then(|read| once(&mut parameters, read))
                .map_err(|_| Rejection::invalid("parameters"))?,
            "inputs" => {
                let read = self::inputs(&mut reader, contract)?;
                once(&mut inputs, read).map_err(|_| Rejection::invalid("inputs"))?;
            }
            "outputs" => {
                let read = self::outputs(&mut reader, contract)?;
                once(&mut outputs, read).map_err(|_| Rejection::invalid("outputs"))?;
            }
            // Not in the protocol, but KServe's client repeats the path here. It may not say anything else.
            "model_name" if !named => named = repeats(&mut reader, contract.model.as_str(), "model_name")?,
            _ => return Err(Rejection::invalid("body")),
        }
    }
    reader.end().map_err(whole)?;
    let inputs = inputs.ok_or_else(|| Rejection::invalid("inputs"))?;
    let tensors = attach(inputs, tail)?;
    let mut options = parameters.unwrap_or_default();
    let binary = binary_data_output(&mut options)?.unwrap_or(false);
    let outputs = outputs.unwrap_or_default();
    let wanted = outputs.iter().map(|(name, _)| Arc::clone(name)).collect();
    let said = |(name, binary): (Arc<str>, Option<bool>)| binary.map(|binary| (name, binary));
    let form =
        Form { id: id.flatten(), binary, binary_by_output: outputs.into_iter().filter_map(said).collect() };
    let question =
        Question { rows: Rows::Tensors(tensors), outputs: wanted, options, body_bytes: header.len() };
    Ok((question, form))
}

/// Decodes a body that is nothing but the one input's elements; the outputs come back in binary too.
///
/// # Errors
/// 400 if the model has several inputs, more than the batch is left open in its shape, or the bytes do not fit.
pub fn decode_raw(body: &[u8], contract: &Contract) -> Result<(Question, Form), Rejection> {
    let wrong = || Rejection::invalid("inputs");
    let [input] = contract.inputs.as_slice() else { return Err(wrong()) };
    let fixed: Vec<usize> = input.shape.iter().skip(1).copied().collect::<Option<_>>().ok_or_else(wrong)?;
    let row = tensor::volume(&fixed).ok_or_else(wrong)?;
    let data = match input.datatype.width() {
        // A lone string comes without its length.
        None if row == 1 => TensorData::Bytes(vec![body.to_vec()]),
        None => return Err(wrong()),
        Some(width) => {
            tensor::unpack(body, input.datatype, body.len() / width).map_err(|Malformed| wrong())?
        }
    };
    let rows = data.len().checked_div(row).ok_or_else(wrong)?;
    let shape = std::iter::once(rows).chain(fixed).collect();
    let tensor = Tensor { name: Arc::clone(&input.name), shape, data };
    if !tensor.is_consistent() {
        return Err(wrong());
    }
    let question = Question { rows: Rows::Tensors(vec![tensor]), ..Question::default() };
    Ok((question, Form { binary: true, ..Form::default() }))
}

/// A member that says again what the path has said.
fn repeats(reader: &mut Reader<'_>, said: &str, member: &'static str) -> Result<bool, Rejection> {
    match reader.string() {
        Ok(again) if again == said => Ok(true),
        _ => Err(Rejection::invalid(member)),
    }
}

/// The `id` of a request, to be echoed: printable ASCII of bounded length, or nothing if it is empty.
fn id(reader: &mut Reader<'_>) -> Result<Option<Box<str>>, Malformed> {
    let id = reader.string()?;
    if is_id(&id) { Ok((!id.is_empty()).then(|| id.into())) } else { Err(Malformed) }
}

/// Whether it can be echoed.
pub(in crate::server) fn is_id(id: &str) -> bool {
    id.len() <= ID_BYTES_MAX && id.bytes().all(|b| (0x20..0x7F).contains(&b))
}

/// Takes the one parameter that is the protocol's own; the others are options for the contract to judge.
pub(in crate::server) fn binary_data_output(
    options: &mut Vec<(Box<str>, Scalar)>,
) -> Result<Option<bool>, Rejection> {
    let Some(at) = options.iter().position(|(name, _)| &**name == "binary_data_output") else {
        return Ok(None);
    };
    match options.swap_remove(at).1 {
        Scalar::Bool(binary) => Ok(Some(binary)),
        _ => Err(Rejection::invalid("parameters")),
    }
}

/// An input whose elements may still be behind the header.
struct Input {
    name: Arc<str>,
    shape: Vec<usize>,
    data: Elements,
}

enum Elements {
    Read(TensorData),
    Behind(Packed),
}

/// Elements behind the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed {
    datatype: Datatype,
    count: usize,
    bytes: usize,
}

fn inputs(reader: &mut Reader<'_>, contract: &Contract) -> Result<Vec<Input>, Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("inputs");
    let mut inputs: Vec<Input> = Vec::with_capacity(contract.inputs.len().min(TENSORS_MAX));
    let mut budget = ELEMENTS_MAX;
    let mut items = reader.array().map_err(malformed)?;
    while reader.element(&mut items).map_err(malformed)? {
        let index = inputs.len();
        if index == TENSORS_MAX {
            return Err(Rejection::invalid("inputs"));
        }
        let wrong = |member: &'static str| Rejection::invalid(place("inputs", index, member));
        let input = input(reader, contract, &mut budget).map_err(wrong)?;
        inputs.push(input);
    }
    Ok(inputs)
}

/// `inputs[3].shape`, or `inputs[3]` where no member is to blame.
pub(in crate::server) fn place(list: &str, index: usize, member: &str) -> String {
    let dot = if member.is_empty() { "" } else { "." };
    format!("{list}[{index}]{dot}{member}")
}

/// Reads one input; the error is the member to blame.
fn input(reader: &mut Reader<'_>, contract: &Contract, budget: &mut usize) -> Result<Input, &'static str> {
    let (mut name, mut shape, mut datatype, mut parameters, mut data) = (None, None, None, None, None);
    let mut members = reader.object().map_err(|_| "")?;
    while let Some(key) = reader.key(&mut members).map_err(|_| "")? {
        match key.as_ref() {
            "name" => reader.string().and_then(|text| once(&mut name, text)).map_err(|_| "name")?,
            "shape" => self::shape(reader).and_then(|read| once(&mut shape, read)).map_err(|_| "shape")?,
            "datatype" => {
                let read = reader.string().ok().and_then(|text| text.parse::<Datatype>().ok());
                once(&mut datatype, read.ok_or("datatype")?).map_err(|_| "datatype")?;
            }
            "parameters" => binary_data_size(reader)
                .and_then(|size| once(&mut parameters, size))
                .map_err(|_| "parameters")?,
            // Members come in any order, and data can only be read once type and shape are known.
            "data" => match (&shape, datatype) {
                (Some(shape), Some(datatype)) => self::data(reader, datatype, shape, budget)
                    .and_then(|read| once(&mut data, Pending::Read(read)))
                    .map_err(|_| "data")?,
                _ => reader
                    .later()
                    .and_then(|mark| once(&mut data, Pending::Later(mark)))
                    .map_err(|_| "data")?,
            },
            _ => return Err(""),
        }
    }
    let shape = shape.ok_or("shape")?;
    let datatype = datatype.ok_or("datatype")?;
    let name = name.ok_or("name")?;
    let data = match (data, parameters.flatten()) {
        (Some(Pending::Read(read)), None) => Elements::Read(read),
        (Some(Pending::Later(mut mark)), None) => {
            Elements::Read(self::data(&mut mark, datatype, &shape, budget).map_err(|_| "data")?)
        }
        (None, Some(bytes)) => {
            let count = charge(&shape, budget).map_err(|_| "shape")?;
            Elements::Behind(Packed { datatype, count, bytes })
        }
        _ => return Err("data"),
    };
    Ok(Input { name: known(&name, &contract.inputs), shape, data })
}

/// Data that was read, or that waits for the type and shape which come behind it.
enum Pending<'a> {
    Read(TensorData),
    Later(Reader<'a>),
}

fn data(
    reader: &mut Reader<'_>,
    datatype: Datatype,
    shape: &[usize],
    budget: &mut usize,
) -> Result<TensorData, Malformed> {
    charge(shape, budget)?;
    tensor::read(reader, datatype, shape)
}

/// Counts a shape's elements against those that one request may have, before anything is allocated for them.
fn charge(shape: &[usize], budget: &mut usize) -> Result<usize, Malformed> {
    let count = tensor::volume(shape).ok_or(Malformed)?;
    *budget = budget.checked_sub(count).ok_or(Malformed)?;
    Ok(count)
}

fn shape(reader: &mut Reader<'_>) -> Result<Vec<usize>, Malformed> {
    let mut shape = Vec::with_capacity(2);
    let mut items = reader.array()?;
    while reader.element(&mut items)? {
        let extent: usize = reader.number()?.parse().map_err(|_| Malformed)?;
        if shape.len() == RANK_MAX {
            return Err(Malformed);
        }
        shape.push(extent);
    }
    Ok(shape)
}

/// The parameters of an input: `binary_data_size` is the only one that means anything here.
fn binary_data_size(reader: &mut Reader<'_>) -> Result<Option<usize>, Malformed> {
    let mut size = None;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if key != "binary_data_size" {
            return Err(Malformed);
        }
        once(&mut size, reader.number()?.parse().map_err(|_| Malformed)?)?;
    }
    Ok(size)
}

/// The name as the contract has it, so that it is shared rather than copied.
pub(in crate::server) fn known(name: &str, specs: &[mantlet_types::TensorSpec]) -> Arc<str> {
    listed(name, specs).unwrap_or_else(|| name.into())
}

/// The name if the contract has it. Of names that it lacks, as many and as long as a body allows, none is kept.
pub(in crate::server) fn listed(name: &str, specs: &[mantlet_types::TensorSpec]) -> Option<Arc<str>> {
    specs.iter().find(|spec| *spec.name == *name).map(|spec| Arc::clone(&spec.name))
}

/// Cuts what is behind the header into the tensors that announced their share of it.
fn attach(inputs: Vec<Input>, mut tail: &[u8]) -> Result<Vec<Tensor>, Rejection> {
    let mut tensors = Vec::with_capacity(inputs.len());
    for (index, Input { name, shape, data }) in inputs.into_iter().enumerate() {
        let data = match data {
            Elements::Read(data) => data,
            Elements::Behind(Packed { datatype, count, bytes }) => {
                let wrong = || Rejection::invalid(place("inputs", index, "data"));
                let (own, rest) = tail.split_at_checked(bytes).ok_or_else(wrong)?;
                tail = rest;
                tensor::unpack(own, datatype, count).map_err(|Malformed| wrong())?
            }
        };
        tensors.push(Tensor { name, shape, data });
    }
    if tail.is_empty() { Ok(tensors) } else { Err(Rejection::invalid("body")) }
}

type Output = (Arc<str>, Option<bool>);

fn outputs(reader: &mut Reader<'_>, contract: &Contract) -> Result<Vec<Output>, Rejection> {
    let malformed = |_: Malformed| Rejection::invalid("outputs");
    let mut outputs: Vec<Output> = Vec::new();
    let mut items = reader.array().map_err(malformed)?;
    while reader.element(&mut items).map_err(malformed)? {
        let index = outputs.len();
        let wrong = |member: &'static str| Rejection::invalid(place("outputs", index, member));
        let output = output(reader, contract).map_err(wrong)?;
        // INVARIANT (small-product): both sides of this scan are at most as long as the contract's outputs.
        if outputs.iter().any(|(name, _)| *name == output.0) {
            return Err(wrong("name"));
        }
        outputs.push(output);
    }
    Ok(outputs)
}

fn output(reader: &mut Reader<'_>, contract: &Contract) -> Result<Output, &'static str> {
    let (mut name, mut parameters) = (None, None);
    let mut members = reader.object().map_err(|_| "")?;
    while let Some(key) = reader.key(&mut members).map_err(|_| "")? {
        match key.as_ref() {
            "name" => reader.string().and_then(|text| once(&mut name, text)).map_err(|_| "name")?,
            "parameters" => binary_data(reader)
                .and_then(|binary| once(&mut parameters, binary))
                .map_err(|_| "parameters")?,
            _ => return Err(""),
        }
    }
    let name = name.ok_or("name")?;
    Ok((listed(&name, &contract.outputs).ok_or("name")?, parameters.flatten()))
}

/// The parameters of a requested output: `binary_data` is the only one taken; `classification` has no place where
/// outputs are disclosed by contract.
fn binary_data(reader: &mut Reader<'_>) -> Result<Option<bool>, Malformed> {
    let mut binary = None;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if key != "binary_data" {
            return Err(Malformed);
        }
        once(&mut binary, reader.bool()?)?;
    }
    Ok(binary)
}

#[cfg(test)]
mod tests;
