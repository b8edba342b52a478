"""WordPiece over a pruned vocabulary, written so that Rust can do the very same (`crates/mantlet-guard/src/encoder/`).

NFKD, lower case by character, U+0300..U+036F taken out; words end at blanks, and every punctuation mark and every CJK
character is a word of its own. A word is cut greedily into the longest pieces; one that cannot be cut is `[UNK]`.
"""

import collections
import unicodedata

PAD, UNK, CLS, SEP = 0, 1, 2, 3
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORD_CHARS_MAX = 64
# Ranges of single-character words: punctuation and symbols, CJK, kana, and full-width marks.
SINGLE = [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF), (0x2010, 0x205E), (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x3001, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0x1F000, 0x1FAFF)]
SINGLES = frozenset(c for low, high in SINGLE for c in range(low, high + 1))


def words(text):
    """The words of a text, normalized."""
    out, word = [], []
    for c in unicodedata.normalize("NFKD", text):
        for c in c.lower():
            code = ord(c)
            if 0x300 <= code <= 0x36F:
                continue
            blank = code in (9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000) or 0x2000 <= code <= 0x200A
            if blank or code in SINGLES:
                if word:
                    out.append("".join(word))
                    word = []
                if not blank:
                    out.append(c)
            else:
                word.append(c)
    return out + (["".join(word)] if word else [])


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
    full.index.pop("[unused0]", None)
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
