#!/usr/bin/env python3
"""What the encoder, the detector before it, and both together reach on what the encoder's training did not see.

    python train/score.py --data train.jsonl.gz --dev dev.jsonl.gz --student target/student \\
        --features target/debug/examples/features --weights crates/mantlet-guard/data

Recall at 1 % false positives is taken per channel, the threshold from the benign rows of the same set. Every text is cut
into all its windows and its score is the largest of them.
"""

import argparse
import json
import math
import random
import subprocess

import numpy
import torch
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

import student
import windows
import wordpiece


def sets(o):
    """Names and rows: the dev set's other sources, and the families that training leaves out."""
    rng = random.Random(o.seed)
    dev = windows.read(o.dev)
    left_out = [r for r in windows.load(o.data, o.seed, o.widened) if windows.held_out(r) and r.get("family") != "passage"]
    return [(name, sample(rng, rows, o.rows)) for name, rows in (("dev", dev), ("left out", left_out)) if name in o.sets]


def sample(rng, rows, most):
    groups = {}
    for r in rows:
        groups.setdefault((windows.group(r), r.get("lang") if r.get("lang") in windows.HELD_OUT_LANGS else None, r["label"], r["channel"]), []).append(r)
    return [r for g in groups.values() for r in rng.sample(g, min(most, len(g)))]


def all_windows(rows, wp):
    """Windows of every row, at most 48 of one (2,100 pieces), and whose they are."""
    out, owner = [], []
    for i, row in enumerate(rows):
        mine = windows.cut(wp.encode(row["text"][:9000]), wp, row)[:48]
        out += [w[0] for w in mine]
        owner += [i] * len(mine)
    return out, owner


def neural(model, cuts, channels):
    """A logit per window, longest first so that batches hold little padding."""
    order, out = sorted(range(len(cuts)), key=lambda i: len(cuts[i])), numpy.zeros(len(cuts))
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for at in range(0, len(order), 64):
            part = order[at:at + 64]
            logits = model(student.pad([cuts[i] for i in part])).float()
            out[part] = logits[torch.arange(len(part)), torch.tensor([channels[i] for i in part])].numpy()
    return out


def text_of(wp, ids):
    words = [wp.pieces[i] for i in ids if i not in (wordpiece.CLS, wordpiece.PAD)]
    return " ".join(words).replace(" ##", "")


class Ngrams:
    """Hashed character and word n-grams of the same windows with a logistic regression per channel."""

    def __init__(self, items, wp, seed):
        self.wp, self.words = wp, HashingVectorizer(ngram_range=(1, 3), n_features=2 ** 18, alternate_sign=False, token_pattern=r"\S+")
        self.chars = HashingVectorizer(analyzer="char_wb", ngram_range=(4, 5), n_features=2 ** 18, alternate_sign=False)
        self.models = []
        odds = numpy.array(windows.weights(items))
        for channel in (windows.USER, windows.DOCUMENT):
            mine = [i for i, item in enumerate(items) if item[2] == channel]
            labels = [items[i][1] for i in mine]
            model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=8, random_state=seed, average=True)
            self.models.append(model.fit(self.features([items[i][0] for i in mine]), labels, sample_weight=odds[mine] / odds[mine].mean()))

    def features(self, cuts):
        from scipy.sparse import hstack
        texts = [text_of(self.wp, c) for c in cuts]
        return hstack([self.words.transform(texts), self.chars.transform(texts)]).tocsr()

    def score(self, cuts, channels):
        x, channels, out = self.features(cuts), numpy.array(channels), numpy.zeros(len(cuts))
        for channel, model in enumerate(self.models):
            if (channels == channel).any():
                out[channels == channel] = model.decision_function(x[channels == channel])
        return out


def wilson(hits, n):
    """The 95 % interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def auc(good, bad):
    both = numpy.concatenate([good, bad])
    ranks = both.argsort().argsort() + 1.0
    return (ranks[: len(good)].sum() - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad))


def tell(name, rows, scores):
    """Recall at 1 % per channel and kind, and how many of the texts full of trigger words stay unflagged."""
    report = {}
    for channel in ("user", "document"):
        at = lambda f: numpy.array([s for r, s in zip(rows, scores) if r["channel"] == channel and f(r)])
        benign = at(lambda r: r["label"] == "benign" and r["kind"] == "benign")
        attacks = at(lambda r: r["label"] == "injection")
        if not len(benign) or not len(attacks):
            continue
        limit = numpy.sort(benign)[::-1][max(0, math.ceil(len(benign) * 0.01) - 1)]
        report[channel] = {"benign": len(benign), "auc": round(float(auc(attacks, benign)), 3)}
        for kind in ("direct", "jailbreak", "indirect"):
            own = at(lambda r: r["label"] == "injection" and r["kind"] == kind)
            if len(own):
                hits = int((own > limit).sum())
                report[channel][kind] = [round(hits / len(own), 3), *(round(x, 3) for x in wilson(hits, len(own))), len(own)]
        over = at(lambda r: r["kind"] == "over-defence")
        if len(over):
            report[channel]["over-defence correct"] = [round(float((over <= limit).mean()), 3), len(over)]
        sources = sorted({windows.group(r) for r in rows if r["channel"] == channel and r["label"] == "injection"})
        report[channel]["by source"] = {s: round(float((at(lambda r: r["label"] == "injection" and windows.group(r) == s) > limit).mean()), 3) for s in sources}
    print(name, json.dumps(report), flush=True)


def first_tier(o, rows):
    """Scores of the detector that counts n-grams and phrases (L1), as `features scan` of the crate's example gives them."""
    # A lone half of a surrogate pair is no text.
    lines = "".join(json.dumps({"text": r["text"].encode("utf-8", "replace").decode(), "channel": r["channel"]}) + "\n" for r in rows)
    weights = [f"{o.weights}/{name}" for name in ("ngrams-user.i8", "ngrams-document.i8", "heads.json")]
    out = subprocess.run([o.features, "scan", *weights], input=lines.encode(), stdout=subprocess.PIPE, check=True).stdout
    return numpy.array([float(line) for line in out.decode().splitlines()])


def routed(rows, first, second, share):
    """The encoder's score where the first tier is above `share` of the benign rows of the channel, and below all others elsewhere."""
    out = numpy.full(len(rows), second.min() - 1)
    for channel in ("user", "document"):
        mine = numpy.array([r["channel"] == channel for r in rows])
        benign = first[mine & numpy.array([r["kind"] == "benign" for r in rows])]
        if len(benign):
            asked = mine & (first >= numpy.quantile(benign, 1 - share))
            out[asked] = second[asked]
    return out


def log_odds(p):
    p = numpy.clip(p, 1e-6, 1 - 1e-6)
    return numpy.log(p / (1 - p))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "dev", "student", "features", "weights"):
        options.add_argument(f"--{name}", required=True)
    for name, default in (("seed", 7), ("widened", 40000), ("rows", 120)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--sets", nargs="+", default=["dev", "left out"])
    o = options.parse_args()
    torch.set_num_threads(1)
    kept, _ = json.load(open(f"{o.student}/vocab.json"))
    wp = wordpiece.WordPiece(kept)
    state = torch.load(f"{o.student}/checkpoint.pt")
    model = student.Student(len(kept), state["layers"])
    model.load_state_dict(state["model"])
    print("encoder after", state["step"], "steps", flush=True)
    for name, rows in sets(o):
        cuts, owner = all_windows(rows, wp)
        channels = [windows.USER if rows[i]["channel"] == "user" else windows.DOCUMENT for i in owner]

        def worst(values):
            out = numpy.full(len(rows), -numpy.inf)
            numpy.maximum.at(out, owner, values)
            return out

        print(name, len(rows), "rows,", len(cuts), "windows", flush=True)
        two = worst(neural(model, cuts, channels))
        tell(f"{name}: L2 alone", rows, two)
        # L1 has seen the families that are left out here, so it is told for what it is beside an n-gram model that has not.
        one = log_odds(first_tier(o, rows))
        tell(f"{name}: L1 alone", rows, one)
        for share in (0.05, 0.15, 0.4):
            tell(f"{name}: L2 on what L1 ranks among the first {share:.0%}", rows, routed(rows, one, two, share))
            tell(f"{name}: sum on what L1 ranks among the first {share:.0%}", rows, routed(rows, one, one + two, share))
        tell(f"{name}: sum of log-odds", rows, one + two)
        with open(f"{o.student}/scores-{name.replace(' ', '-')}.jsonl", "w") as out:
            for row, first, second in zip(rows, one, two):
                out.write(json.dumps([row["label"], row["kind"], row["channel"], windows.group(row), row["text"][:300], float(first), float(second)]) + "\n")
    ngrams = Ngrams(windows.training(windows.load(o.data, o.seed, o.widened), wp, o.seed), wp, o.seed)
    tell("left out: n-grams of the same windows", rows, worst(ngrams.score(cuts, channels)))


if __name__ == "__main__":
    main()
