//! Texts of policies as signs of automata, under an assignment of their variables.

use std::collections::BTreeMap;

use super::automaton::Sign;
use crate::iam::pattern::{Pattern, Piece, UNRESOLVED};

/// What variables stand for.
#[derive(Clone, Debug)]
pub(super) enum Assignment {
    /// These values; others have none. What a reader could not resolve counts against an allowance.
    Values(BTreeMap<String, Vec<String>>),
    /// Whatever lets more be allowed.
    Lenient,
}

/// What a pattern becomes under an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An automaton.
    Signs(Vec<Sign>),
    /// It matches everything.
    Everything,
    /// It matches nothing.
    Nothing,
}

/// Which way to err where a variable is not known: `wide` patterns match more.
pub(super) fn substitute(pattern: &Pattern, assignment: &Assignment, wide: bool) -> Option<Vec<Sign>> {
    let mut signs = Vec::with_capacity(pattern.pieces.len());
    for piece in &pattern.pieces {
        match piece {
            Piece::Char(character) => signs.push(Sign::Char(*character)),
            Piece::One => signs.push(Sign::One(None)),
            Piece::Star => signs.push(Sign::Star(None)),
            Piece::Variable(name, default) => match assignment {
                Assignment::Lenient if wide => signs.push(Sign::Star(None)),
                Assignment::Lenient => return None,
                Assignment::Values(values) => match values.get(name).map(Vec::as_slice) {
                    Some([value]) => signs.extend(value.chars().map(Sign::Char)),
                    Some([_, _, ..]) => return None,
                    _ => signs.extend(default.as_ref()?.chars().map(Sign::Char)),
                },
            },
        }
    }
    Some(signs)
}

/// A resource pattern. `wide` says which way to err: an allowance's pattern, or the exception of a denial, is wide.
pub(super) fn resource(pattern: &Pattern, assignment: &Assignment, wide: bool) -> Shape {
    let unresolved = pattern
        .pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Variable(name, _) if name.starts_with(UNRESOLVED)));
    if unresolved && matches!(assignment, Assignment::Values(_)) {
        // The other way round, so that what is found to be possible is so whatever was not resolved.
        return if wide { Shape::Nothing } else { Shape::Everything };
    }
    let Some(signs) = substitute(pattern, assignment, wide) else { return Shape::Nothing };
    if signs == [Sign::Star(None)] {
        return Shape::Everything;
    }
    let guessed = pattern.has_variables() && matches!(assignment, Assignment::Lenient);
    Shape::Signs(if guessed { signs } else { fields(signs) })
}

/// Wildcards of an ARN stay within their field of six; one at the end of a shorter pattern does not.
pub(super) fn fields(signs: Vec<Sign>) -> Vec<Sign> {
    let colons = signs.iter().filter(|sign| **sign == Sign::Char(':')).count();
    let open = colons >= 5 || signs.last() == Some(&Sign::Star(None));
    let last = colons.min(5);
    let mut field = 0;
    let mut confined = Vec::with_capacity(signs.len());
    for sign in signs {
        let but = if field < last || !open { Some(':') } else { None };
        confined.push(match sign {
            Sign::One(_) => Sign::One(but),
            Sign::Star(_) => Sign::Star(but),
            other => other,
        });
        if sign == Sign::Char(':') {
            field += 1;
        }
    }
    confined
}

/// The shape of an ARN, `$` for what varies and is not empty. What varies does not reach over the character behind it.
pub(super) fn arn_shape(shape: &str) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut characters = shape.chars().peekable();
    let mut field = 0;
    // The name of a bucket ends before the key of an object; other names that stand last can have any character.
    let last = if shape.ends_with(":s3:::$") { Some('/') } else { None };
    while let Some(character) = characters.next() {
        match character {
            '$' => {
                let but = characters.peek().copied().or(if field < 5 { Some(':') } else { last });
                signs.extend([Sign::One(but), Sign::Star(but)]);
            }
            '*' => signs.push(Sign::Star(None)),
            character => {
                field += usize::from(character == ':');
                signs.push(Sign::Char(character));
            }
        }
    }
    signs
}
