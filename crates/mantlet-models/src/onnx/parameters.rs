//! What a model has learned: every constant of a file, by name, with its values. For those who may look at weights; no
//! engine reads this.

use std::collections::HashMap;

use super::{
    Constant, Elements,
    error::LoadError,
    proto::{AttributeProto, GraphProto, NodeProto, TensorProto, element},
};

/// A named list of constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The initializer's name, or the node's and its attribute's with a dot between. Unique within a model.
    pub name: String,
    /// The operator whose attribute it is; `None` for an initializer.
    pub operator: Option<String>,
    /// The element type, as the Open Inference Protocol calls it.
    pub datatype: &'static str,
    /// Extents, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub values: Values,
}

/// Elements as they are shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Floating-point numbers.
    Numbers(Vec<f64>),
    /// Whole numbers and truth values.
    Integers(Vec<i64>),
    /// Texts.
    Texts(Vec<Vec<u8>>),
}

impl Values {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Every constant of a graph: initializers first, then attributes in the order of the nodes.
pub(super) fn of(graph: GraphProto) -> Result<Vec<Parameter>, LoadError> {
    let mut found = Vec::new();
    for tensor in graph.initializer {
        let name = tensor.name.clone();
        found.push(parameter(name, None, tensor)?);
    }
    for NodeProto { output, name, op_type, attribute, .. } in graph.node {
        let node = if name.is_empty() { output.into_iter().next().unwrap_or_default() } else { name };
        for attribute in attribute {
            let name = format!("{node}.{}", attribute.name);
            found.extend(listed(name, &op_type, attribute)?);
        }
    }
    number(&mut found);
    Ok(found)
}

/// Several nodes may have one name; the second of them is then `name#2`.
fn number(found: &mut [Parameter]) {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(found.len());
    for parameter in found {
        let count = seen.entry(parameter.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            parameter.name = format!("{}#{count}", parameter.name);
        }
    }
}

/// An attribute that is a list or a tensor; single numbers and words say how an operator works, not what it learned.
fn listed(name: String, operator: &str, attribute: AttributeProto) -> Result<Option<Parameter>, LoadError> {
    let operator = Some(operator.to_owned());
    if let Some(tensor) = attribute.t {
        return parameter(name, operator, tensor).map(Some);
    }
    let (datatype, values) = if !attribute.floats.is_empty() {
        ("FP32", Values::Numbers(attribute.floats.into_iter().map(f64::from).collect()))
    } else if !attribute.ints.is_empty() {
        ("INT64", Values::Integers(attribute.ints))
    } else if !attribute.strings.is_empty() {
        ("BYTES", Values::Texts(attribute.strings))
    } else {
        return Ok(None);
    };
    let shape = vec![values.len()];
    Ok(Some(Parameter { name, operator, datatype, shape, values }))
}

fn parameter(name: String, operator: Option<String>, tensor: TensorProto) -> Result<Parameter, LoadError> {
    let kind = tensor.data_type;
    let small = small(&tensor);
    let (shape, datatype, values) = match Constant::decode(tensor)? {
        Constant::Array(array) => {
            let (datatype, values) = match array.elements {
                Elements::F32(values) => {
                    ("FP32", Values::Numbers(values.into_iter().map(f64::from).collect()))
                }
                Elements::F64(values) => ("FP64", Values::Numbers(values)),
                Elements::I32(values) => {
                    ("INT32", Values::Integers(values.into_iter().map(i64::from).collect()))
                }
                Elements::I64(values) => ("INT64", Values::Integers(values)),
                Elements::Bool(values) => {
                    ("BOOL", Values::Integers(values.into_iter().map(i64::from).collect()))
                }
                Elements::Text(values) => ("BYTES", Values::Texts(values)),
            };
            (array.shape, datatype, values)
        }
        Constant::Opaque(shape) => {
            let datatype = match kind {
                element::INT8 => "INT8",
                element::UINT8 => "UINT8",
                _ => "FP16",
            };
            (shape, datatype, small)
        }
    };
    Ok(Parameter { name, operator, datatype, shape, values })
}

/// The elements of types that only the neural engine holds. [`Constant::decode`] has checked how many there are.
fn small(tensor: &TensorProto) -> Values {
    let raw = &tensor.raw_data;
    let listed = || tensor.int32_data.iter().copied();
    match tensor.data_type {
        element::INT8 if raw.is_empty() => Values::Integers(listed().map(i64::from).collect()),
        element::INT8 => Values::Integers(raw.iter().map(|byte| i64::from(byte.cast_signed())).collect()),
        element::UINT8 if raw.is_empty() => Values::Integers(listed().map(i64::from).collect()),
        element::UINT8 => Values::Integers(raw.iter().copied().map(i64::from).collect()),
        element::FLOAT16 => {
            let (halves, _) = raw.as_chunks::<2>();
            Values::Numbers(halves.iter().map(|half| half_to_double(u16::from_le_bytes(*half))).collect())
        }
        _ => Values::Numbers(Vec::new()),
    }
}

/// IEEE 754 binary16: sign, five bits of exponent, ten of fraction.
fn half_to_double(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF));
    let magnitude = match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1_024.0) * 2.0_f64.powi(exponent - 15),
    };
    sign * magnitude
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_what_the_standard_says() {
        let cases = [
            (0x0000, 0.0),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65_504.0),
            (0x0001, 2.0_f64.powi(-24)),
            (0x3555, 0.333_251_953_125),
            (0xFC00, f64::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half_to_double(bits), value);
        }
        assert!(half_to_double(0x7E00).is_nan());
    }

    #[test]
    fn every_constant_has_a_name_of_its_own() {
        let node = |name: &str| NodeProto {
            name: name.into(),
            output: vec!["out".into()],
            op_type: "Scaler".into(),
            attribute: vec![
                AttributeProto { name: "scale".into(), floats: vec![0.5, 2.0], ..Default::default() },
                AttributeProto { name: "mode".into(), i: 1, ..Default::default() },
            ],
            ..Default::default()
        };
        let weights = TensorProto {
            name: "w".into(),
            dims: vec![1, 2],
            data_type: element::UINT8,
            raw_data: vec![7, 255].into(),
            ..Default::default()
        };
        let graph = GraphProto {
            node: vec![node("s"), node("s"), node("")],
            initializer: vec![weights],
            ..Default::default()
        };
        let found = of(graph).unwrap();
        let names: Vec<&str> = found.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["w", "s.scale", "s.scale#2", "out.scale"]);
        assert_eq!((found[0].datatype, found[0].shape.as_slice()), ("UINT8", [1, 2].as_slice()));
        assert_eq!(found[0].values, Values::Integers(vec![7, 255]));
        assert_eq!(found[1].values, Values::Numbers(vec![0.5, 2.0]));
    }
}
