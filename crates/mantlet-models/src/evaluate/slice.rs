//! Parts of the rows: a model that is right on the whole may be wrong about some of them.

use std::collections::BTreeMap;

use super::report::GroupKind;

/// Distinct numbers up to which each is a group of its own; beyond, the rows are quartered.
const NUMBERS_MAX: usize = 10;

/// Values that are listed; rarer ones are taken together.
const VALUES_MAX: usize = 20;

/// A column by which rows are told apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Its name.
    pub column: String,
    /// The value of every row, if it has one.
    pub values: Vec<Option<Box<str>>>,
    /// Whether they are numbers.
    pub is_number: bool,
}

/// Rows with something in common.
pub(super) struct Part {
    pub(super) group: String,
    pub(super) kind: GroupKind,
    /// Places among the rows that were asked about.
    pub(super) places: Vec<usize>,
}

impl Slice {
    /// The parts of these rows: numbers ascending, values by how common they are, what is left at the end.
    pub(super) fn parts(&self, rows: &[usize]) -> Vec<Part> {
        let value = |row: &usize| self.values.get(*row).and_then(Option::as_deref);
        let numbers: Option<Vec<(usize, f64)>> = rows
            .iter()
            .enumerate()
            .filter_map(|(place, row)| Some((place, value(row)?)))
            .map(|(place, text)| {
                text.trim()
                    .parse()
                    .ok()
                    .filter(|number: &f64| number.is_finite())
                    .map(|number| (place, number))
            })
            .collect();
        let mut parts = match numbers.filter(|_| self.is_number) {
            Some(numbers) => by_number(numbers),
            None => by_value(rows.iter().enumerate().filter_map(|(place, row)| Some((place, value(row)?)))),
        };
        let missing: Vec<usize> =
            rows.iter().enumerate().filter(|(_, row)| value(row).is_none()).map(|(place, _)| place).collect();
        if !missing.is_empty() {
            parts.push(Part { group: "(missing)".into(), kind: GroupKind::Missing, places: missing });
        }
        parts
    }
}

fn by_number(mut numbers: Vec<(usize, f64)>) -> Vec<Part> {
    numbers.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut distinct: Vec<f64> = numbers.iter().map(|(_, number)| *number).collect();
    distinct.dedup();
    if distinct.len() <= NUMBERS_MAX {
        let group = |number: &f64| Part {
            group: shown(*number),
            kind: GroupKind::Value,
            places: numbers.iter().filter(|(_, own)| own == number).map(|(place, _)| *place).collect(),
        };
        return distinct.iter().map(group).collect();
    }
    // Nearest rank: the least number that at least this share of the rows does not exceed.
    let quantile = |quarter: usize| numbers.get((numbers.len() * quarter).div_ceil(4).saturating_sub(1));
    let mut ends: Vec<f64> = (1..=4).filter_map(quantile).map(|(_, number)| *number).collect();
    ends.dedup();
    let mut low = distinct.first().copied();
    let mut below = f64::NEG_INFINITY;
    let mut parts = Vec::with_capacity(ends.len());
    for high in ends {
        let within = numbers.iter().filter(|(_, number)| below < *number && *number <= high);
        let places = within.map(|(place, _)| *place).collect();
        let group = low.map_or_else(String::new, |low| format!("{} to {}", shown(low), shown(high)));
        parts.push(Part { group, kind: GroupKind::Range, places });
        below = high;
        low = distinct.iter().copied().find(|number| *number > high);
    }
    parts
}

/// A number as people write it: six significant digits, which is more than a group's name needs to say.
fn shown(number: f64) -> String {
    let magnitude = if number == 0.0 { 0.0 } else { number.abs().log10().floor() };
    if !(-4.0..15.0).contains(&magnitude) {
        return format!("{number:e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 9 by the line above")]
    let decimals = (5.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn by_value<'a>(values: impl Iterator<Item = (usize, &'a str)>) -> Vec<Part> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, value) in values {
        places.entry(value).or_default().push(place);
    }
    let mut groups: Vec<(&str, Vec<usize>)> = places.into_iter().collect();
    // Stable: equally common values stay in the order of their names.
    groups.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
    let rare = if groups.len() > VALUES_MAX { groups.split_off(VALUES_MAX - 1) } else { Vec::new() };
    let mut parts: Vec<Part> = groups
        .into_iter()
        .map(|(value, places)| Part { group: value.to_owned(), kind: GroupKind::Value, places })
        .collect();
    if !rare.is_empty() {
        let group = format!("({} others)", rare.len());
        let places = rare.into_iter().flat_map(|(_, places)| places).collect();
        parts.push(Part { group, kind: GroupKind::Rest, places });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], is_number: bool, expect: &[(&str, usize)]) {
        let cell = |text: &&str| (!text.is_empty()).then(|| (*text).into());
        let slice = Slice { column: "c".into(), values: values.iter().map(cell).collect(), is_number };
        let rows: Vec<usize> = (0..values.len()).collect();
        let parts = slice.parts(&rows);
        let found: Vec<(&str, usize)> =
            parts.iter().map(|part| (part.group.as_str(), part.places.len())).collect();
        assert_eq!(found, expect);
        let mut places: Vec<usize> = parts.iter().flat_map(|part| part.places.clone()).collect();
        places.sort_unstable();
        assert_eq!(places, rows, "every row is in one group");
    }

    #[test]
    fn values_by_how_common_they_are() {
        check(&["b", "a", "b", "", "c"], false, &[("b", 2), ("a", 1), ("c", 1), ("(missing)", 1)]);
        check(&["2", "1.0", "2", ""], true, &[("1", 1), ("2", 2), ("(missing)", 1)]);
        check(&["2", "x"], true, &[("2", 1), ("x", 1)]);
    }

    #[test]
    fn many_numbers_are_quartered_and_many_values_cut() {
        let numbers: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let texts: Vec<&str> = numbers.iter().map(String::as_str).collect();
        check(&texts, true, &[("0 to 24", 25), ("25 to 49", 25), ("50 to 74", 25), ("75 to 99", 25)]);
        let slice = Slice {
            column: "c".into(),
            values: texts.iter().map(|t| Some((*t).into())).collect(),
            is_number: false,
        };
        let parts = slice.parts(&(0..100).collect::<Vec<_>>());
        assert_eq!((parts.len(), parts[19].group.as_str()), (20, "(81 others)"));
        // Half of all rows are one number: its quarters fall together.
        let mut many = vec!["0"; 50];
        many.extend(&texts[1..51]);
        check(&many, true, &[("0 to 0", 50), ("1 to 25", 25), ("26 to 50", 25)]);
    }
}
