//! `TfIdfVectorizer`: counts known sequences of words (n-grams), and weighs the counts.
//!
//! Counts are onnxruntime's: single words once; sequences once for each distance between their words, which may skip
//! up to so many others. <https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html>.

use std::collections::HashMap;

use crate::onnx::{Attributes, LoadError, Node, limits::STRINGS_MAX};

use super::{
    super::{
        super::{
            kernel::{Fault, Io, Kernel},
            value::{Data, Shape, Value},
        },
        Built,
        encode::Texts,
    },
    TEXT_WORK,
    machine::STEPS_MAX,
};

/// Columns of the result; a large vocabulary has some hundred thousand.
const WIDTH_MAX: usize = 1 << 20;

/// Words of a sequence, and words that it may skip.
const LENGTH_MAX: i64 = 64;

#[derive(Debug)]
struct Vectorizer {
    words: Words,
    /// From a sequence and its next word: the longer sequence, and the column that counts it.
    next: HashMap<(usize, usize), (usize, Option<usize>)>,
    weights: Option<Vec<f32>>,
    width: usize,
    length: (usize, usize),
    skipped_max: usize,
    mode: Mode,
}

#[derive(Debug)]
enum Words {
    Texts(Texts),
    Numbers(HashMap<i64, usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Count,
    Weight,
    Both,
}

/// Makes a `TfIdfVectorizer`.
pub(in super::super) fn vectorizer(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let mode = match attributes.text("mode")?.as_deref() {
        Some("TF") => Mode::Count,
        Some("IDF") => Mode::Weight,
        Some("TFIDF") => Mode::Both,
        _ => return Err(attributes.error("attribute `mode` is missing or unknown")),
    };
    let length = (bounded(attributes, "min_gram_length", 1)?, bounded(attributes, "max_gram_length", 1)?);
    if length.0 > length.1 {
        return Err(attributes.error("`min_gram_length` is greater than `max_gram_length`"));
    }
    let skipped_max = bounded(attributes, "max_skip_count", 0)?;
    let (numbers, pool) = pool(attributes)?;
    let starts = attributes.ints("ngram_counts")?;
    let columns: Vec<usize> = columns(attributes)?;
    let weights = attributes.floats("weights")?;
    let refuse = |why: &str| Err(attributes.error(why));
    if !weights.is_empty() && weights.len() != columns.len() {
        return refuse("there is not one weight for each sequence");
    }
    let width = columns.iter().max().map_or(0, |most| most + 1);
    let Some(sequences) = sequences(&starts, pool.len()).filter(|sequences| sequences.len() == columns.len())
    else {
        return refuse("sequences, columns and words do not add up");
    };
    let mut next: HashMap<(usize, usize), (usize, Option<usize>)> = HashMap::new();
    let mut by_column = vec![1.0; width];
    for (index, (sequence, column)) in sequences.into_iter().zip(&columns).enumerate() {
        by_column[*column] = weights.get(index).copied().unwrap_or(1.0);
        if !(length.0..=length.1).contains(&sequence.len()) {
            continue;
        }
        let (mut place, last) = (0, sequence.end - 1);
        for word in sequence {
            let longer = next.len() + 1;
            let found = next.entry((place, pool[word])).or_insert((longer, None));
            if word == last && found.1.replace(*column).is_some() {
                return refuse("a sequence is given twice");
            }
            place = found.0;
        }
    }
    let weights = (!weights.is_empty()).then_some(by_column);
    Ok(Box::new(Vectorizer { words: numbers, next, weights, width, length, skipped_max, mode }))
}

fn bounded(attributes: &mut Attributes, name: &str, least: i64) -> Result<usize, LoadError> {
    let value = attributes.int(name)?.filter(|value| (least..=LENGTH_MAX).contains(value));
    let value = value.and_then(|value| usize::try_from(value).ok());
    value.ok_or_else(|| attributes.error(format!("attribute `{name}` is missing or out of bounds")))
}

/// The words by number, and the pool as numbers.
fn pool(attributes: &mut Attributes) -> Result<(Words, Vec<usize>), LoadError> {
    let (texts, numbers) = (attributes.texts("pool_strings")?, attributes.ints("pool_int64s")?);
    match (texts.len(), numbers.len()) {
        (1..=STRINGS_MAX, 0) => {
            let words = Texts::new(&texts, false);
            let pool = texts.iter().map(|text| words.find(text)).collect::<Option<_>>();
            Ok((Words::Texts(words), pool.unwrap_or_default()))
        }
        (0, 1..) => {
            let mut words = HashMap::new();
            let pool = numbers.iter().map(|number| {
                let next = words.len();
                *words.entry(*number).or_insert(next)
            });
            let pool = pool.collect();
            Ok((Words::Numbers(words), pool))
        }
        _ => Err(attributes.error("either texts or numbers are needed")),
    }
}

fn columns(attributes: &mut Attributes) -> Result<Vec<usize>, LoadError> {
    let list = attributes.ints("ngram_indexes")?;
    let columns: Option<Vec<usize>> = list
        .iter()
        .map(|column| usize::try_from(*column).ok().filter(|column| *column < WIDTH_MAX))
        .collect();
    let columns = columns.ok_or_else(|| attributes.error("a column is out of bounds"))?;
    let mut sorted = columns.clone();
    sorted.sort_unstable();
    match sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(attributes.error("a column is given twice")),
        false => Ok(columns),
    }
}

/// The pool's sequences: those of one word, then those of two, each kind from where `starts` says.
fn sequences(starts: &[i64], pool: usize) -> Option<Vec<std::ops::Range<usize>>> {
    let mut bounds: Vec<usize> =
        starts.iter().map(|start| usize::try_from(*start).ok()).collect::<Option<_>>()?;
    let is_first = bounds.first() == Some(&0) && bounds.len() <= usize::try_from(LENGTH_MAX).ok()?;
    bounds.push(pool);
    let mut sequences = Vec::new();
    for (index, pair) in bounds.windows(2).enumerate() {
        let length = index + 1;
        let words = pair[1].checked_sub(pair[0]).filter(|words| words.is_multiple_of(length))?;
        sequences.extend(
            (0..words / length).map(|place| pair[0] + place * length).map(|start| start..start + length),
        );
    }
    is_first.then_some(sequences)
}

impl Kernel for Vectorizer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let input = io.input(0)?;
        let (rows, row) = match *input.shape().extents() {
            [words] => (None, words),
            [rows, words] => (Some(rows), words),
            _ => return Err(Fault::Shape("a list or a matrix of words is needed")),
        };
        let words = self.numbered(input)?;
        let count = self.width.checked_mul(rows.unwrap_or(1)).ok_or(Fault::TooLarge)?;
        io.charge(count.saturating_add(words.len().saturating_mul(2)))?;
        let (mut counts, mut steps) = (vec![0.0_f32; count], STEPS_MAX);
        if row > 0 {
            for (words, counts) in words.chunks_exact(row).zip(counts.chunks_exact_mut(self.width.max(1))) {
                self.count(words, counts, &mut steps)?;
            }
        }
        for counts in counts.chunks_exact_mut(self.width.max(1)) {
            self.weigh(counts);
        }
        let shape =
            rows.map_or_else(|| Ok(Shape::vector(self.width)), |rows| Shape::new(&[rows, self.width]))?;
        io.set(0, shape, counts)
    }

    fn work(&self) -> u64 {
        TEXT_WORK
    }
}

impl Vectorizer {
    /// The words by number; `None` for unknown ones.
    fn numbered(&self, input: &Value<'_>) -> Result<Vec<Option<usize>>, Fault> {
        match (&self.words, input.data()) {
            (Words::Texts(words), Data::Text(texts)) => {
                Ok(texts.iter().map(|text| words.find(text)).collect())
            }
            (Words::Numbers(words), Data::I64(_) | Data::I32(_)) => {
                Ok(input.integers()?.iter().map(|number| words.get(number).copied()).collect())
            }
            _ => Err(Fault::Type("words of another kind are needed")),
        }
    }

    fn count(&self, words: &[Option<usize>], counts: &mut [f32], steps: &mut usize) -> Result<(), Fault> {
        let (mut least, most) = self.length;
        for distance in 1..=self.skipped_max + 1 {
            for start in 0..words.len() {
                let mut place = 0;
                let sequence = words[start..].iter().step_by(distance).take(most);
                for (index, word) in sequence.enumerate() {
                    *steps = steps.checked_sub(1).ok_or(Fault::TooLong)?;
                    let found = word.and_then(|word| self.next.get(&(place, word)));
                    let Some((longer, column)) = found else { break };
                    if let Some(column) = column.filter(|_| index + 1 >= least) {
                        counts[column] += 1.0;
                    }
                    place = *longer;
                }
            }
            // A single word has no distance.
            if least == 1 {
                least = 2;
                if least > most {
                    break;
                }
            }
        }
        Ok(())
    }

    fn weigh(&self, counts: &mut [f32]) {
        let weight = |column: usize| self.weights.as_ref().map_or(1.0, |weights| weights[column]);
        for (column, count) in counts.iter_mut().enumerate() {
            match self.mode {
                Mode::Count => {}
                Mode::Weight if *count > 0.0 => *count = weight(column),
                Mode::Weight => {}
                Mode::Both => *count *= weight(column),
            }
        }
    }
}
