//! Cleaning of text inputs: markup stripped, control characters removed, trimmed, and bounded.

use std::sync::LazyLock;

use ammonia::Builder;
use mantlet_types::limits::TEXT_CHARS_MAX;

/// How often escaped markup may hide further markup before the text is rejected. Each level costs a parse, and
/// nobody writes `&amp;amp;amp;lt;` in good faith.
const ROUNDS_MAX: usize = 4;

/// Characters of markup that a text may carry beside its words; a longer text is not parsed at all.
const MARKUP_CHARS_MAX: usize = TEXT_CHARS_MAX;

/// Characters in a text that may begin a tag or stand for one. Parsing HTML costs the square of its depth, and a text
/// is not a document.
const TAGS_MAX: usize = 1_000;

/// Strips every tag and comment, and script and style with their content.
static STRIPPER: LazyLock<Builder<'static>> = LazyLock::new(Builder::empty);

/// The text as the model gets it, 1 to `chars_max` characters; `None` if it does not come to that.
///
/// Cleaning is idempotent: what escaped markup turns into is stripped as well.
pub(super) fn clean(text: &str, chars_max: usize) -> Option<String> {
    let chars_max = chars_max.min(TEXT_CHARS_MAX);
    let long = text.chars().nth(chars_max + MARKUP_CHARS_MAX).is_some();
    let tags = text.bytes().filter(|byte| matches!(byte, b'<' | b'&')).count();
    if long || tags > TAGS_MAX {
        return None;
    }
    let mut cleaned = plain(text);
    let mut rounds = 0;
    while cleaned.contains(['<', '&']) {
        let next = plain(&stripped(&cleaned));
        if next == cleaned {
            break;
        }
        cleaned = next;
        rounds += 1;
        if rounds > ROUNDS_MAX {
            return None;
        }
    }
    let fits = !cleaned.is_empty() && cleaned.chars().nth(chars_max).is_none();
    fits.then_some(cleaned)
}

/// Without control characters, and trimmed. Those that separate words leave a space, so that words stay apart.
fn plain(text: &str) -> String {
    let spaced = text.chars().map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c });
    let kept: String = spaced.filter(|c| !c.is_control()).collect();
    let trimmed = kept.trim();
    if trimmed.len() == kept.len() { kept } else { trimmed.to_owned() }
}

/// Without markup, as characters and not as HTML: the stripper answers with HTML text, in which exactly these four
/// characters are escaped (HTML standard, "Serializing HTML fragments").
fn stripped(text: &str) -> String {
    let html = STRIPPER.clean(text).to_string();
    // The ampersand last, or an escaped escape would be undone twice.
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{A0}").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(clean(text, 40).as_deref(), expect, "{text:?}");
    }

    #[test]
    fn markup_is_stripped() {
        check("<b>bold</b> move", Some("bold move"));
        check("hi<script>alert(1)</script><!-- x --> there", Some("hi there"));
        check("<img src=x onerror=alert(1)>ok", Some("ok"));
        check("&lt;b&gt;hidden&lt;/b&gt;", Some("hidden"));
        check("<<b>b>x", Some("x"));
        check("<script>only</script>", None);
    }

    #[test]
    fn words_stay_as_they_are() {
        check("AT&T says 3 < 4 > 2 \"quoted\"", Some("AT&T says 3 < 4 > 2 \"quoted\""));
        check("  Grüße, 世界 👩‍🔬  ", Some("Grüße, 世界 👩‍🔬"));
        check("a &amp; b", Some("a & b"));
    }

    #[test]
    fn control_characters_are_removed() {
        check("a\0b\u{1B}[31mc\u{7F}\u{85}", Some("ab[31mc"));
        check("two\nlines\tand\r\nmore", Some("two lines and  more"));
        check("<scr\0ipt>x</scr\0ipt>y", Some("y"));
        check("x&#1;y", Some("xy"));
    }

    #[test]
    fn length_is_that_of_the_cleaned_text() {
        check("", None);
        check(" \n\t ", None);
        check(&"é".repeat(40), Some(&"é".repeat(40)));
        check(&"é".repeat(41), None);
        check(&format!("<b>{}</b>", "x".repeat(40)), Some(&"x".repeat(40)));
        check(&format!("<b {}>x</b>", "y".repeat(TEXT_CHARS_MAX)), Some("x"));
        check(&format!("<b {}>x</b>", "y".repeat(TEXT_CHARS_MAX + 40)), None);
    }

    #[test]
    fn endless_escaping_is_rejected() {
        check(&format!("&{}lt;b&gt;", "amp;".repeat(10)), None);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| "<div>".repeat(depth) + "x";
        assert_eq!(clean(&nested(TAGS_MAX), TEXT_CHARS_MAX).as_deref(), Some("x"));
        assert_eq!(clean(&nested(TAGS_MAX + 1), TEXT_CHARS_MAX), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn cleaning_is_idempotent(text in "([a-z<>&; /!\u{0}\n\"'=-]|<b>|</p>|<!--|&lt;|&amp;|&#1;|\u{A0}|é){0,40}") {
            if let Some(once) = clean(&text, 200) {
                prop_assert_eq!(clean(&once, 200), Some(once.clone()));
                prop_assert!(!once.chars().any(char::is_control));
            }
        }
    }
}
