"""Refit the heads of L1 on the tables that are there: what each phrase family weighs, and the thresholds. Seconds, not minutes.

    cargo build -p mantlet-guard --example features
    python train/heads.py --features target/debug/examples/features --data train.jsonl.gz widened.jsonl.gz \
        --dev dev.jsonl.gz --model crates/mantlet-guard/data

The tables have seen the rows, so how heavy their words are says too much here. Families are therefore weighed without n-grams, and
n-grams keep the weights that `ngrams.py` found on families left out, times `NGRAMS_SHARE`, which was chosen on `--dev`.
"""

import argparse
import collections
import json
import pathlib

import numpy as np

import ngrams

NGRAMS = ("worst", "heavy", "whole")
# Weights of n-grams as `ngrams.py` found them on families left out, and how much of them is used.
LEFT_OUT = {"user": {"heavy": 0.2418, "whole": 0.4017}, "document": {"worst": 0.43}}
NGRAMS_SHARE = 0.5
FAMILY_MAX = 90  # rows of one family and label
TEXT_MAX = 6000


def sampled(rows):
    """At most so many rows of each family."""
    order = np.random.default_rng(ngrams.SEED).permutation(len(rows))
    seen, kept = collections.Counter(), []
    for index in order:
        row = rows[index]
        key = ngrams.family_of(row), row["label"]
        seen[key] += 1
        if seen[key] <= FAMILY_MAX and len(row["text"]) < TEXT_MAX:
            kept.append(row)
    return kept


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--features", required=True)
    arguments.add_argument("--data", required=True, nargs="+")
    arguments.add_argument("--dev", required=True)
    arguments.add_argument("--model", required=True)
    given = arguments.parse_args()
    model = pathlib.Path(given.model)
    names = ngrams.evidence_names(given.features)
    heads = json.loads((model / "heads.json").read_text())
    # The crate reads no heads that weigh other evidence than it has.
    for head in heads.values():
        head["weights"] = {name: head["weights"].get(name, 0.0) for name in names}
    (model / "heads.json").write_text(json.dumps(heads, indent=1) + "\n")
    families = [name for name in names if name not in NGRAMS]
    rows = sampled([row for path in given.data for row in ngrams.read(path)])
    measured = [dict(views[0]) for views in ngrams.evidence(given.features, model, rows)]
    dev = ngrams.read(given.dev)
    for channel in ngrams.CHANNELS:
        used = [index for index, row in enumerate(rows) if ngrams.channel_of(row) == channel]
        fitted, _ = ngrams.head_of(rows, used, measured, families)
        weights = dict.fromkeys(names, 0.0) | dict(zip(families, map(float, fitted)))
        weights |= {name: weight * NGRAMS_SHARE for name, weight in LEFT_OUT[channel].items()}
        benign = [row for row in dev if ngrams.channel_of(row) == channel and row["label"] == "benign" and row["kind"] != "over-defence"]
        heads[channel] |= ngrams.threshold(given.features, model, ngrams.with_crops(benign), weights, names)
        print(channel, json.dumps(heads[channel]))
    (model / "heads.json").write_text(json.dumps(heads, indent=1) + "\n")


if __name__ == "__main__":
    main()
