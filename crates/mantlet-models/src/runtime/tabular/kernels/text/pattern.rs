//! Regular expressions as tokenizers are given them, read strictly: what is not certain to mean here what it means to
//! RE2, which other engines use, is refused. Bounded in length, nesting and size.
//!
//! Supported are characters, classes with ranges, `\d \w \s` and their opposites (of ASCII, as in RE2), `.`, groups,
//! alternatives, repetitions, the text's ends and word boundaries.

/// Bytes of an expression.
const PATTERN_BYTES_MAX: usize = 1_024;

/// Nesting of groups.
const DEPTH_MAX: usize = 32;

/// Instructions of a compiled expression; counted repetitions multiply them.
const INSTRUCTIONS_MAX: usize = 2_000;

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

/// A set of characters, as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    ranges: Vec<(char, char)>,
    is_negated: bool,
}

impl Class {
    /// Whether a character belongs to it.
    pub(super) fn has(&self, character: char) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&character)) != self.is_negated
    }
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
    let mut code = Vec::new();
    emit(&part, &mut code)?;
    push(&mut code, Instruction::Done)?;
    Ok(code)
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
        let negated = |ranges: &[(char, char)]| Class { ranges: ranges.to_vec(), is_negated: true };
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
            '.' => Part::Take(negated(&[('\n', '\n')])),
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
            character => Part::Take(Class { ranges: vec![(character, character)], is_negated: false }),
        })
    }

    fn place(&mut self, place: Place) -> Part {
        self.at += 1;
        Part::Check(place)
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Class, Refusal> {
        let class = |ranges: &[(char, char)], is_negated| Class { ranges: ranges.to_vec(), is_negated };
        let one = |character| Class { ranges: vec![(character, character)], is_negated: false };
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
                    match class.ranges[..] {
                        [(first, last)] if first == last && !class.is_negated => first,
                        _ if class.is_negated => return Err("a class has a negated one inside"),
                        _ => {
                            ranges.extend(class.ranges);
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
                        '\\' => match self.escape()? {
                            Class { ranges, is_negated: false }
                                if ranges.len() == 1 && ranges[0].0 == ranges[0].1 =>
                            {
                                ranges[0].0
                            }
                            _ => return Err("a class has a range that ends in a class"),
                        },
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
        Ok(Class { ranges, is_negated })
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

fn push(code: &mut Vec<Instruction>, instruction: Instruction) -> Result<(), Refusal> {
    if code.len() >= INSTRUCTIONS_MAX {
        return Err("an expression is too large");
    }
    code.push(instruction);
    Ok(())
}

fn emit(part: &Part, code: &mut Vec<Instruction>) -> Result<(), Refusal> {
    match part {
        Part::Take(class) => push(code, Instruction::Take(class.clone())),
        Part::Check(place) => push(code, Instruction::Check(*place)),
        Part::Sequence(parts) => parts.iter().try_for_each(|part| emit(part, code)),
        Part::Choice(branches) => {
            let mut ends = Vec::new();
            for (index, branch) in branches.iter().enumerate() {
                let fork = code.len();
                let is_last = index + 1 == branches.len();
                if !is_last {
                    push(code, Instruction::Fork(fork + 1, 0))?;
                }
                emit(branch, code)?;
                if !is_last {
                    ends.push(code.len());
                    push(code, Instruction::Jump(0))?;
                    code[fork] = Instruction::Fork(fork + 1, code.len());
                }
            }
            let end = code.len();
            ends.into_iter().for_each(|jump| code[jump] = Instruction::Jump(end));
            Ok(())
        }
        Part::Repeat { part, least, most } => {
            (0..*least).try_for_each(|_| emit(part, code))?;
            match most {
                None => {
                    let fork = code.len();
                    push(code, Instruction::Fork(fork + 1, 0))?;
                    emit(part, code)?;
                    push(code, Instruction::Jump(fork))?;
                    code[fork] = Instruction::Fork(fork + 1, code.len());
                    Ok(())
                }
                Some(most) => {
                    let mut forks = Vec::new();
                    for _ in *least..*most {
                        forks.push(code.len());
                        push(code, Instruction::Fork(0, 0))?;
                        emit(part, code)?;
                    }
                    let end = code.len();
                    forks.into_iter().for_each(|fork| code[fork] = Instruction::Fork(fork + 1, end));
                    Ok(())
                }
            }
        }
    }
}
