//! What somebody may have meant.

/// The known word nearest to what was typed, if it is near enough to be meant: a third of its letters, at least one.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A key's name is short; whatever is longer was not meant to be one, and would only cost time.
    if typed.chars().count() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|word| (distance(typed, word), word))
        .filter(|(distance, word)| *distance <= (word.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Edits between two words: insertions, deletions and replacements of letters (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expect) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("lisen", "listen", 1)] {
            assert_eq!((distance(a, b), distance(b, a)), (expect, expect), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near_is_offered() {
        let known = ["listen", "allow", "names"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("alow", known), Some("allow"));
        assert_eq!(nearest("colour", known), None);
    }
}
