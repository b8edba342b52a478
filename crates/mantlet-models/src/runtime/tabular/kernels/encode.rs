//! Categories to numbers and back: `OneHotEncoder`, `LabelEncoder`, `CategoryMapper`.

use std::collections::HashMap;

use crate::onnx::{Array, Attributes, Elements, LoadError, Node};

use super::{
    super::{
        kernel::{Fault, Io, Kernel},
        value::{Data, Shape},
    },
    Built,
};

/// The number of a text among known ones. Randomly seeded, so that nobody can choose colliding categories.
#[derive(Debug)]
pub(super) struct Texts(HashMap<Vec<u8>, usize>);

impl Texts {
    /// Numbers the texts by position; of equal ones the `last` or the first counts.
    pub(super) fn new(texts: &[Vec<u8>], last: bool) -> Self {
        let mut map = HashMap::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            if last || !map.contains_key(text) {
                map.insert(text.clone(), index);
            }
        }
        Self(map)
    }

    /// The number of a text.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        self.0.get(text).copied()
    }
}

/// One column for each category.
#[derive(Debug)]
struct OneHot {
    categories: Categories,
    count: usize,
    /// Whether an unknown category is a row of zeros; otherwise it is an error.
    zeros: bool,
}

#[derive(Debug)]
enum Categories {
    Texts(Texts),
    Numbers(HashMap<i64, usize>),
}

/// Makes a `OneHotEncoder`.
pub(super) fn one_hot(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let texts = attributes.texts("cats_strings")?;
    let numbers = attributes.ints("cats_int64s")?;
    let zeros = attributes.flag("zeros", true)?;
    let count = texts.len().max(numbers.len());
    let categories = match (texts.is_empty(), numbers.is_empty()) {
        (false, true) => Categories::Texts(Texts::new(&texts, true)),
        (true, false) => Categories::Numbers(numbers.into_iter().zip(0..).collect()),
        _ => return Err(attributes.error("categories of one kind are needed")),
    };
    Ok(Box::new(OneHot { categories, count, zeros }))
}

impl Kernel for OneHot {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count.saturating_mul(self.count))?;
        let input = io.input(0)?;
        let mut extents = input.shape().extents().to_vec();
        extents.push(self.count);
        let shape = Shape::new(&extents)?;
        let mut columns = vec![0.0_f32; count * self.count];
        let mut mark = |row: usize, category: Option<usize>| match category {
            Some(category) => {
                columns[row * self.count + category] = 1.0;
                Ok(())
            }
            None if self.zeros => Ok(()),
            None => Err(Fault::Unknown("a category is unknown")),
        };
        match (&self.categories, input.data()) {
            (Categories::Texts(texts), Data::Text(values)) => {
                values.iter().enumerate().try_for_each(|(row, value)| mark(row, texts.find(value)))?;
            }
            (Categories::Numbers(numbers), Data::I64(values)) => {
                values
                    .iter()
                    .enumerate()
                    .try_for_each(|(row, value)| mark(row, numbers.get(value).copied()))?;
            }
            (Categories::Numbers(numbers), Data::I32(values)) => {
                let find = |value: &i32| numbers.get(&i64::from(*value)).copied();
                values.iter().enumerate().try_for_each(|(row, value)| mark(row, find(value)))?;
            }
            (Categories::Numbers(numbers), Data::F32(values)) => {
                #[expect(clippy::cast_possible_truncation, reason = "onnxruntime truncates categories")]
                let find = |value: &f32| numbers.get(&(*value as i64)).copied();
                values.iter().enumerate().try_for_each(|(row, value)| mark(row, find(value)))?;
            }
            _ => return Err(Fault::Type("the categories are of another type")),
        }
        io.set(0, shape, columns)
    }
}

/// A table from keys to values.
#[derive(Debug)]
struct Encoder {
    keys: Keys,
    values: Elements,
    default: Elements,
}

#[derive(Debug)]
enum Keys {
    Texts(Texts),
    Integers(HashMap<i64, usize>),
    /// By bit pattern; both zeros are one key, and all NaN.
    Floats(HashMap<u32, usize>),
    Doubles(HashMap<u64, usize>),
}

/// The first version in which NaN is a key like any other; before, it is equal to none.
const NAN_IS_A_KEY_SINCE: i64 = 4;

fn float_key(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

fn double_key(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

impl Keys {
    /// Of equal keys the first counts.
    fn new(elements: &Elements, nan_is_key: bool) -> Option<(Self, usize)> {
        fn first<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = Option<K>>) -> HashMap<K, usize> {
            let mut map = HashMap::new();
            for (index, key) in keys.enumerate() {
                if let Some(key) = key {
                    map.entry(key).or_insert(index);
                }
            }
            map
        }
        let single = |key: &f32| (nan_is_key || !key.is_nan()).then(|| float_key(*key));
        let double = |key: &f64| (nan_is_key || !key.is_nan()).then(|| double_key(*key));
        Some(match elements {
            Elements::Text(texts) => (Self::Texts(Texts::new(texts, false)), texts.len()),
            Elements::I64(values) => (Self::Integers(first(values.iter().copied().map(Some))), values.len()),
            Elements::I32(values) => {
                (Self::Integers(first(values.iter().map(|key| Some(i64::from(*key))))), values.len())
            }
            Elements::F32(values) => (Self::Floats(first(values.iter().map(single))), values.len()),
            Elements::F64(values) => (Self::Doubles(first(values.iter().map(double))), values.len()),
            Elements::Bool(_) => return None,
        })
    }

    /// The position of each element's key.
    fn find(&self, data: &Data<'_>) -> Result<Vec<Option<usize>>, Fault> {
        Ok(match (self, data) {
            (Self::Texts(texts), Data::Text(values)) => {
                values.iter().map(|value| texts.find(value)).collect()
            }
            (Self::Integers(map), Data::I64(values)) => {
                values.iter().map(|value| map.get(value).copied()).collect()
            }
            (Self::Integers(map), Data::I32(values)) => {
                values.iter().map(|value| map.get(&i64::from(*value)).copied()).collect()
            }
            (Self::Floats(map), Data::F32(values)) => {
                values.iter().map(|value| map.get(&float_key(*value)).copied()).collect()
            }
            (Self::Doubles(map), Data::F64(values)) => {
                values.iter().map(|value| map.get(&double_key(*value)).copied()).collect()
            }
            _ => return Err(Fault::Type("the keys are of another type")),
        })
    }
}

/// Makes a `LabelEncoder`: from version 2 with keys and values, in version 1 with a list of texts.
pub(super) fn label_encoder(node: &mut Node) -> Built {
    let nan_is_key = node.opset >= NAN_IS_A_KEY_SINCE;
    let attributes = &mut node.attributes;
    if attributes.has("classes_strings") {
        let texts = attributes.texts("classes_strings")?;
        return mapper(attributes, texts, None);
    }
    let keys = list(attributes, "keys")?;
    let values = list(attributes, "values")?;
    let keys =
        Keys::new(&keys, nan_is_key).ok_or_else(|| attributes.error("keys of this type are not supported"));
    let (keys, count) = keys?;
    if array_len(&values) != count {
        return Err(attributes.error("keys and values differ in length"));
    }
    let default = default(attributes, &values)?;
    Ok(Box::new(Encoder { keys, values, default }))
}

/// `keys_…` or `values_…`, of whatever type they are given in.
fn list(attributes: &mut Attributes, name: &str) -> Result<Elements, LoadError> {
    let typed = |suffix: &str| format!("{name}_{suffix}");
    if attributes.has(&typed("strings")) {
        return Ok(Elements::Text(attributes.texts(&typed("strings"))?));
    }
    if attributes.has(&typed("int64s")) {
        return Ok(Elements::I64(attributes.ints(&typed("int64s"))?));
    }
    if attributes.has(&typed("floats")) {
        return Ok(Elements::F32(attributes.floats(&typed("floats"))?));
    }
    match attributes.tensor(&typed("tensor"))? {
        Some(tensor) => {
            let array = Array::decode(tensor)?;
            array.map(|array| array.elements).ok_or_else(|| attributes.error("its type is not supported"))
        }
        None => Err(attributes.error(format!("`{name}` are missing"))),
    }
}

fn array_len(elements: &Elements) -> usize {
    Array { shape: Vec::new(), elements: elements.clone() }.len()
}

/// What an unknown key becomes; the attributes for other types than the values' are without influence.
fn default(attributes: &mut Attributes, values: &Elements) -> Result<Elements, LoadError> {
    let text = attributes.text("default_string")?.unwrap_or_else(|| "_Unused".into());
    let integer = attributes.int("default_int64")?.unwrap_or(-1);
    let float = attributes.float("default_float")?.unwrap_or(-0.0);
    let tensor = attributes.tensor("default_tensor")?.map(Array::decode).transpose()?.flatten();
    let plain = match values {
        Elements::Text(_) => Elements::Text(vec![text.into_bytes()]),
        Elements::I64(_) => Elements::I64(vec![integer]),
        Elements::F32(_) => Elements::F32(vec![float]),
        Elements::F64(_) => Elements::F64(vec![f64::from(float)]),
        Elements::I32(_) => Elements::I32(vec![i32::try_from(integer).unwrap_or(-1)]),
        Elements::Bool(_) => return Err(attributes.error("values of this type are not supported")),
    };
    match tensor {
        None => Ok(plain),
        Some(array)
            if array.len() == 1
                && std::mem::discriminant(&array.elements) == std::mem::discriminant(&plain) =>
        {
            Ok(array.elements)
        }
        Some(_) => Err(attributes.error("the default is not one value of the values' type")),
    }
}

/// Makes a `CategoryMapper`: texts to integers or integers to texts, whichever way the input goes.
pub(super) fn category_mapper(node: &mut Node) -> Built {
    let texts = node.attributes.texts("cats_strings")?;
    let integers = node.attributes.ints("cats_int64s")?;
    if texts.len() != integers.len() {
        return Err(node.attributes.error("the categories differ in length"));
    }
    mapper(&mut node.attributes, texts, Some(integers))
}

fn mapper(attributes: &mut Attributes, texts: Vec<Vec<u8>>, integers: Option<Vec<i64>>) -> Built {
    let default_text = attributes.text("default_string")?.unwrap_or_else(|| "_Unused".into()).into_bytes();
    let default_integer = attributes.int("default_int64")?.unwrap_or(-1);
    let integers = integers.unwrap_or_else(|| (0_i64..).take(texts.len()).collect());
    let by_text = Texts::new(&texts, true);
    let by_integer = integers.iter().copied().zip(0..).collect();
    Ok(Box::new(Mapper { by_text, by_integer, texts, integers, default_text, default_integer }))
}

/// A table that can be read both ways.
#[derive(Debug)]
struct Mapper {
    by_text: Texts,
    by_integer: HashMap<i64, usize>,
    texts: Vec<Vec<u8>>,
    integers: Vec<i64>,
    default_text: Vec<u8>,
    default_integer: i64,
}

impl Kernel for Mapper {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let data: Data<'a> = match input.data() {
            Data::Text(values) => {
                let map = |text: &Vec<u8>| {
                    self.by_text.find(text).map_or(self.default_integer, |index| self.integers[index])
                };
                values.iter().map(map).collect::<Vec<_>>().into()
            }
            Data::I64(values) => {
                let map = |value: &i64| {
                    self.by_integer.get(value).map_or(&self.default_text, |index| &self.texts[*index])
                };
                values.iter().map(map).cloned().collect::<Vec<_>>().into()
            }
            _ => return Err(Fault::Type("texts or 64-bit integers are needed")),
        };
        io.set(0, shape, data)
    }
}

impl Kernel for Encoder {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let count = io.input(0)?.len();
        io.charge(count)?;
        let input = io.input(0)?;
        let shape = input.shape();
        let found = self.keys.find(input.data())?;
        macro_rules! values {
            ($values:expr, $default:expr) => {{
                let default = $default.first().ok_or(Fault::Shape("there is no default"))?;
                found
                    .iter()
                    .map(|index| index.map_or(default, |index| &$values[index]).clone())
                    .collect::<Vec<_>>()
                    .into()
            }};
        }
        let data: Data<'a> = match (&self.values, &self.default) {
            (Elements::Text(values), Elements::Text(default)) => values!(values, default),
            (Elements::I64(values), Elements::I64(default)) => values!(values, default),
            (Elements::I32(values), Elements::I32(default)) => values!(values, default),
            (Elements::F32(values), Elements::F32(default)) => values!(values, default),
            (Elements::F64(values), Elements::F64(default)) => values!(values, default),
            _ => return Err(Fault::Type("values of this type are not supported")),
        };
        io.set(0, shape, data)
    }
}
