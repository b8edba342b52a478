//! Text from files under scan, made fit for a terminal and a log.

/// At most `characters_max` characters, with control characters and those that reorder text shown as escapes.
pub(crate) fn printable(text: &str, characters_max: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == characters_max {
            shown.push('…');
            break;
        }
        let reorders = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || reorders {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}
