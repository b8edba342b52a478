"""WordPiece over a pruned vocabulary, written so that Rust can do the very same (`crates/mantlet-guard/src/encoder/`).

NFKD, lower case by character, U+0300..U+036F taken out; words end at blanks, and every punctuation mark and every CJK
character is a word of its own. A word is cut greedily into the longest pieces; one that cannot be cut is `[UNK]`.
"""

import collections
import re
import unicodedata

PAD, UNK, CLS, SEP = 0, 1, 2, 3
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORD_CHARS_MAX = 64
# Ranges of single-character words: punctuation and symbols, CJK, kana, and full-width marks.
SINGLE = [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF), (0x2010, 0x205E), (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x3001, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0x1F000, 0x1FAFF)]
CLASS = "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in SINGLE)
BLANK = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
WORD = re.compile(f"[{CLASS}]|[^{CLASS}{BLANK}]+")
MARKS = re.compile("[\u0300-\u036f]")


def words(text):
    """The words of a text, normalized."""
    text = unicodedata.normalize("NFKD", text)
    # By character: `str.lower` of a whole text would turn a sigma at the end of a word into its final form.
    text = "".join(c.lower() for c in text) if "\u03a3" in text else text.lower()
    return WORD.findall(MARKS.sub("", text))


class WordPiece:
    def __init__(self, pieces):
        self.pieces = pieces
        self.index = {p: i for i, p in enumerate(pieces)}
        self.seen = {}

    def cut(self, word):
        found = self.seen.get(word)
        if found is None:
            found = self.seen[word] = self._cut(word)
        return found

    def _cut(self, word):
        if len(word) > WORD_CHARS_MAX:
            return [UNK]
        out, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self.index.get(("##" if start else "") + word[start:end])
                if piece is not None:
                    break
            else:
                return [UNK]
            out.append(piece)
            start = end
        return out

    def encode(self, text):
        return [p for w in words(text) for p in self.cut(w)]


def prune(vocabulary, texts, size):
    """The `size` pieces of a BERT vocabulary that the texts use most, with every single character, and their old rows."""
    full = WordPiece(vocabulary)
    full_special = {s: vocabulary.index(s) for s in SPECIAL}
    counts = collections.Counter()
    # `UNK` and the like differ in number between the two vocabularies, so pieces are counted by their text.
    for text in texts:
        for word in words(text):
            counts.update(p for p in full.cut(word) if p != UNK)
    single = [p for p in vocabulary if len(p.removeprefix("##")) == 1]
    common = [vocabulary[i] for i, _ in counts.most_common(size)]
    kept = dict.fromkeys(SPECIAL + single + common)
    kept = [p for p in kept if p in SPECIAL or not p.startswith("[")  or len(p) == 1][:size]
    return kept, [full_special.get(p, full.index.get(p)) for p in kept]
