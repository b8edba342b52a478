//! Finds the leftmost of the longest matches of a compiled expression, in time that grows with the text's length times
//! the expression's, whatever either is: all ways to match are followed at once (Thompson's simulation, as described in
//! Russ Cox, "Regular Expression Matching: the Virtual Machine Approach").

use super::{
    super::super::kernel::Fault,
    pattern::{Instruction, Place},
};

/// Steps that one run of an operator may take over all its texts: about a second.
pub(super) const STEPS_MAX: usize = 300_000_000;

/// Ways that are being followed, each with the place where its match began; in the order of these places.
#[derive(Debug, Default)]
struct Ways {
    list: Vec<(usize, usize)>,
    /// By instruction, the round in which it was last reached.
    reached: Vec<usize>,
    round: usize,
}

impl Ways {
    fn clear(&mut self, code: &[Instruction], round: usize) {
        self.list.clear();
        self.reached.resize(code.len().max(self.reached.len()), 0);
        self.round = round;
    }
}

/// The machine's memory, kept from one search to the next.
#[derive(Debug, Default)]
pub(super) struct Machine {
    now: Ways,
    then: Ways,
    stack: Vec<usize>,
    rounds: usize,
    steps: usize,
}

impl Machine {
    /// Makes a machine with this many steps left.
    pub(super) fn new(steps: usize) -> Self {
        Self { steps, ..Self::default() }
    }

    fn round(&mut self) -> usize {
        self.rounds += 1;
        self.rounds
    }

    /// The first match at or behind `from`, as a range of characters: of all that begin leftmost, the longest.
    pub(super) fn find(
        &mut self,
        code: &[Instruction],
        text: &[char],
        from: usize,
    ) -> Result<Option<(usize, usize)>, Fault> {
        let round = self.round();
        self.now.clear(code, round);
        let mut best: Option<(usize, usize)> = None;
        for at in from..=text.len() {
            if best.is_none() {
                follow(code, text, (at, at), 0, &mut self.now, &mut self.stack, &mut self.steps)?;
            }
            let round = self.round();
            self.then.clear(code, round);
            for index in 0..self.now.list.len() {
                let (place, start) = self.now.list[index];
                // Whatever began further right can no longer win.
                if best.is_some_and(|(first, _)| start > first) {
                    break;
                }
                match &code[place] {
                    // Those of one start are met end after end, so that the last one is the longest.
                    Instruction::Done if best.is_none_or(|(first, _)| start <= first) => {
                        best = Some((start, at));
                    }
                    Instruction::Take(class)
                        if text.get(at).is_some_and(|character| class.has(*character)) =>
                    {
                        let next = (at + 1, start);
                        follow(
                            code,
                            text,
                            next,
                            place + 1,
                            &mut self.then,
                            &mut self.stack,
                            &mut self.steps,
                        )?;
                    }
                    _ => {}
                }
            }
            std::mem::swap(&mut self.now, &mut self.then);
            if best.is_some() && self.now.list.is_empty() {
                break;
            }
        }
        Ok(best)
    }
}

/// Adds a way and all that it forks into without taking a character.
fn follow(
    code: &[Instruction],
    text: &[char],
    (at, start): (usize, usize),
    place: usize,
    ways: &mut Ways,
    stack: &mut Vec<usize>,
    steps: &mut usize,
) -> Result<(), Fault> {
    stack.push(place);
    while let Some(place) = stack.pop() {
        *steps = steps.checked_sub(1).ok_or(Fault::TooLong)?;
        if ways.reached[place] == ways.round {
            continue;
        }
        ways.reached[place] = ways.round;
        match &code[place] {
            Instruction::Jump(next) => stack.push(*next),
            Instruction::Fork(first, second) => stack.extend([*second, *first]),
            Instruction::Check(check) if holds(*check, text, at) => stack.push(place + 1),
            Instruction::Check(_) => {}
            Instruction::Take(_) | Instruction::Done => ways.list.push((place, start)),
        }
    }
    Ok(())
}

fn holds(check: Place, text: &[char], at: usize) -> bool {
    let is_word = |character: Option<&char>| {
        character.is_some_and(|character| character.is_ascii_alphanumeric() || *character == '_')
    };
    let is_edge = || is_word(at.checked_sub(1).and_then(|before| text.get(before))) != is_word(text.get(at));
    match check {
        Place::Start => at == 0,
        Place::End => at == text.len(),
        Place::Edge => is_edge(),
        Place::NoEdge => !is_edge(),
    }
}
