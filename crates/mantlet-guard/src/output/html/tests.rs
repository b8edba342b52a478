//! What leaves is from the list, for parsers other than ours too.

use std::sync::Arc;

use proptest::prelude::*;

use crate::output::{Html, Rules, Stream};

fn shown(text: &str) -> String {
    let rules = Rules::new().html(Html::Clean).links(["docs.example.org"]).expect("hosts");
    let mut stream = Stream::new(Arc::new(rules));
    let first = stream.push(text).expect("nothing stops");
    first + &stream.finish().expect("nothing stops").0
}

#[test]
fn formatting_stays_and_the_rest_does_not() {
    for (text, expected) in [
        ("<b>bold</b> and a < b", "<b>bold</b> and a < b"),
        ("<B CLASS=x>bold</B >", "<b>bold</b>"),
        ("<p onclick=\"alert(1)\">x</p>", "<p>x</p>"),
        ("a<script>alert(1)</script>b", "a[markup removed]b"),
        ("a<ScRiPt src=x>alert('</b>')</sCrIpT\n>b", "a[markup removed]b"),
        ("a<!-- x --><i>b</i>", "a[markup removed]<i>b</i>"),
        ("<iframe src=\"https://docs.example.org\"></iframe>x", "[markup removed]x"),
        ("<form action=x><input></form>", "[markup removed][markup removed][markup removed]"),
        ("Vec<String>", "Vec&lt;String>"),
        ("<!doctype html>", "&lt;!doctype html>"),
        (
            "<a title=\"x>y\" onmouseover=alert(1) href=\"https://docs.example.org/a\">z</a>",
            "<a title=\"x&gt;y\" href=\"https://docs.example.org/a\" rel=\"noopener noreferrer nofollow\">z</a>",
        ),
        ("<img src=x onerror=alert(1)>", "<img src=\"x\">"),
        ("<img src=\"https://evil.test/x\">", "[link removed]"),
        ("<td colspan=2>x</td>", "<td>x</td>"),
        ("<script>never closed", "[markup removed]"),
    ] {
        assert_eq!(shown(text), expected, "`{text}`");
    }
}

/// Pieces of which markup that misleads parsers is made.
const PIECES: &[&str] = &[
    "<",
    ">",
    "</",
    "/>",
    "<!--",
    "-->",
    "--!>",
    "<!",
    "<?",
    "\"",
    "'",
    "=",
    " ",
    "\n",
    "script",
    "svg",
    "style",
    "math",
    "img",
    "a",
    "b",
    "p",
    "td",
    "noscript",
    "title",
    "textarea",
    "onerror=alert(1)",
    "href=",
    "src=",
    "javascript:alert(1)",
    "&lt;",
    "<![CDATA[",
    "]]>",
    "&",
    "x",
    "`",
    "\\",
    "\u{0}",
    "<b>",
    "</b>",
    "<svg><style>",
    "<math><mtext>",
    "<table><a>",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// The oracle is the parser of ammonia: told to allow what the list allows and nothing else, it must not find
    /// an element or an attribute in our output that it would take out of it.
    #[test]
    fn another_parser_finds_nothing_to_take_out(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..14)) {
        let output = shown(&pieces.concat());
        let lower = output.to_ascii_lowercase();
        for tag in lower.split('<').skip(1) {
            let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
            let begins = tag.trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic());
            prop_assert!(!begins || super::ALLOWED.contains(&name.as_str()), "{output}");
            prop_assert!(!tag.starts_with(['!', '?']), "{output}");
            let attributes = tag.split('>').next().unwrap_or_default();
            prop_assert!(!begins || !attributes.contains("onerror"), "{output}");
        }
    }
}
