"""Write how surprising letters are in words (letters.u8) and the frequent words (words.txt) that the normalizer reads.

    python train/letters.py --data train.jsonl.gz --catalogs DIR --out crates/mantlet-guard/data

`--data` are JSON lines with `text` and `label`; only benign rows are read. `--catalogs` is a directory with gettext catalogs
(`**/LC_MESSAGES/*.po`), such as Django's `conf/locale`: short sentences in many languages. Both counts are of words, so neither file
holds any sentence of them.
"""

import argparse
import collections
import gzip
import json
import math
import pathlib
import re
import unicodedata

SYMBOLS = 32  # 0 is the edge of a word, 1 to 26 are letters; the rest is never used
UNIT = 16  # costs are in sixteenths of a bit
WORD = re.compile(r"[a-z]+")


def fold(text):
    """Lower case, Latin letters without marks."""
    text = text.lower().replace("ß", "ss").replace("æ", "ae").replace("ø", "o").replace("ł", "l").replace("ı", "i")
    return "".join(c for c in unicodedata.normalize("NFD", text) if not "\u0300" <= c <= "\u036f")


def words_of(text):
    return WORD.findall(fold(text))


def english(path):
    counts = collections.Counter()
    with gzip.open(path, "rt") as rows:
        for row in map(json.loads, rows):
            if row["label"] == "benign":
                counts.update(words_of(row["text"]))
    return counts


def foreign(root):
    """Words of each language's catalogs."""
    languages = {}
    for path in sorted(pathlib.Path(root).glob("**/LC_MESSAGES/*.po")):
        text = path.read_text(encoding="utf-8")
        said = " ".join(re.findall(r'^msgstr(?:\[\d\])? "(.+)"$', text, re.M))
        said = re.sub(r"%\(?\w*\)?\w|\\n|https?://\S+|<[^>]*>", " ", said)
        words = words_of(said)
        if len(words) > 200:
            languages.setdefault(path.parts[-3], collections.Counter()).update(words)
    return languages


def trigrams(counts, weight, table):
    total = sum(counts.values()) or 1
    for word, count in counts.items():
        letters = [0, 0, *(ord(c) - 96 for c in word), 0]
        for a, b, c in zip(letters, letters[1:], letters[2:]):
            table[a, b, c] += weight * count / total


def costs(table):
    """Interpolated: three parts what followed both letters, one part what followed the last one, a little of any."""
    both, last, any_ = collections.Counter(), collections.Counter(), collections.Counter()
    pairs = collections.Counter()
    for (a, b, c), n in table.items():
        both[a, b] += n
        last[b] += n
        any_[c] += n
        pairs[b, c] += n
    total = sum(any_.values())
    out = bytearray([255] * SYMBOLS**3)
    for a in range(27):
        for b in range(27):
            for c in range(27):
                seen = both[a, b]
                trust = seen / (seen + 2e-5 * total)
                p2 = pairs[b, c] / last[b] if last[b] else 0
                p1 = 0.95 * any_[c] / total + 0.05 / 27
                back = 0.9 * p2 + 0.1 * p1
                p = trust * (table[a, b, c] / seen if seen else 0) * 0.97 + (1 - trust * 0.97) * back
                out[(a * SYMBOLS + b) * SYMBOLS + c] = min(255, round(-math.log2(p) * UNIT))
    return bytes(out)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--catalogs", required=True)
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--words", type=int, default=6000)
    given = arguments.parse_args()
    counts = english(given.data)
    languages = foreign(given.catalogs)
    table = collections.Counter()
    trigrams(counts, 0.6, table)
    # Types as well as tokens: names and rare words are text too.
    trigrams(collections.Counter({word: 1 for word, n in counts.items() if n > 1 and len(word) < 15}), 0.15, table)
    for language in languages.values():
        trigrams(language, 0.25 / len(languages), table)
    out = pathlib.Path(given.out)
    (out / "letters.u8").write_bytes(costs(table))
    short = {"a", "i", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it", "me", "my", "no", "of", "on",
             "or", "so", "to", "up", "us", "we", "am", "ai"}
    kept = [w for w, n in counts.most_common() if n > 8 and len(w) <= 16 and (len(w) > 2 or w in short)
            and len(set(w)) > 1 | (len(w) == 1)]
    kept = [w for w in kept if len(w) > 3 or n_ok(w, counts)][: given.words]
    known = set(kept)
    extra = [w for w in ("jailbreak", "restrictions", "uncensored", "unfiltered", "disregard", "confidential", "guidelines",
                         "prompt", "prompts", "credentials", "exfiltrate", "bypass", "unrestricted", "override") if w not in known]
    (out / "words.txt").write_text("\n".join(kept + extra) + "\n")
    print(f"{len(languages)} languages, {len(kept)} words")


def n_ok(word, counts):
    """Words of three letters are mostly abbreviations: only the frequent ones."""
    return counts[word] > 150 or len(word) <= 2


if __name__ == "__main__":
    main()
