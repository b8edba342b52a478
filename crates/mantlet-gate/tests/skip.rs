//! A stage of a door can be neither skipped nor forged: each of these programs must not compile, for the stated
//! reason.

#[test]
fn stages_cannot_be_skipped_or_forged() {
    trybuild::TestCases::new().compile_fail("tests/skip/*.rs");
}
