//! Regular expressions as tokenizers are given them, read strictly: what is not certain to mean here what it means to
//! RE2, which other engines use, is refused. Bounded in length, nesting and size.
//!
//! Supported are characters, classes with ranges, `\d \w \s` and their opposites (of ASCII, as in RE2), `.`, groups,
//! alternatives, repetitions, the text's ends and word boundaries.

use super::class::Class;

/// Bytes of an expression.
const PATTERN_BYTES_MAX: usize = 1_024;

/// Nesting of groups.
const DEPTH_MAX: usize = 32;

/// Instructions of a compiled expression; counted repetitions multiply them.
const INSTRUCTIONS_MAX: usize = 2_000;

/// Parts that compiling may visit. An instruction lies within three parts for each level of nesting, so that what fits
/// by its instructions fits; what takes no character emits none however often it is repeated, and counts only here.
const VISITS_MAX: usize = INSTRUCTIONS_MAX * (3 * (DEPTH_MAX + 1) + 1);

/// The greatest count of a repetition, as in RE2.
const COUNT_MAX: u32 = 1_000;

/// Why an expression is refused.
pub(super) type Refusal = &'static str;

/// One step of a compiled expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instruction {
    /// Takes one character of the class.
    Take(Class),
    /// Goes on at both places.
    Fork(usize, usize),
    /// Goes on at another place.
    Jump(usize),
    /// Goes on where this holds.
    Check(Place),
    /// The end of a match.
    Done,
}

/// A place between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The text's start.
    Start,
    /// The text's end.
    End,
    /// Between a word's character and another, or the other way round.
    Edge,
    /// Anywhere else.
    NoEdge,
}

const DIGITS: &[(char, char)] = &[('0', '9')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')];

/// A parsed expression.
#[derive(Clone, Debug)]
enum Part {
    Take(Class),
    Check(Place),
    Sequence(Vec<Part>),
    Choice(Vec<Part>),
    Repeat { part: Box<Part>, least: u32, most: Option<u32> },
}

/// Compiles an expression.
///
/// # Errors
/// It is malformed, too large, or uses what is not supported.
pub(super) fn compile(pattern: &str) -> Result<Vec<Instruction>, Refusal> {
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Err("an expression is empty or too long");
    }
    let mut parser = Parser { rest: pattern.chars().collect(), at: 0 };
    let part = parser.choice(0)?;
    if parser.at < parser.rest.len() {
        return Err("a parenthesis is closed that was not opened");
    }
    let mut program = Program { code: Vec::new(), visits: 0 };
    program.emit(&part)?;
    program.push(Instruction::Done)?;
    Ok(program.code)
}

/// Whether an expression looks at more than the characters that it takes.
pub(super) fn looks_around(code: &[Instruction]) -> bool {
    code.iter().any(|instruction| matches!(instruction, Instruction::Check(_)))
}

struct Parser {
    rest: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn eat(&mut self, character: char) -> bool {
        let is_next = self.peek() == Some(character);
        self.at += usize::from(is_next);
        is_next
    }

    fn choice(&mut self, depth: usize) -> Result<Part, Refusal> {
        if depth > DEPTH_MAX {
            return Err("an expression is nested too deeply");
        }
        let mut branches = vec![self.sequence(depth)?];
        while self.eat('|') {
            branches.push(self.sequence(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Part::Choice(branches) })
    }

    fn sequence(&mut self, depth: usize) -> Result<Part, Refusal> {
        let mut parts = Vec::new();
        while self.peek().is_some_and(|next| next != '|' && next != ')') {
            let part = self.atom(depth)?;
            parts.push(self.repeated(part)?);
        }
        Ok(Part::Sequence(parts))
    }

    fn atom(&mut self, depth: usize) -> Result<Part, Refusal> {
        Ok(match self.next().ok_or("an expression ends too early")? {
            '(' => {
                if self.eat('?') && !self.eat(':') {
                    return Err("an expression has a group of a kind that cannot be used here");
                }
                let part = self.choice(depth + 1)?;
                if !self.eat(')') {
                    return Err("a parenthesis is not closed");
                }
                part
            }
            '[' => Part::Take(self.class()?),
            '.' => Part::Take(Class::all_but('\n')),
            '^' => Part::Check(Place::Start),
            '$' => Part::Check(Place::End),
            '*' | '+' | '?' | '{' => return Err("a repetition has nothing to repeat"),
            '\\' => match self.peek() {
                Some('b') => self.place(Place::Edge),
                Some('B') => self.place(Place::NoEdge),
                Some('A') => self.place(Place::Start),
                Some('z') => self.place(Place::End),
                _ => Part::Take(self.escape()?),
            },
            character => Part::Take(Class::one(character)),
        })
    }

    fn place(&mut self, place: Place) -> Part {
        self.at += 1;
        Part::Check(place)
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Class, Refusal> {
        let class = |ranges: &[(char, char)], is_negated| Class::new(ranges.to_vec(), is_negated);
        let one = Class::one;
        Ok(match self.next().ok_or("an expression ends too early")? {
            'd' => class(DIGITS, false),
            'D' => class(DIGITS, true),
            'w' => class(WORD, false),
            'W' => class(WORD, true),
            's' => class(SPACE, false),
            'S' => class(SPACE, true),
            't' => one('\t'),
            'n' => one('\n'),
            'r' => one('\r'),
            'f' => one('\u{c}'),
            'v' => one('\u{b}'),
            character if character.is_ascii_punctuation() => one(character),
            _ => return Err("an expression escapes what cannot be used here"),
        })
    }

    /// A class after its opening bracket.
    fn class(&mut self) -> Result<Class, Refusal> {
        let is_negated = self.eat('^');
        let mut ranges = Vec::new();
        let mut is_first = true;
        loop {
            let first = match self.next().ok_or("a class is not closed")? {
                ']' if !is_first => break,
                '[' if self.peek() == Some(':') => {
                    return Err("an expression has a named class, which cannot be used here");
                }
                '\\' => {
                    let class = self.escape()?;
                    match class.only() {
                        Some(only) => only,
                        None if class.is_negated() => return Err("a class has a negated one inside"),
                        None => {
                            ranges.extend_from_slice(class.ranges());
                            is_first = false;
                            continue;
                        }
                    }
                }
                character => character,
            };
            is_first = false;
            let is_range =
                self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|end| *end != ']');
            let last = match is_range {
                false => first,
                true => {
                    self.at += 1;
                    match self.next().ok_or("a class is not closed")? {
                        '\\' => self.escape()?.only().ok_or("a class has a range that ends in a class")?,
                        '[' => return Err("a class has a range that ends in a class"),
                        last => last,
                    }
                }
            };
            if last < first {
                return Err("a class has a range that runs backwards");
            }
            ranges.push((first, last));
        }
        Ok(Class::new(ranges, is_negated))
    }

    /// Repetitions behind a part. That one is lazy has no influence, since the longest match counts.
    fn repeated(&mut self, part: Part) -> Result<Part, Refusal> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.at += 1;
                let bounds = self.bounds()?;
                self.eat('?');
                return self.bounded(part, bounds);
            }
            _ => return Ok(part),
        };
        self.at += 1;
        self.eat('?');
        self.bounded(part, (least, most))
    }

    fn bounded(&self, part: Part, (least, most): (u32, Option<u32>)) -> Result<Part, Refusal> {
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return Err("a repetition is repeated");
        }
        Ok(Part::Repeat { part: Box::new(part), least, most })
    }

    /// `n}`, `n,}` or `n,m}`.
    fn bounds(&mut self) -> Result<(u32, Option<u32>), Refusal> {
        const MALFORMED: Refusal = "a repetition's count is malformed";
        let least = self.count().ok_or(MALFORMED)?;
        let most = match self.eat(',') {
            false => Some(least),
            true if self.peek() == Some('}') => None,
            true => Some(self.count().ok_or(MALFORMED)?),
        };
        if !self.eat('}') || most.is_some_and(|most| most < least) {
            return Err(MALFORMED);
        }
        Ok((least, most))
    }

    fn count(&mut self) -> Option<u32> {
        let start = self.at;
        while self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.rest[start..self.at].iter().collect();
        digits.parse().ok().filter(|count| *count <= COUNT_MAX)
    }
}

/// An expression while it is compiled.
struct Program {
    code: Vec<Instruction>,
    visits: usize,
}

impl Program {
    fn push(&mut self, instruction: Instruction) -> Result<(), Refusal> {
        if self.code.len() >= INSTRUCTIONS_MAX {
            return Err("an expression is too large");
        }
        self.code.push(instruction);
        Ok(())
    }

    fn emit(&mut self, part: &Part) -> Result<(), Refusal> {
        self.visits += 1;
        if self.visits > VISITS_MAX {
            return Err("an expression repeats too often what takes nothing");
        }
        match part {
            Part::Take(class) => self.push(Instruction::Take(class.clone())),
            Part::Check(place) => self.push(Instruction::Check(*place)),
            Part::Sequence(parts) => parts.iter().try_for_each(|part| self.emit(part)),
            Part::Choice(branches) => self.choice(branches),
            Part::Repeat { part, least, most } => {
                (0..*least).try_for_each(|_| self.emit(part))?;
                match most {
                    None => self.endless(part),
                    Some(most) => self.at_most(part, most - least),
                }
            }
        }
    }

    fn choice(&mut self, branches: &[Part]) -> Result<(), Refusal> {
        let mut ends = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let fork = self.code.len();
            let is_last = index + 1 == branches.len();
            if !is_last {
                self.push(Instruction::Fork(fork + 1, 0))?;
            }
            self.emit(branch)?;
            if !is_last {
                ends.push(self.code.len());
                self.push(Instruction::Jump(0))?;
                self.code[fork] = Instruction::Fork(fork + 1, self.code.len());
            }
        }
        let end = self.code.len();
        ends.into_iter().for_each(|jump| self.code[jump] = Instruction::Jump(end));
        Ok(())
    }

    fn endless(&mut self, part: &Part) -> Result<(), Refusal> {
        let fork = self.code.len();
        self.push(Instruction::Fork(fork + 1, 0))?;
        self.emit(part)?;
        self.push(Instruction::Jump(fork))?;
        self.code[fork] = Instruction::Fork(fork + 1, self.code.len());
        Ok(())
    }

    fn at_most(&mut self, part: &Part, count: u32) -> Result<(), Refusal> {
        let mut forks = Vec::new();
        for _ in 0..count {
            forks.push(self.code.len());
            self.push(Instruction::Fork(0, 0))?;
            self.emit(part)?;
        }
        let end = self.code.len();
        forks.into_iter().for_each(|fork| self.code[fork] = Instruction::Fork(fork + 1, end));
        Ok(())
    }
}
