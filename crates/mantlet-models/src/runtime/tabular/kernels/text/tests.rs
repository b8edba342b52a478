//! Expressions: what they match, and which are refused. Whole operators are compared with onnxruntime elsewhere.

use std::{fs, path::Path};

use super::{
    super::super::kernel::Fault,
    class::Class,
    machine::{Machine, STEPS_MAX},
    pattern::compile,
};
use crate::runtime::Engine;

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

/// Nothing that is emitted was all that counted: the second of these loaded in a million visits, the third never.
#[test]
fn repetitions_of_nothing_count() {
    assert_eq!(find("a(){1000}b", "ab").as_deref(), Some("ab"));
    for pattern in ["a((){1000}){1000}", "a(((){1000}){1000}){1000}", "a(((|){0}){1000}){1000}"] {
        assert_eq!(compile(pattern), Err("an expression repeats too often what takes nothing"), "{pattern}");
    }
    // As deep as groups may be nested, and as large as an expression may be.
    let deep = "(".repeat(32) + "a" + &")".repeat(32) + "{1000}";
    assert!(compile(&deep).is_ok());
    let deeper = "(?:".to_owned() + &"(?:b|".repeat(30) + "(?:a)?" + &")?".repeat(30) + "){10}";
    assert!(compile(&deeper).is_ok());
}

#[test]
fn classes_are_looked_up_by_halving() {
    let same = Class::new([('d', 'f'), ('a', 'b'), ('c', 'c'), ('x', 'z')].repeat(200), false);
    assert_eq!(same.ranges(), [('a', 'f'), ('x', 'z')]);
    assert_eq!(Class::new(vec![('a', 'z'), ('c', 'd'), ('f', 'f')], false).ranges(), [('a', 'z')]);
    // Every third character, backwards, some of them twice.
    let thirds: Vec<(char, char)> = ('\u{100}'..'\u{700}').rev().step_by(3).map(|one| (one, one)).collect();
    let class = Class::new([&thirds[..], &thirds[..9]].concat(), false);
    assert!(class.ranges().is_sorted_by(|one, next| one.1 < next.0));
    let negated = Class::new(thirds.clone(), true);
    for character in '\u{f0}'..'\u{710}' {
        let is_third = thirds.iter().any(|(first, last)| (*first..=*last).contains(&character));
        assert_eq!((class.has(character), negated.has(character)), (is_third, !is_third), "{character:?}");
    }
    let all = Class::new(vec![('\u{e000}', char::MAX), ('\0', '\u{d7ff}')], false);
    assert!(['\0', 'a', '\u{d7ff}', '\u{e000}', char::MAX].into_iter().all(|one| all.has(one)));
    assert!(!Class::default().has('a'));
}

/// Whole models of a few bytes with these expressions were not refused, and one of them was never done with.
#[test]
fn models_that_repeat_nothing_are_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/onnx");
    for seed in ["text-repeats-nothing", "text-repeats-nothing-twice"] {
        let why = Engine::load(&fs::read(corpus.join(seed)).unwrap()).unwrap_err().to_string();
        assert!(why.contains("repeats too often what takes nothing"), "{seed}: {why}");
    }
    assert!(Engine::load(&fs::read(corpus.join("text-tokenizer-groups-2")).unwrap()).is_ok());
    assert!(Engine::load(&fs::read(corpus.join("ensemble5-members-odd")).unwrap()).is_ok());
}
