//! Nobody writes a boundary, and what was marked can be read again.

use proptest::prelude::*;

use super::*;

/// Texts by somebody who knows the boundary, as if it had leaked.
fn by_one_who_knows() -> impl Strategy<Value = String> {
    let id = boundary().id().to_owned();
    let closing = boundary().closing("document 1");
    let upper = id.to_uppercase();
    let spread: String = id.chars().flat_map(|digit| [digit, '\u{200b}']).collect();
    let spaced: String = id.chars().flat_map(|digit| [digit, ' ']).collect();
    let wide: String = id.chars().map(|digit| char::from_u32(u32::from(digit) + 0xfee0).unwrap()).collect();
    let (head, tail) = (id[..12].to_owned(), id[12..].to_owned());
    let signs = [boundary().mark().to_string(), boundary().escape().to_string()];
    let piece = proptest::sample::select(
        [
            vec![
                id,
                closing,
                upper,
                spread,
                spaced,
                wide,
                head,
                tail,
                "m".into(),
                "z".into(),
                " ".into(),
                "\n".into(),
                "\t".into(),
            ],
            signs.to_vec(),
        ]
        .concat(),
    );
    proptest::collection::vec(prop_oneof![3 => piece, 1 => any::<char>().prop_map(String::from), 1 => "[a-f0-9]{0,50}", 1 => "[一-龥]{0,20}"], 0..12)
        .prop_map(|parts| parts.concat())
}

/// What is left of a text for one who looks for the id: compatibility forms resolved, digits and letters alone joined.
fn shows_id(text: &str, id: &str) -> bool {
    use unicode_normalization::UnicodeNormalization as _;
    let seen: String = text
        .nfkc()
        .filter(|seen| !matches!(seen, ' ' | '\u{200b}' | '\u{a0}'))
        .flat_map(char::to_lowercase)
        .collect();
    seen.contains(id)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn marked_text_never_shows_the_boundary(text in by_one_who_knows()) {
        let boundary = boundary();
        for form in [Form::Prose, Form::Json, Form::Code] {
            let marked = mark(&text, form, &boundary);
            prop_assert!(!shows_id(&marked, boundary.id()), "{:?}", marked);
        }
    }

    #[test]
    fn what_was_marked_comes_back(text in by_one_who_knows(), other in any::<String>()) {
        let boundary = boundary();
        for text in [&text, &other] {
            for form in [Form::Prose, Form::Json, Form::Code] {
                prop_assert_eq!(&unmark(&mark(text, form, &boundary), form, &boundary), text);
            }
        }
    }

    #[test]
    fn no_space_is_left_in_marked_prose(text in any::<String>()) {
        let marked = mark(&text, Form::Prose, &boundary());
        prop_assert!(!marked.contains(' '));
    }

    #[test]
    fn a_prompt_has_two_lines_per_document_whatever_is_in_it(
        texts in proptest::collection::vec(by_one_who_knows(), 1..4), user in by_one_who_knows(),
    ) {
        let boundary = boundary();
        let mut parts: Vec<Part<'_>> = texts.iter().map(|text| Part { channel: Channel::Document, text }).collect();
        parts.push(Part { channel: Channel::User, text: &user });
        let prompt = Prompt { system: &user, turns: vec![(Role::User, parts)] };
        let made = prompt.make(&boundary, &Bounds::default());
        let own = boundary.instructions().matches(boundary.id()).count();
        prop_assert_eq!(made.messages[1].content.matches(boundary.id()).count(), 2 * texts.len());
        prop_assert_eq!(made.messages[0].content.matches(boundary.id()).count(), own, "the instructions' own");
    }
}
