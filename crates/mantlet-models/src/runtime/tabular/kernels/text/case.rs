//! `StringNormalizer`: leaves words out and changes the case of the others.

use std::collections::HashSet;

use crate::onnx::{LoadError, Node};

use super::{
    super::{
        super::{
            kernel::{Fault, Io, Kernel},
            value::{Data, Shape},
        },
        Built,
    },
    TEXT_ELEMENTS, TEXT_WORK,
};

#[derive(Debug)]
struct Normalizer {
    change: Option<Case>,
    /// Words to leave out, in the case that they are compared in.
    left_out: HashSet<String>,
    /// The case that words are compared in; `None` compares them as they are.
    compared: Option<Case>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
}

/// Makes a `StringNormalizer`.
pub(in super::super) fn normalizer(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let change = match attributes.text("case_change_action")?.as_deref() {
        None | Some("NONE") => None,
        Some("LOWER") => Some(Case::Lower),
        Some("UPPER") => Some(Case::Upper),
        Some(_) => return Err(attributes.error("attribute `case_change_action` is unknown")),
    };
    match attributes.text("locale")?.as_deref() {
        // What letters become is the same in all of these; in Turkish, say, it is not.
        None | Some("en_US" | "en_US.UTF-8" | "en_US.utf8" | "C.UTF-8" | "C.utf8") => {}
        Some(_) => return Err(attributes.error("attribute `locale` is none that can be used here")),
    }
    let is_sensitive = attributes.flag("is_case_sensitive", false)?;
    let compared = if is_sensitive { None } else { Some(change.unwrap_or(Case::Lower)) };
    let words = attributes.texts("stopwords")?;
    let as_compared = |word: Vec<u8>| {
        let word = String::from_utf8(word).map_err(|_| attributes.error("a word is not valid text"))?;
        Ok::<_, LoadError>(compared.map_or_else(|| word.clone(), |case| case.of(&word)))
    };
    let left_out = words.into_iter().map(as_compared).collect::<Result<_, _>>()?;
    Ok(Box::new(Normalizer { change, left_out, compared }))
}

impl Case {
    /// A text in this case, letter by letter as the C library does: where a letter becomes several, it stays.
    fn of(self, text: &str) -> String {
        text.chars().map(|letter| self.letter(letter)).collect()
    }

    fn letter(self, letter: char) -> char {
        let only = |letters: &mut dyn Iterator<Item = char>| {
            let first = letters.next()?;
            letters.next().is_none().then_some(first)
        };
        match self {
            // The one letter that two come of in lower case, an i and a dot; the C library drops the dot.
            Self::Lower if letter == 'İ' => 'i',
            Self::Lower => only(&mut letter.to_lowercase()).unwrap_or(letter),
            Self::Upper => only(&mut letter.to_uppercase()).unwrap_or(letter),
        }
    }
}

impl Kernel for Normalizer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let input = io.input(0)?;
        let Data::Text(texts) = input.data() else { return Err(Fault::Type("texts are needed")) };
        let rank = match input.shape().extents() {
            [count] if *count > 0 => 1,
            [1, count] if *count > 0 => 2,
            _ => return Err(Fault::Shape("a list of texts is needed")),
        };
        let mut kept = Vec::with_capacity(texts.len());
        for bytes in texts.iter() {
            let text = std::str::from_utf8(bytes).map_err(|_| Fault::Unknown("a text is not UTF-8"))?;
            let is_left_out = !self.left_out.is_empty()
                && match self.compared {
                    Some(case) => self.left_out.contains(&case.of(text)),
                    None => self.left_out.contains(text),
                };
            if !is_left_out {
                kept.push(self.change.map_or_else(|| bytes.clone(), |case| case.of(text).into_bytes()));
            }
        }
        if kept.is_empty() {
            kept.push(Vec::new());
        }
        let elements =
            kept.iter().fold(0, |sum: usize, text| sum.saturating_add(TEXT_ELEMENTS + text.len() / 4));
        io.charge(elements)?;
        let shape = if rank == 1 { Shape::vector(kept.len()) } else { Shape::new(&[1, kept.len()])? };
        io.set(0, shape, kept)
    }

    fn work(&self) -> u64 {
        TEXT_WORK
    }
}
