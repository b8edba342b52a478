//! Answers of an upstream. It is trusted with nothing but its numbers: whatever is not exactly the answer that was asked
//! for (this id, this model, every declared output once, in its declared type and shape) is no answer.

use std::borrow::Cow;

use mantlet_types::{
    Datatype, Tensor, TensorData, TensorSpec,
    limits::{ELEMENTS_MAX, RANK_MAX},
};

use crate::server::{
    json::{Kind, Malformed, Reader, once},
    tensor,
};

/// What was asked, as far as the answer has to agree with it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The question's id.
    pub id: &'a str,
    /// The model's name there.
    pub model: &'a str,
    /// The version, if one was named.
    pub version: Option<&'a str>,
    /// The outputs asked for.
    pub outputs: &'a [TensorSpec],
    /// Rows of every input, and so of every output.
    pub rows: usize,
}

/// What is wrong with an answer: fixed sentences, nothing that the other side sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub &'static str);

impl From<Malformed> for Invalid {
    fn from(_: Malformed) -> Self {
        Self("the answer is not the JSON of an inference response")
    }
}

/// Reads an answer whose JSON header has so many bytes; all of it, if none says so. The outputs come in the order asked.
///
/// # Errors
/// If it is not exactly what was asked for.
pub fn read(body: &[u8], header_bytes: Option<usize>, asked: &Asked<'_>) -> Result<Vec<Tensor>, Invalid> {
    let split = body.split_at_checked(header_bytes.unwrap_or(body.len()));
    let (header, tail) = split.ok_or(Invalid("the answer is shorter than its header"))?;
    let text = std::str::from_utf8(header).map_err(|_| Malformed)?;
    let mut reader = Reader::new(text);
    let (mut id, mut model, mut version, mut outputs) = (None, None, None, None);
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        match key.as_ref() {
            "id" => once(&mut id, reader.string()?)?,
            "model_name" => once(&mut model, reader.string()?)?,
            "model_version" => once(&mut version, optional(&mut reader)?)?,
            "outputs" => once(&mut outputs, self::outputs(&mut reader, asked)?)?,
            // Parameters, and whatever a later version of the protocol adds, have no say.
            _ => pass(&mut reader)?,
        }
    }
    reader.end()?;
    if id.as_deref() != Some(asked.id) {
        return Err(Invalid("the answer is to another question"));
    }
    let said = version.flatten();
    let another = asked.version.zip(said.as_deref()).is_some_and(|(asked, said)| asked != said);
    if model.as_deref() != Some(asked.model) || another {
        return Err(Invalid("another model has answered"));
    }
    attach(outputs.ok_or(Malformed)?, tail, asked)
}

/// A string that may be `null`.
fn optional<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, Malformed> {
    if reader.peek()? == Kind::Null {
        return reader.null().map(|()| None);
    }
    reader.string().map(Some)
}

/// An output whose elements may still be behind the header.
struct Output {
    /// Its place among those asked for.
    index: usize,
    shape: Vec<usize>,
    elements: Elements,
}

enum Elements {
    Read(TensorData),
    /// So many bytes of the tail.
    Behind(usize),
}

fn outputs(reader: &mut Reader<'_>, asked: &Asked<'_>) -> Result<Vec<Output>, Invalid> {
    let mut outputs: Vec<Output> = Vec::with_capacity(asked.outputs.len());
    let mut items = reader.array()?;
    while reader.element(&mut items)? {
        let output = output(reader, asked)?;
        if outputs.iter().any(|other| other.index == output.index) {
            return Err(Invalid("the answer has an output twice"));
        }
        outputs.push(output);
    }
    if outputs.len() == asked.outputs.len() {
        Ok(outputs)
    } else {
        Err(Invalid("the answer lacks an output"))
    }
}

/// Reads one output. Members come in any order; elements that come before their type are read afterwards.
fn output(reader: &mut Reader<'_>, asked: &Asked<'_>) -> Result<Output, Invalid> {
    let (mut name, mut datatype, mut shape, mut behind) = (None, None, None, None);
    let mut later: Option<Reader<'_>> = None;
    let mut data: Option<TensorData> = None;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        match key.as_ref() {
            "name" => once(&mut name, reader.string()?)?,
            "datatype" => once(&mut datatype, reader.string()?)?,
            "shape" => once(&mut shape, self::shape(reader)?)?,
            "parameters" => once(&mut behind, binary_data_size(reader)?)?,
            "data" => match (&name, &datatype, &shape) {
                (Some(name), Some(datatype), Some(shape)) if data.is_none() && later.is_none() => {
                    let (_, datatype) = expected(asked, name, datatype, shape)?;
                    data = Some(tensor::read(reader, datatype, shape).map_err(|_| MISFIT)?);
                }
                _ => once(&mut later, reader.later()?)?,
            },
            _ => pass(reader)?,
        }
    }
    let (name, datatype, shape) =
        (name.ok_or(Malformed)?, datatype.ok_or(Malformed)?, shape.ok_or(Malformed)?);
    let (index, datatype) = expected(asked, &name, &datatype, &shape)?;
    let elements = match (data, later, behind.flatten()) {
        (Some(data), None, None) => Elements::Read(data),
        (None, Some(mut later), None) => {
            Elements::Read(tensor::read(&mut later, datatype, &shape).map_err(|_| MISFIT)?)
        }
        (None, None, Some(bytes)) => Elements::Behind(bytes),
        _ => return Err(Invalid("an output has no elements, or has them twice")),
    };
    Ok(Output { index, shape, elements })
}

const MISFIT: Invalid = Invalid("an output's elements are not of its type and shape");
const TOO_MANY: Invalid = Invalid("the answer has more elements than are taken");

/// The place of an output among those asked for, and its type, if it is as declared.
fn expected(
    asked: &Asked<'_>,
    name: &str,
    datatype: &str,
    shape: &[usize],
) -> Result<(usize, Datatype), Invalid> {
    let place = asked.outputs.iter().position(|spec| *spec.name == *name);
    let index = place.ok_or(Invalid("the answer has an output that was not asked for"))?;
    let spec = asked.outputs.get(index).ok_or(Malformed)?;
    if datatype != spec.datatype.as_str() {
        return Err(Invalid("an output has another type than declared"));
    }
    if !spec.admits(shape) || shape.first() != Some(&asked.rows) {
        return Err(Invalid("an output has another shape than declared"));
    }
    let fits = tensor::volume(shape).is_some_and(|volume| volume <= ELEMENTS_MAX);
    if fits { Ok((index, spec.datatype)) } else { Err(TOO_MANY) }
}

fn shape(reader: &mut Reader<'_>) -> Result<Vec<usize>, Malformed> {
    let mut shape = Vec::with_capacity(RANK_MAX);
    let mut items = reader.array()?;
    while reader.element(&mut items)? {
        if shape.len() == RANK_MAX {
            return Err(Malformed);
        }
        shape.push(reader.number()?.parse().map_err(|_| Malformed)?);
    }
    Ok(shape)
}

/// The one parameter that says something of how to read an output.
fn binary_data_size(reader: &mut Reader<'_>) -> Result<Option<usize>, Malformed> {
    if reader.peek()? == Kind::Null {
        return reader.null().map(|()| None);
    }
    let mut size = None;
    let mut members = reader.object()?;
    while let Some(key) = reader.key(&mut members)? {
        if key == "binary_data_size" {
            once(&mut size, reader.number()?.parse().map_err(|_| Malformed)?)?;
        } else {
            pass(reader)?;
        }
    }
    Ok(size)
}

/// Takes the elements that lie behind the header, which must be all that lies there, and puts the outputs in order.
fn attach(outputs: Vec<Output>, mut tail: &[u8], asked: &Asked<'_>) -> Result<Vec<Tensor>, Invalid> {
    let mut tensors: Vec<Option<Tensor>> = asked.outputs.iter().map(|_| None).collect();
    let mut left = ELEMENTS_MAX;
    for Output { index, shape, elements } in outputs {
        let spec = asked.outputs.get(index).ok_or(Malformed)?;
        let count = tensor::volume(&shape).ok_or(MISFIT)?;
        left = left.checked_sub(count).ok_or(TOO_MANY)?;
        let data = match elements {
            Elements::Read(data) => data,
            Elements::Behind(bytes) => {
                let (own, rest) = tail.split_at_checked(bytes).ok_or(MISFIT)?;
                tail = rest;
                tensor::unpack(own, spec.datatype, count).map_err(|_| MISFIT)?
            }
        };
        let tensor = Tensor { name: spec.name.clone(), shape, data };
        *tensors.get_mut(index).ok_or(Malformed)? = Some(tensor);
    }
    if !tail.is_empty() {
        return Err(Invalid("more lies behind the answer than belongs to it"));
    }
    tensors.into_iter().collect::<Option<_>>().ok_or(Invalid("the answer lacks an output"))
}

/// Passes over any value. INVARIANT (bounded-recursion): entering an array or object counts its depth.
fn pass(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.peek()? {
        Kind::Object => {
            let mut members = reader.object()?;
            while reader.key(&mut members)?.is_some() {
                pass(reader)?;
            }
            Ok(())
        }
        Kind::Array => {
            let mut items = reader.array()?;
            while reader.element(&mut items)? {
                pass(reader)?;
            }
            Ok(())
        }
        _ => reader.scalar().map(drop),
    }
}

#[cfg(test)]
mod tests;
