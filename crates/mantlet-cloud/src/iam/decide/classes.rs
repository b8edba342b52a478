//! Classes of one condition key: finitely many values that stand for all, since no condition tells the others of a class
//! apart. Texts are split by the product of the patterns that they are compared with, numbers, moments and addresses by
//! the ends of intervals. Several values of one key count by the classes among them.

use std::{
    collections::{BTreeSet, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::ControlFlow,
};

use super::{
    automaton::{End, Product, Sign},
    signs::{self, Assignment},
};
use crate::iam::{
    condition::{Condition, Quantifier, Test},
    data::Data,
    pattern::Piece,
    values,
};

/// Classes of one key.
const CLASSES_MAX: usize = 4_096;
/// Rows of the search for classes of texts.
const ROWS_MAX: usize = 100_000;

/// A class: values of the key (none where it is absent), and which conditions hold.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub(super) values: Vec<String>,
    pub(super) holds: Vec<bool>,
}

/// All classes of a key, fewest values first.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) classes: Vec<Class>,
    /// Whether there may be others.
    pub(super) complete: bool,
}

/// How one value compares with each condition's values, before negation.
struct Base {
    value: String,
    matches: Vec<bool>,
}

/// A condition on the key, and whether to err towards its holding.
pub(super) type Posed<'c> = (&'c Condition, bool);

/// The classes of a key under these conditions, which are all of that key. `fixed` says what its values are, where known.
pub(super) fn of(conditions: &[Posed<'_>], fixed: Option<&[String]>, assignment: &Assignment) -> Classes {
    if let Some(values) = fixed {
        let bases: Vec<Base> = compared(conditions, assignment, values);
        let holds =
            together(conditions, &bases.iter().map(|base| &base.matches[..]).collect::<Vec<_>>(), assignment);
        return Classes { classes: vec![Class { values: values.to_vec(), holds }], complete: true };
    }
    let (values, mut complete) = candidates(conditions, assignment);
    let mut seen = HashSet::new();
    let mut bases = compared(conditions, assignment, &values);
    bases.retain(|base| seen.insert(base.matches.clone()));
    let absent = Class { values: Vec::new(), holds: together(conditions, &[], assignment) };
    let mut classes = vec![absent];
    for base in &bases {
        let holds = together(conditions, &[&base.matches], assignment);
        classes.push(Class { values: vec![base.value.clone()], holds });
    }
    let several = conditions.iter().any(|(condition, _)| condition.operator.quantifier.is_some())
        && conditions.first().is_some_and(|(it, _)| Data::embedded().multivalued(&it.key) != Some(false));
    if several {
        complete &= combine(conditions, &bases, assignment, &mut classes);
    }
    let mut seen = HashSet::new();
    classes.retain(|class| seen.insert(class.holds.clone()));
    Classes { classes, complete }
}

/// Adds what several values can bring about that one cannot. Each condition over several values needs one witness at most,
/// so growing sets by one value until nothing new turns up finds everything.
fn combine(
    conditions: &[Posed<'_>],
    bases: &[Base],
    assignment: &Assignment,
    classes: &mut Vec<Class>,
) -> bool {
    let mut seen = HashSet::new();
    let mut sets: Vec<Vec<usize>> = (0..bases.len()).map(|index| vec![index]).collect();
    let mut at = 0;
    while let Some(set) = sets.get(at).cloned() {
        at += 1;
        for index in set.last().map_or(0, |last| last + 1)..bases.len() {
            let mut larger = set.clone();
            larger.push(index);
            let members: Vec<&Base> = larger.iter().filter_map(|index| bases.get(*index)).collect();
            let matches: Vec<&[bool]> = members.iter().map(|base| &base.matches[..]).collect();
            // Which conditions some member satisfies, and which all do: more than that is never asked.
            let summary: Vec<(bool, bool)> = (0..conditions.len())
                .map(|of| {
                    let mut each = matches.iter().map(|matches| matches.get(of) == Some(&true));
                    (each.clone().any(|it| it), each.all(|it| it))
                })
                .collect();
            if !seen.insert((summary, index)) {
                continue;
            }
            let values = members.iter().map(|base| base.value.clone()).collect();
            classes.push(Class { values, holds: together(conditions, &matches, assignment) });
            sets.push(larger);
            if sets.len() > CLASSES_MAX {
                return false;
            }
        }
    }
    true
}

/// Which conditions hold for a key that has values which match so; none where it is absent.
fn together(conditions: &[Posed<'_>], values: &[&[bool]], assignment: &Assignment) -> Vec<bool> {
    let hold = |(index, (condition, lenient)): (usize, &Posed<'_>)| {
        if let Some(holds) = undecided(condition, *lenient, assignment) {
            return holds;
        }
        let operator = condition.operator;
        if operator.test == Test::Null {
            let wanted = if values.is_empty() { "true" } else { "false" };
            return condition.values.iter().any(|value| value.text.eq_ignore_ascii_case(wanted));
        }
        if values.is_empty() && operator.if_exists {
            return true;
        }
        let mut satisfied =
            values.iter().map(|matches| (matches.get(index) == Some(&true)) != operator.negated);
        match operator.quantifier {
            Some(Quantifier::All) => satisfied.all(|it| it),
            Some(Quantifier::Any) => satisfied.any(|it| it),
            None if operator.negated => satisfied.all(|it| it),
            None => satisfied.any(|it| it),
        }
    };
    conditions.iter().enumerate().map(hold).collect()
}

/// What is said of a condition that compares with something unknown.
fn undecided(condition: &Condition, lenient: bool, assignment: &Assignment) -> Option<bool> {
    let variables = condition.values.iter().flat_map(|value| &value.pieces);
    let mut names = variables.filter_map(|piece| match piece {
        Piece::Variable(name, _) => Some(name),
        _ => None,
    });
    match assignment {
        Assignment::Lenient => names.next().map(|_| lenient),
        Assignment::Values(_) => {
            names.any(|name| name.starts_with(crate::iam::pattern::UNRESOLVED)).then_some(!lenient)
        }
    }
}

/// A condition's values as signs.
fn wanted(condition: &Condition, assignment: &Assignment) -> Vec<Vec<Sign>> {
    let test = condition.operator.test;
    let signs = condition.values.iter().filter_map(|value| signs::substitute(value, assignment, false));
    let shaped = signs.map(|signs| match test {
        Test::TextIgnoreCase => signs.into_iter().map(folded).collect(),
        Test::Arn if signs != [Sign::Star(None)] => signs::fields(signs),
        _ => signs,
    });
    shaped.collect()
}

fn folded(sign: Sign) -> Sign {
    match sign {
        Sign::Char(character) => Sign::Fold(character),
        other => other,
    }
}

/// Values as texts, for comparisons that are no matter of patterns.
fn plain(condition: &Condition, assignment: &Assignment) -> Vec<String> {
    let signs = condition.values.iter().filter_map(|value| signs::substitute(value, assignment, false));
    let text = |signs: Vec<Sign>| {
        signs
            .into_iter()
            .filter_map(|sign| match sign {
                Sign::Char(character) => Some(character),
                _ => None,
            })
            .collect()
    };
    signs.map(text).collect()
}

fn is_text(test: Test) -> bool {
    matches!(test, Test::Text | Test::TextIgnoreCase | Test::TextLike | Test::Arn | Test::Binary)
}

/// How each value compares with each condition.
fn compared(conditions: &[Posed<'_>], assignment: &Assignment, values: &[String]) -> Vec<Base> {
    let mut bases: Vec<Base> =
        values.iter().map(|value| Base { value: value.clone(), matches: Vec::new() }).collect();
    for (condition, _) in conditions {
        let test = condition.operator.test;
        let product = is_text(test).then(|| Product::new(&wanted(condition, assignment)));
        let texts = plain(condition, assignment);
        for base in &mut bases {
            let matches = match &product {
                Some(product) => {
                    let matched = product.run(&base.value);
                    (0..condition.values.len()).any(|index| matched.has(index))
                }
                None => texts.iter().any(|wanted| typed(test, wanted, &base.value)),
            };
            base.matches.push(matches);
        }
    }
    bases
}

fn typed(test: Test, wanted: &str, value: &str) -> bool {
    match test {
        Test::Bool => wanted.eq_ignore_ascii_case(value),
        Test::Number(order) => values::number(value)
            .zip(values::number(wanted))
            .and_then(|(value, wanted)| value.partial_cmp(&wanted))
            .is_some_and(|ordering| order.holds(ordering)),
        Test::Date(order) => values::moment(value)
            .zip(values::moment(wanted))
            .is_some_and(|(value, wanted)| order.holds(value.cmp(&wanted))),
        Test::Address => {
            let address = value.parse::<IpAddr>().ok();
            address.zip(values::network(wanted)).is_some_and(|(address, network)| network.contains(&address))
        }
        _ => false,
    }
}

/// Values that stand for all, and whether they surely do.
fn candidates(conditions: &[Posed<'_>], assignment: &Assignment) -> (Vec<String>, bool) {
    let of = |wanted: fn(Test) -> bool| {
        conditions
            .iter()
            .filter(move |(condition, _)| wanted(condition.operator.test))
            .map(|(condition, _)| *condition)
    };
    let texts: Vec<&Condition> = of(is_text).collect();
    if of(|test| test == Test::Bool).next().is_some() {
        // Keys of this kind have no other values.
        return (vec!["true".to_owned(), "false".to_owned()], true);
    }
    let mut values = Vec::new();
    let mut kinds = 0;
    let all = |found: &mut dyn Iterator<Item = &Condition>| -> Vec<String> {
        found.flat_map(|condition| plain(condition, assignment)).collect()
    };
    let numbers = all(&mut of(|test| matches!(test, Test::Number(_))));
    let moments = all(&mut of(|test| matches!(test, Test::Date(_))));
    let networks = all(&mut of(|test| test == Test::Address));
    for (texts, split) in [
        (numbers, split_numbers as fn(&[String]) -> Vec<String>),
        (moments, split_moments),
        (networks, split_networks),
    ] {
        if !texts.is_empty() {
            kinds += 1;
            values.extend(split(&texts));
        }
    }
    let mut complete = kinds <= 1;
    if !texts.is_empty() {
        let (found, all) = split_texts(&texts, assignment);
        values.extend(found);
        // A number that matches a pattern of texts, say, may be in none of the candidates.
        complete &= all && kinds == 0;
    } else if kinds == 0 {
        values.push("present".to_owned());
    }
    (values, complete)
}

/// A shortest text of each combination of patterns. The empty text is one only where a pattern asks for it.
fn split_texts(conditions: &[&Condition], assignment: &Assignment) -> (Vec<String>, bool) {
    let mut patterns: Vec<Vec<Sign>> = conditions.iter().flat_map(|it| wanted(it, assignment)).collect();
    patterns.sort_by_key(|signs| format!("{signs:?}"));
    patterns.dedup();
    if !patterns.iter().any(Vec::is_empty) {
        patterns.push(vec![Sign::One(None), Sign::Star(None)]);
    }
    let empty = patterns.iter().any(Vec::is_empty);
    let product = Product::new(&patterns);
    let mut values = Vec::new();
    let search = product.search(
        ROWS_MAX,
        |_| false,
        |_, text| {
            let text = text();
            if empty || !text.is_empty() {
                values.push(text);
            }
            if values.len() > CLASSES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    (values, search.end == End::Exhausted)
}

/// Each number, one between each two, one below and one above all.
fn split_numbers(texts: &[String]) -> Vec<String> {
    let mut numbers: Vec<f64> = texts.iter().filter_map(|text| values::number(text)).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let mut values: Vec<f64> = Vec::new();
    values.extend(numbers.first().map(|first| first - 1.0));
    for pair in numbers.windows(2) {
        if let [one, other] = pair {
            values.push(one / 2.0 + other / 2.0);
        }
    }
    values.extend(numbers.last().map(|last| last + 1.0));
    numbers.extend(values);
    if numbers.is_empty() {
        numbers.push(0.0);
    }
    numbers.iter().map(f64::to_string).collect()
}

fn split_moments(texts: &[String]) -> Vec<String> {
    let moments: Vec<i64> = texts.iter().filter_map(|text| values::moment(text)).collect();
    let near =
        moments.iter().flat_map(|moment| [*moment, moment.saturating_sub(1), moment.saturating_add(1)]);
    let near: BTreeSet<i64> = near.chain([0]).collect();
    near.iter().map(i64::to_string).collect()
}

/// The first address of each network and of what lies behind it: classes are unions of such intervals.
fn split_networks(texts: &[String]) -> Vec<String> {
    let mut values = BTreeSet::from([IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]);
    for network in texts.iter().filter_map(|text| values::network(text)) {
        values.insert(network.network());
        match network.broadcast() {
            IpAddr::V4(last) => {
                values
                    .extend(last.to_bits().checked_add(1).map(|next| IpAddr::V4(Ipv4Addr::from_bits(next))));
            }
            IpAddr::V6(last) => {
                values
                    .extend(last.to_bits().checked_add(1).map(|next| IpAddr::V6(Ipv6Addr::from_bits(next))));
            }
        }
    }
    values.iter().map(ToString::to_string).collect()
}
