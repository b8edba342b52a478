//! `Cast` between element types.

use crate::onnx::{ElementType, Node};

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::Data,
    },
    Built,
};

/// Converts elements to a type.
#[derive(Debug)]
struct Cast {
    to: ElementType,
}

/// Makes a `Cast`.
pub(super) fn cast(node: &mut Node) -> Built {
    let number = node.attributes.int("to")?.and_then(|to| i32::try_from(to).ok());
    node.attributes.ignore(&["saturate"]);
    let to = number.and_then(ElementType::from_onnx);
    let to = to.filter(|to| !matches!(to, ElementType::I8 | ElementType::U8));
    Ok(Box::new(Cast {
        to: to.ok_or_else(|| node.attributes.error("the type cast to cannot be used here"))?,
    }))
}

impl Kernel for Cast {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        if input.element() == self.to {
            let same = input.clone();
            io.put(0, same);
            return Ok(());
        }
        let shape = input.shape();
        let data = convert(input.data(), self.to)?;
        io.set(0, shape, data)
    }

    fn is_featurewise(&self) -> bool {
        true
    }

    fn keeps_distributions(&self) -> bool {
        matches!(self.to, ElementType::F32 | ElementType::F64)
    }
}

/// Numbers convert as in C, except that a float out of an integer's range saturates where C leaves it undefined.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "that is what a cast is asked to do"
)]
fn convert<'a>(data: &Data<'_>, to: ElementType) -> Result<Data<'a>, Fault> {
    macro_rules! numbers {
        ($values:expr, $one:expr) => {
            match to {
                ElementType::F32 => $values.iter().map(|value| *value as f32).collect::<Vec<_>>().into(),
                ElementType::F64 => $values.iter().map(|value| *value as f64).collect::<Vec<_>>().into(),
                ElementType::I32 => $values.iter().map(|value| *value as i32).collect::<Vec<_>>().into(),
                ElementType::I64 => $values.iter().map(|value| *value as i64).collect::<Vec<_>>().into(),
                ElementType::Bool => $values.iter().map(|value| $one(*value)).collect::<Vec<bool>>().into(),
                _ => return Err(Fault::Type("these numbers cannot become text")),
            }
        };
    }
    Ok(match data {
        Data::F32(values) => numbers!(values, |value: f32| value != 0.0),
        Data::F64(values) => numbers!(values, |value: f64| value != 0.0),
        Data::I32(values) if to == ElementType::Text => decimal(values.iter()),
        Data::I64(values) if to == ElementType::Text => decimal(values.iter()),
        Data::I32(values) => numbers!(values, |value: i32| value != 0),
        Data::I64(values) => numbers!(values, |value: i64| value != 0),
        Data::Bool(values) => {
            let numbers: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
            return convert(&numbers.into(), to);
        }
        Data::Text(values) => match to {
            ElementType::F32 => parse::<f32>(values)?.into(),
            ElementType::F64 => parse::<f64>(values)?.into(),
            ElementType::I32 => parse::<i32>(values)?.into(),
            ElementType::I64 => parse::<i64>(values)?.into(),
            _ => return Err(Fault::Type("text cannot become this type")),
        },
    })
}

fn decimal<'a, T: ToString>(values: impl Iterator<Item = T>) -> Data<'a> {
    values.map(|value| value.to_string().into_bytes()).collect::<Vec<_>>().into()
}

fn parse<T: std::str::FromStr>(values: &[Vec<u8>]) -> Result<Vec<T>, Fault> {
    let number = |text: &Vec<u8>| std::str::from_utf8(text).ok()?.trim().parse().ok();
    values.iter().map(number).collect::<Option<_>>().ok_or(Fault::Unknown("a text is not a number"))
}
