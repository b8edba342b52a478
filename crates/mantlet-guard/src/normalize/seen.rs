//! What a reader sees of a character: nothing, or a letter of ASCII. One list for all who ask: the detector's normalizer, the
//! search for reserved tokens, and the search for leaks.

use unicode_security::confusable_detection::skeleton;

/// Characters that change the direction of text (Unicode Standard Annex 9).
pub(crate) fn is_bidi(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that are not drawn and change no direction: what Unicode says may be ignored by default
/// (`Default_Ignorable_Code_Point`, Unicode 16), fillers, and control characters but for white space.
pub(crate) fn is_undrawn(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || (character.is_control() && !character.is_whitespace())
}

/// The letter or digit of ASCII that a character may be confused with (Unicode Technical Standard 39), if it is one.
pub(crate) fn ascii_like(character: char) -> Option<char> {
    let mut buffer = [0; 4];
    let mut prototype = skeleton(character.encode_utf8(&mut buffer));
    match (prototype.next(), prototype.next()) {
        (Some(one), None) if one.is_ascii_alphanumeric() => Some(one),
        _ => None,
    }
}
