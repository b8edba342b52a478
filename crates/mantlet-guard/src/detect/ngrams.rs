//! Hashed n-grams of a folded text: of characters within words, and of words.
//!
//! One pass gives all of them, word by word, so that any window over words is a difference of two sums.

/// Places of one table of weights: half for n-grams of characters, half for those of words.
pub const PLACES: usize = 1 << 18;
const HALF_BITS: u32 = 17;

/// What becomes of n-grams.
pub trait Sink {
    /// An n-gram of the current word, as its place in the table, below [`PLACES`].
    fn gram(&mut self, place: usize);
    /// The current word ends; it is these bytes of the folded text.
    fn word(&mut self, start: usize, end: usize);
}

/// Gives all n-grams of a folded text: of 4 and 5 characters within a word and its edges, and of 1 to 3 words. Words are
/// runs of letters and digits; where a script has no spaces, each character is a word. Digits are all the same.
pub fn each(folded: &str, sink: &mut impl Sink) {
    let mut walk = Walk { word: Hash::default(), last: [0; 2], characters: [0; 4], start: 0, length: 0 };
    let mut place = 0;
    for character in folded.chars() {
        let end = place + character.len_utf8();
        if is_word_by_itself(character) {
            walk.end(place, sink);
            walk.letter(character, place, sink);
            walk.end(end, sink);
        } else if character.is_ascii_alphanumeric() || (!character.is_ascii() && is_letter(character)) {
            walk.letter(character, place, sink);
        } else if character != '\'' {
            walk.end(place, sink);
        }
        place = end;
    }
    walk.end(place, sink);
}

fn is_letter(character: char) -> bool {
    // Vowel signs of Indic scripts are part of words.
    character.is_alphanumeric() || unicode_normalization::char::is_combining_mark(character)
}

/// Scripts that are written without spaces: Han, kana, Thai, Lao, Myanmar, Khmer.
fn is_word_by_itself(character: char) -> bool {
    matches!(character, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[derive(Clone, Copy)]
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Hash {
    fn add(self, value: u64) -> Self {
        Self((self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95))
    }

    /// A place in one half of the table.
    fn place(self, words: bool) -> usize {
        // The highest bits of a product depend on all of its factors.
        let place = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HALF_BITS);
        let half = if words { PLACES / 2 } else { 0 };
        half + usize::try_from(place).unwrap_or_default()
    }
}

struct Walk {
    word: Hash,
    /// Hashes of the two words before.
    last: [u64; 2],
    /// The four characters before.
    characters: [u32; 4],
    start: usize,
    /// Characters of the current word.
    length: usize,
}

impl Walk {
    fn letter(&mut self, character: char, place: usize, sink: &mut impl Sink) {
        if self.length == 0 {
            self.start = place;
            self.characters = [0, 0, 0, u32::from(' ')];
        }
        let character = if character.is_ascii_digit() { '0' } else { character };
        self.length += 1;
        self.word = self.word.add(u64::from(u32::from(character)));
        self.grams(u32::from(character), sink);
    }

    /// The n-grams of characters that end here; `characters` has the edge before the first one.
    fn grams(&mut self, character: u32, sink: &mut impl Sink) {
        let [a, b, c, d] = self.characters.map(u64::from);
        let last = u64::from(character);
        if b != 0 {
            let four = Hash::default().add(b | c << 21 | d << 42).add(last);
            sink.gram(four.place(false));
            if a != 0 {
                sink.gram(four.add(a).place(false));
            }
        }
        let [_, b, c, d] = self.characters;
        self.characters = [b, c, d, character];
    }

    fn end(&mut self, place: usize, sink: &mut impl Sink) {
        if self.length == 0 {
            return;
        }
        self.grams(u32::from(' '), sink);
        let [first, second] = self.last;
        let word = self.word;
        sink.gram(word.place(true));
        if second != 0 {
            let two = word.add(second);
            sink.gram(two.place(true));
            if first != 0 {
                sink.gram(two.add(first).place(true));
            }
        }
        self.last = [second, word.0 | 1];
        self.word = Hash::default();
        self.length = 0;
        sink.word(self.start, place);
    }
}
