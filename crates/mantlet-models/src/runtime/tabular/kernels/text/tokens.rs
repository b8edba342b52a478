//! `Tokenizer` of `com.microsoft`: cuts texts into words, as many columns as the longest has words.
//!
//! Words are what an expression matches, or what is left between separators, or single characters. The operator's page:
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Tokenizer>.

use crate::onnx::Node;

use super::{
    super::{
        super::{
            kernel::{Fault, Io, Kernel},
            value::{Data, Shape},
        },
        Built,
    },
    TEXT_ELEMENTS, TEXT_WORK,
    machine::{Machine, STEPS_MAX},
    pattern::{Instruction, compile, looks_around},
};

/// Separators; each costs a pass over the text.
const SEPARATORS_MAX: usize = 64;

#[derive(Debug)]
struct Tokenizer {
    cut: Cut,
    /// Whether each text's words are put between marks.
    marks: bool,
    padding: Vec<u8>,
    characters_min: usize,
}

#[derive(Debug)]
enum Cut {
    Characters,
    Words(Vec<Instruction>),
    Between(Vec<Vec<Instruction>>),
}

/// "Start of text" and "end of text" of ASCII.
const MARKS: [&[u8]; 2] = [b"\x02", b"\x03"];

/// Makes a `Tokenizer`.
pub(in super::super) fn tokenizer(node: &mut Node) -> Built {
    let attributes = &mut node.attributes;
    let marks = attributes.flag("mark", false)?;
    let padding = attributes.text("pad_value")?.unwrap_or_default().into_bytes();
    let least = attributes.int("mincharnum")?.and_then(|count| usize::try_from(count).ok());
    let characters_min = least
        .filter(|count| *count > 0)
        .ok_or_else(|| attributes.error("attribute `mincharnum` is not positive"))?;
    let (expression, separators) = (attributes.text("tokenexp")?, attributes.texts("separators")?);
    let refuse = |why| attributes.error(why);
    let cut = match (expression.as_deref(), separators.as_slice()) {
        // Every character, line breaks too, which a dot within an expression does not match.
        (Some("."), []) if characters_min == 1 => Cut::Characters,
        (Some("."), []) => return Err(refuse("no character is as long as `mincharnum`")),
        (Some(expression), []) => Cut::Words(compile(expression).map_err(refuse)?),
        (None, [only]) if only.is_empty() && characters_min == 1 => Cut::Characters,
        (None, list) if !list.is_empty() && list.len() <= SEPARATORS_MAX => {
            let mut codes = Vec::with_capacity(list.len());
            for separator in list {
                let separator =
                    std::str::from_utf8(separator).map_err(|_| refuse("a separator is not valid text"))?;
                let code = compile(separator).map_err(refuse)?;
                // What lies around a piece of a text is not the same to everybody.
                let is_empty = Machine::new(STEPS_MAX).find(&code, &[], 0) != Ok(None);
                if looks_around(&code) || is_empty {
                    return Err(refuse("a separator matches where nothing is, or looks around"));
                }
                codes.push(code);
            }
            Cut::Between(codes)
        }
        _ => return Err(refuse("either an expression or separators are needed")),
    };
    Ok(Box::new(Tokenizer { cut, marks, padding, characters_min }))
}

impl Kernel for Tokenizer {
    fn run<'a>(&'a self, io: &mut Io<'_, 'a>) -> Result<(), Fault> {
        let input = io.input(0)?;
        let Data::Text(texts) = input.data() else { return Err(Fault::Type("texts are needed")) };
        let mut extents = input.shape().extents().to_vec();
        if !matches!(extents.len(), 1 | 2) || texts.is_empty() {
            return Err(Fault::Shape("a list or a matrix of texts is needed"));
        }
        let mut machine = Machine::new(STEPS_MAX);
        let mut rows = Vec::with_capacity(texts.len());
        for bytes in texts.iter() {
            let text = std::str::from_utf8(bytes).map_err(|_| Fault::Unknown("a text is not UTF-8"))?;
            let text: Vec<char> = text.chars().collect();
            let words = self.words(&text, &mut machine)?;
            rows.push((text, words));
        }
        let longest = rows.iter().map(|(_, words)| words.len()).max().unwrap_or(0);
        let width = if self.marks && longest > 0 { longest + 2 } else { longest };
        let count = width.checked_mul(rows.len()).ok_or(Fault::TooLarge)?;
        let each = TEXT_ELEMENTS + self.padding.len() / 4;
        let characters = rows.iter().fold(0, |sum: usize, (text, _)| sum.saturating_add(text.len()));
        io.charge(count.saturating_mul(each).saturating_add(characters))?;
        let mut cells: Vec<Vec<u8>> = Vec::with_capacity(count);
        for (text, words) in &rows {
            let end = cells.len() + width;
            let marks = if self.marks && width > 0 {
                MARKS.map(|mark| vec![mark.to_vec()])
            } else {
                [vec![], vec![]]
            };
            let [open, close] = marks;
            cells.extend(open);
            cells.extend(
                words.iter().map(|(start, end)| text[*start..*end].iter().collect::<String>().into_bytes()),
            );
            cells.extend(close);
            cells.resize(end, self.padding.clone());
        }
        extents.push(width);
        let shape = Shape::new(&extents)?;
        io.set(0, shape, cells)
    }

    fn work(&self) -> u64 {
        TEXT_WORK
    }
}

/// A piece of a text, as a range of characters.
type Piece = (usize, usize);

impl Tokenizer {
    fn words(&self, text: &[char], machine: &mut Machine) -> Result<Vec<Piece>, Fault> {
        match &self.cut {
            Cut::Characters => Ok((0..text.len()).map(|index| (index, index + 1)).collect()),
            Cut::Words(code) => self.matched(code, text, machine),
            Cut::Between(codes) => {
                let mut pieces = vec![(0, text.len())];
                for code in codes {
                    let mut smaller = Vec::with_capacity(pieces.len());
                    for (start, end) in pieces {
                        between(code, text, (start, end), machine, &mut smaller)?;
                    }
                    pieces = smaller;
                }
                pieces.retain(|(start, end)| end - start >= self.characters_min);
                Ok(pieces)
            }
        }
    }

    /// One match after another; behind one that is too short, the search goes on one character further.
    fn matched(
        &self,
        code: &[Instruction],
        text: &[char],
        machine: &mut Machine,
    ) -> Result<Vec<Piece>, Fault> {
        let mut words = Vec::new();
        let mut from = 0;
        while let Some((start, end)) = machine.find(code, text, from)? {
            from = if end - start >= self.characters_min {
                words.push((start, end));
                end
            } else {
                start + 1
            };
        }
        Ok(words)
    }
}

/// What is left of a piece between the matches of a separator.
fn between(
    code: &[Instruction],
    text: &[char],
    (start, end): Piece,
    machine: &mut Machine,
    pieces: &mut Vec<Piece>,
) -> Result<(), Fault> {
    let piece = &text[start..end];
    let mut from = 0;
    while let Some((first, last)) = machine.find(code, piece, from)? {
        pieces.push((start + from, start + first));
        from = last;
    }
    pieces.push((start + from, end));
    Ok(())
}
