//! Whether one text of a policy matches one value of a request: plain recursion-free matching of characters.

use std::net::IpAddr;

use crate::iam::{
    condition::{Condition, Quantifier, Test},
    pattern::{Pattern, Piece, UNRESOLVED},
    policy::Effect,
    request::Request,
    values,
};

/// One character of a pattern without variables.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Char(char),
    One,
    Star,
}

/// Actions are compared without regard to case.
pub(super) fn action(pattern: &Pattern, action: &str) -> bool {
    let Some(signs) = signs(pattern, None) else { return false };
    let lower = |sign| match sign {
        Sign::Char(character) => Sign::Char(character.to_ascii_lowercase()),
        other => other,
    };
    glob(&signs.into_iter().map(lower).collect::<Vec<_>>(), &action.to_ascii_lowercase())
}

/// Resources are compared field by field. Where the value of a variable is not known, the answer is `unknown`.
pub(super) fn resource(pattern: &Pattern, request: &Request, unknown: bool) -> bool {
    match signs(pattern, Some(request)) {
        Some(signs) => arn(&signs, &request.resource),
        None => unknown && pattern.pieces.iter().any(is_unresolved),
    }
}

fn is_unresolved(piece: &Piece) -> bool {
    matches!(piece, Piece::Variable(name, _) if name.starts_with(UNRESOLVED))
}

/// A pattern with the values of its variables; `None` where one has no value, and then nothing matches.
fn signs(pattern: &Pattern, request: Option<&Request>) -> Option<Vec<Sign>> {
    let mut signs = Vec::with_capacity(pattern.pieces.len());
    for piece in &pattern.pieces {
        match piece {
            Piece::Char(character) => signs.push(Sign::Char(*character)),
            Piece::One => signs.push(Sign::One),
            Piece::Star => signs.push(Sign::Star),
            Piece::Variable(key, default) => {
                let value = match request.and_then(|request| request.context.get(key)).map(Vec::as_slice) {
                    Some([value]) => value,
                    Some([_, ..]) => return None,
                    _ => default.as_ref()?,
                };
                signs.extend(value.chars().map(Sign::Char));
            }
        }
    }
    Some(signs)
}

/// Matches with one place to come back to, the last `*`: at most length of pattern × length of text steps.
fn glob(pattern: &[Sign], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at) {
        match pattern.get(of) {
            Some(Sign::Star) => {
                star = Some((of, at));
                of += 1;
            }
            Some(sign) if *sign == Sign::One || *sign == Sign::Char(*character) => {
                at += 1;
                of += 1;
            }
            _ => match star {
                Some((behind, from)) => {
                    star = Some((behind, from + 1));
                    at = from + 1;
                    of = behind + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(of).all(|sign| *sign == Sign::Star)
}

/// ARNs match field by field: a wildcard does not reach over a colon, but one at the end of a shorter pattern does.
fn arn(pattern: &[Sign], text: &str) -> bool {
    if pattern == [Sign::Star] {
        return true;
    }
    let fields: Vec<&[Sign]> = pattern.splitn(6, |sign| *sign == Sign::Char(':')).collect();
    let parts: Vec<&str> = text.splitn(fields.len(), ':').collect();
    let short = fields.len() < 6 && fields.last().is_some_and(|field| field.last() != Some(&Sign::Star));
    if parts.len() != fields.len() || (short && parts.last().is_some_and(|part| part.contains(':'))) {
        return false;
    }
    fields.into_iter().zip(parts).all(|(field, part)| glob(field, part))
}

/// Whether a condition holds.
pub(super) fn condition(condition: &Condition, request: &Request, effect: Effect) -> bool {
    let operator = condition.operator;
    let values = request.context.get(&condition.key).map_or(&[][..], Vec::as_slice);
    if operator.test == Test::Null {
        let absent = values.is_empty();
        return condition.values.iter().any(|wanted| wanted.text.eq_ignore_ascii_case(&absent.to_string()));
    }
    if condition.values.iter().flat_map(|value| &value.pieces).any(is_unresolved) {
        return effect == Effect::Deny;
    }
    if values.is_empty() {
        return operator.if_exists
            || match operator.quantifier {
                Some(quantifier) => quantifier == Quantifier::All,
                None => operator.negated,
            };
    }
    let matches =
        |value: &String| condition.values.iter().any(|wanted| compare(operator.test, wanted, value, request));
    match operator.quantifier {
        Some(Quantifier::All) => values.iter().all(|value| matches(value) != operator.negated),
        Some(Quantifier::Any) => values.iter().any(|value| matches(value) != operator.negated),
        None => values.iter().any(matches) != operator.negated,
    }
}

fn compare(test: Test, wanted: &Pattern, value: &str, request: &Request) -> bool {
    let Some(signs) = signs(wanted, Some(request)) else { return false };
    let plain: String = signs
        .iter()
        .filter_map(|sign| match sign {
            Sign::Char(character) => Some(*character),
            _ => None,
        })
        .collect();
    match test {
        Test::Null => false,
        Test::Text | Test::Binary => plain == value,
        Test::Bool | Test::TextIgnoreCase => plain.to_lowercase() == value.to_lowercase(),
        Test::TextLike => glob(&signs, value),
        Test::Arn => arn(&signs, value),
        Test::Number(order) => match (values::number(value), values::number(&plain)) {
            (Some(value), Some(wanted)) => order.holds(value.total_cmp(&wanted)),
            _ => false,
        },
        Test::Date(order) => match (values::moment(value), values::moment(&plain)) {
            (Some(value), Some(wanted)) => order.holds(value.cmp(&wanted)),
            _ => false,
        },
        Test::Address => match (value.parse::<IpAddr>(), values::network(&plain)) {
            (Ok(address), Some(network)) => network.contains(&address),
            _ => false,
        },
    }
}
