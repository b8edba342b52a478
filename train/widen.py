#!/usr/bin/env python3
"""Widens the training data with generated texts: seeded, so that the same arguments give the same bytes.

    python train/widen.py --seed 7 --rows 40000 --out widened.jsonl.gz

Every line has `text`, `label` (`benign`, `injection`), `source` (`widen`), `kind`, `channel`, `family`, and where they
apply `lang`, `task` (what the user asked about the document) and `payload` (`[start, end]` in characters: only windows that
overlap it are attacks). Nothing but Python's standard library is needed.
"""

import argparse
import gzip
import hashlib
import json
import random

from widening import attacks, documents, encodings, jailbreaks, languages, users

# Share of each kind among the rows asked for.
SHARES = {"document": 0.34, "user": 0.16, "language-benign": 0.10, "indirect": 0.20, "direct": 0.07, "jailbreak": 0.06, "language-attack": 0.04, "encoded": 0.03}


def row(text, label, kind, channel, family, **more):
    return {"text": text, "label": label, "source": "widen", "kind": kind, "channel": channel, "family": family, **more}


def maybe_task(r):
    return {"task": attacks.task(r)} if r.random() < 0.4 else {}


def make(r, share):
    """One row of a kind of `SHARES`."""
    if share == "document":
        family = r.choice(sorted(documents.FAMILIES))
        return row(documents.FAMILIES[family](r), "benign", "benign", "document", family, **maybe_task(r))
    if share == "user":
        family = r.choice(sorted(users.FAMILIES))
        kind = "over-defence" if family in ("over-defence", "security-question") else "benign"
        return row(users.FAMILIES[family](r), "benign", kind, "user", family)
    if share == "language-benign":
        lang = r.choice(sorted(languages.TABLE))
        if r.random() < 0.6:
            return row(languages.document(r, lang), "benign", "benign", "document", "language", lang=lang)
        return row(languages.request(r, lang), "benign", "benign", "user", "language", lang=lang)
    if share == "indirect":
        family, text, start, end = attacks.indirect(r)
        return row(text, "injection", "indirect", "document", family, payload=[start, end], **maybe_task(r))
    if share == "direct":
        return row(attacks.direct(r), "injection", "direct", "user", "direct")
    if share == "jailbreak":
        family = r.choice(sorted(jailbreaks.FAMILIES))
        return row(jailbreaks.FAMILIES[family](r), "injection", "jailbreak", "user", family)
    if share == "language-attack":
        return language_attack(r)
    return encoded(r)


def language_attack(r):
    lang = r.choice(sorted(languages.TABLE))
    text = languages.attack(r, lang)
    if r.random() < 0.5:
        return row(text, "injection", "direct", "user", "language", lang=lang)
    carrier = languages.document(r, lang) if r.random() < 0.7 else documents.email(r)
    text, start, end = attacks.embed(r, text, carrier)
    return row(text, "injection", "indirect", "document", "doc-language", lang=lang, payload=[start, end])


def encoded(r):
    name = r.choice(sorted(encodings.ENCODINGS))
    if r.random() < 0.5:
        return row(encodings.ENCODINGS[name](users.G.say(r, "ask")), "benign", "benign", "user", "encoded", encoding=name)
    return row(encodings.ENCODINGS[name](attacks.G.say(r, "override")), "injection", "direct", "user", "encoded", encoding=name)


def generate(seed, rows):
    """Distinct rows, in an order that depends on the seed alone."""
    r, seen = random.Random(seed), set()
    shares, weights = list(SHARES), list(SHARES.values())
    # Kinds with short texts run out of distinct ones: the bound keeps a large order from turning for ever.
    for _ in range(rows * 4):
        if len(seen) >= rows:
            return
        made = make(r, r.choices(shares, weights)[0])
        key = hashlib.sha256(made["text"].encode()).digest()[:12]
        if made["text"].strip() and key not in seen:
            seen.add(key)
            yield made


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--rows", type=int, default=40000)
    options.add_argument("--out", required=True)
    options = options.parse_args()
    lines = [json.dumps(r, ensure_ascii=False, sort_keys=True) for r in generate(options.seed, options.rows)]
    # No time stamp in the header, so that equal rows give equal files.
    with open(options.out, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as out:
        out.write(("\n".join(lines) + "\n").encode())
    print(len(lines), "rows, sha256", hashlib.sha256("\n".join(lines).encode()).hexdigest())


if __name__ == "__main__":
    main()
