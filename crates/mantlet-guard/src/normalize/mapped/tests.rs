use super::*;

#[test]
fn stretches_are_found_in_the_original() {
    // "ab" from 0..2, "XY" for 2..5, "cd" from 5..7.
    let mut mapped = Mapped::default();
    mapped.push_even("ab", 0);
    mapped.push("XY", Span { start: 2, end: 5 });
    mapped.push_even("cd", 5);
    assert_eq!(mapped.text(), "abXYcd");
    assert_eq!(mapped.origin(0..1), Span { start: 0, end: 1 });
    assert_eq!(mapped.origin(1..3), Span { start: 1, end: 5 });
    assert_eq!(mapped.origin(3..5), Span { start: 2, end: 6 });
    assert_eq!(mapped.origin(4..6), Span { start: 5, end: 7 });
    assert_eq!(mapped.origin(6..6), Span { start: 7, end: 7 });
}

#[test]
fn a_copy_knows_the_same_original() {
    let mut mapped = Mapped::default();
    mapped.push_even("hello ", 10);
    mapped.push("world", Span { start: 16, end: 30 });
    let mut copy = Mapped::default();
    copy.copy(&mapped, 2..8);
    assert_eq!(copy.text(), "llo wo");
    assert_eq!(copy.origin(0..2), Span { start: 12, end: 14 });
    assert_eq!(copy.origin(3..5), Span { start: 15, end: 30 });
}
