//! Expressions: what they match, and which are refused. Whole operators are compared with onnxruntime elsewhere.

use super::{
    super::super::kernel::Fault,
    machine::{Machine, STEPS_MAX},
    pattern::compile,
};

fn find(pattern: &str, text: &str) -> Option<String> {
    let code = compile(pattern).unwrap();
    let text: Vec<char> = text.chars().collect();
    let found = Machine::new(STEPS_MAX).find(&code, &text, 0).unwrap();
    found.map(|(start, end)| text[start..end].iter().collect())
}

#[test]
fn the_leftmost_of_the_longest_matches_counts() {
    for (pattern, text, expect) in [
        ("a|ab|abc", "xabc", Some("abc")),
        ("b+|a", "bba", Some("bb")),
        ("x*", "axx", Some("")),
        ("[a-c]{2,3}", "aabbc", Some("aab")),
        ("(ab)*?c", "ababc", Some("ababc")),
        ("(?:a|b)+$", "abcab", Some("ab")),
        ("^b", "ab", None),
        (r"\bb\w", "ab bc", Some("bc")),
        (r"\B\w", "ab", Some("b")),
        (r"[^\s,]+", "é,x", Some("é")),
        ("[]a]+", "]a]", Some("]a]")),
        ("[a-]+", "-a", Some("-a")),
        (r"\d+\.\d?", "v1.25", Some("1.2")),
        ("a{0}b", "ab", Some("b")),
        ("(a*)*b", "aaaa", None),
        (".", "\na", Some("a")),
        ("[^a]", "a\n", Some("\n")),
        ("a||b", "b", Some("b")),
    ] {
        assert_eq!(find(pattern, text).as_deref(), expect, "{pattern} in {text}");
    }
}

#[test]
fn expressions_that_might_mean_something_else_are_refused() {
    let long = "a".repeat(2_000);
    let deep = "(".repeat(100) + &")".repeat(100);
    for pattern in [
        "",
        "(",
        ")",
        "a)",
        "[",
        "[]",
        "[z-a]",
        "*a",
        "a**",
        "a{2}{3}",
        "a{1001}",
        "a{2,1}",
        "a{x}",
        "(?i)a",
        "(?P<n>a)",
        "(?=a)",
        r"\pL",
        r"\x41",
        r"\1",
        r"\Q",
        r"[[:alpha:]]",
        r"[a-\d]",
        r"[\W]",
        r"\",
        "(a{900}){900}",
        long.as_str(),
        deep.as_str(),
    ] {
        assert!(compile(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn no_expression_takes_longer_than_its_length_times_the_texts() {
    let code = compile("(a*)*(a*)*(a|aa)*b").unwrap();
    let text = vec!['a'; 10_000];
    let steps = text.len() * code.len() * 4;
    assert_eq!(Machine::new(steps).find(&code, &text, 0), Ok(None));
    assert_eq!(Machine::new(1_000).find(&code, &text, 0), Err(Fault::TooLong));
}
