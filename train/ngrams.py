"""Train the weights of L1: hashed n-grams over windows, and the heads that weigh all evidence, one of each per channel.

    cargo build -p mantlet-guard --example features
    python train/ngrams.py --features target/debug/examples/features --data train.jsonl.gz widened.jsonl.gz \
        --dev dev.jsonl.gz --out crates/mantlet-guard/data

Rows are JSON lines with `text`, `label`, `channel`, `source`, and where known `family` and `payload` (the characters that are the
attack). Features come from the crate's own example, so there is one implementation of them. Heads are trained on evidence of
n-grams that have not seen the row's family. Thresholds are where 1 % (attack) and 5 % (suspect) of the benign rows of `--dev` lie.
"""

import argparse
import collections
import gzip
import hashlib
import json
import pathlib
import subprocess
import tempfile

import numpy as np
from scipy import optimize, sparse
from sklearn.linear_model import SGDClassifier

SEED = 7
PLACES = 1 << 18
WINDOW, STRIDE = 32, 16  # half as many windows as when judging
WINDOWS_MAX = 12  # of one text, in training
FAMILY_MAX = 5000  # rows of one family and label, in training
FOLDS = 4
CHANNELS = ("user", "document")
ATTACK_FPR, SUSPECT_FPR = 0.01, 0.05


def read(path):
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def thinned(rows, most):
    """At most so many rows of each family: beyond that they repeat each other."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    seen, kept = collections.Counter(), []
    for index in order:
        key = family_of(rows[index]), rows[index]["label"]
        seen[key] += 1
        if seen[key] <= most:
            kept.append(rows[index])
    return kept


def with_crops(rows):
    """Benign documents, and a short piece of each: in a data set of long ones, short ones would have no threshold."""
    rng = np.random.default_rng(SEED)
    pieces = []
    for row in rows:
        if row["channel"] != "user":
            words = row["text"].split(" ")
            length = int(rng.integers(15, 120))
            start = int(rng.integers(0, max(1, len(words) - length)))
            pieces.append(row | {"text": " ".join(words[start : start + length])})
    return [*rows, *pieces]


def channel_of(row):
    return "document" if row["channel"] in ("document", "tool") else "user"


def family_of(row):
    return f"{row['source']}/{row.get('family') or row['kind']}"


def ask(features, arguments, rows, **more):
    lines = "".join(json.dumps({"text": row["text"], "channel": channel_of(row)}) + "\n" for row in rows)
    return subprocess.run([features, *arguments], input=lines.encode(), check=True, **more)


class Grams:
    """The n-grams of rows, word by word."""

    def __init__(self, features, rows):
        with tempfile.NamedTemporaryFile() as file:
            ask(features, ["grams", file.name], rows)
            self.data = np.fromfile(file.name, dtype="<u4")
        self.texts = []  # for each text: starts of words in bytes, and bounds of their n-grams in `data`
        place = 0
        data = self.data
        for _ in rows:
            words = int(data[place])
            place += 1
            starts, bounds = np.empty(words, np.int64), np.empty((words, 2), np.int64)
            for word in range(words):
                count = int(data[place + 1])
                starts[word] = data[place]
                bounds[word] = place + 2, place + 2 + count
                place += 2 + count
            self.texts.append((starts, bounds))

    def window(self, text, first, last):
        """Places of the n-grams of some words."""
        bounds = self.texts[text][1][first:last]
        return np.concatenate([self.data[a:b] for a, b in bounds])


def windows_of(words, rng):
    """Bounds of the windows of a text, at most `WINDOWS_MAX` of them."""
    last = max(words - WINDOW, 0)
    starts = [*range(0, last, STRIDE), last] if words else []
    if len(starts) > WINDOWS_MAX:
        starts = sorted(rng.choice(starts, WINDOWS_MAX, replace=False))
    return [(int(start), int(min(start + WINDOW, words))) for start in starts]


class Windows:
    """Windows of rows with labels: 1 attack, 0 benign, -1 some window of the text is an attack."""

    def __init__(self, features, rows):
        grams = Grams(features, rows)
        rng = np.random.default_rng(SEED)
        self.row, self.label, columns, counts = [], [], [], []
        for index, row in enumerate(rows):
            starts, _ = grams.texts[index]
            bounds = windows_of(len(starts), rng)
            payload = self.payload(row)
            if payload is not None:
                inside = np.flatnonzero((starts >= payload[0]) & (starts < payload[1]))
                if len(inside):
                    first = max(0, min(int(inside[0]) - int(rng.integers(0, 12)), len(starts) - WINDOW))
                    bounds.append((first, min(first + WINDOW, len(starts))))
            for first, last in bounds:
                self.row.append(index)
                self.label.append(self.labelled(row, starts, first, last, payload, len(bounds)))
                columns.append(grams.window(index, first, last))
                counts.append(len(columns[-1]))
        indptr = np.concatenate([[0], np.cumsum(counts)])
        values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
        self.x = sparse.csr_matrix((values, np.concatenate(columns).astype(np.int32), indptr), (len(counts), PLACES))
        self.x.sum_duplicates()
        self.row, self.label = np.array(self.row), np.array(self.label)

    @staticmethod
    def payload(row):
        """Where the attack is, in bytes."""
        if row["label"] == "benign" or not row.get("payload"):
            return None
        start, end = row["payload"]
        return len(row["text"][:start].encode()), len(row["text"][:end].encode())

    @staticmethod
    def labelled(row, starts, first, last, payload, windows):
        if row["label"] == "benign":
            return 0
        if payload is not None:
            inside = ((starts[first:last] >= payload[0]) & (starts[first:last] < payload[1])).sum()
            total = max(1, ((starts >= payload[0]) & (starts < payload[1])).sum())
            # A window that has but an end of the attack is neither.
            return 1 if inside >= min(8, total) else 0 if inside == 0 else -2
        return 1 if windows == 1 or row["channel"] == "user" else -1


def weights(rows, windows, channel, keep):
    """Of each window: families count alike by the root of their size, attacks and benign texts alike in sum."""
    sizes = collections.Counter((family_of(row), row["label"]) for row in rows)
    per_text = np.bincount(windows.row, minlength=len(rows))
    weight = np.zeros(len(windows.row))
    for index, row_index in enumerate(windows.row):
        row = rows[row_index]
        if not keep[row_index]:
            continue
        weight[index] = sizes[family_of(row), row["label"]] ** -0.5
        if row["label"] != "benign":
            weight[index] /= np.sqrt(per_text[row_index])
        if channel_of(row) != channel:
            # Attacks of one channel are attacks in the other. What users ask for is no benign document.
            weight[index] *= 0.5 if row["label"] != "benign" else (0.3 if channel == "user" else 0.03)
    return weight


def fit(windows, rows, channel, keep, alpha):
    """Weights of n-grams; where only the text is known to be an attack, its heaviest window is taken to be it."""
    weight = weights(rows, windows, channel, keep)
    label = windows.label.copy()
    model = None
    for passes in (8, 8):
        used = (weight > 0) & (label >= 0)
        positive, negative = used & (label == 1), used & (label == 0)
        balanced = weight.copy()
        balanced[positive] /= weight[positive].sum()
        balanced[negative] /= weight[negative].sum()
        balanced *= used.sum() / 2
        model = SGDClassifier(loss="log_loss", alpha=alpha, max_iter=passes, tol=None, average=True, random_state=SEED)
        model.fit(windows.x[used], label[used], sample_weight=balanced[used])
        scores = model.decision_function(windows.x)
        label = windows.label.copy()
        unknown = np.flatnonzero(windows.label == -1)
        order = unknown[np.lexsort((-scores[unknown], windows.row[unknown]))]
        label[order[np.r_[True, np.diff(windows.row[order]) > 0]]] = 1
    return model.coef_[0], float(model.intercept_[0])


def quantize(coefficients):
    scale = float(np.quantile(np.abs(coefficients[coefficients != 0]), 0.9995)) / 127
    return np.clip(np.round(coefficients / scale), -127, 127).astype(np.int8), scale


def write(out, tables, heads):
    out.mkdir(parents=True, exist_ok=True)
    for channel, (table, _, _) in tables.items():
        (out / f"ngrams-{channel}.i8").write_bytes(table.tobytes())
    (out / "heads.json").write_text(json.dumps(heads, indent=1) + "\n")


def neutral(tables, names):
    """Heads that only carry the scales of the tables, with which evidence is measured."""
    return {
        channel: {"ngrams_scale": scale, "ngrams_bias": bias, "weights": dict.fromkeys(names, 0.0), "bias": 0.0,
                  "steepness": 1.0, "suspect": 0.4}
        for channel, (_, scale, bias) in tables.items()
    }


def files(out):
    return [str(out / name) for name in ("ngrams-user.i8", "ngrams-document.i8", "heads.json")]


def evidence(features, out, rows):
    """For each row its evidence as a text, and of its views."""
    lines = ask(features, ["evidence", *files(out)], rows, stdout=subprocess.PIPE).stdout.decode().splitlines()
    return [[dict(map(tuple, view["values"])) for view in json.loads(line)] for line in lines]


def fit_head(x, y, weight, names):
    """Logistic regression in which no evidence may speak against an attack but how heavy the words are."""
    sign = [(0.0, None)] * len(names)

    def loss(parameters):
        w, b = parameters[:-1], parameters[-1]
        z = x @ w + b
        p = 1 / (1 + np.exp(-z))
        value = (weight * (np.logaddexp(0, z) - y * z)).sum() + 0.5 * 0.002 * (w @ w)
        slope = weight * (p - y)
        return value, np.concatenate([x.T @ slope + 0.002 * w, [slope.sum()]])

    start = np.zeros(len(names) + 1)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*sign, (None, None)])
    return found.x[:-1], float(found.x[-1])


def head_of(rows, used, measured, names):
    """The head of these rows; families count by the root of their size."""
    x = np.array([[measured[index][name] for name in names] for index in used])
    y = np.array([rows[index]["label"] != "benign" for index in used], float)
    sizes = collections.Counter(family_of(rows[index]) for index in used)
    weight = np.array([sizes[family_of(rows[index])] ** -0.5 for index in used])
    weight[y == 1] /= weight[y == 1].sum()
    weight[y == 0] /= weight[y == 0].sum()
    return fit_head(x, y, weight, names)


def wilson(hits, of):
    """Wilson's 95 % score interval."""
    z = 1.959964
    middle, half = hits + z * z / 2, z * np.sqrt(hits * (of - hits) / of + z * z / 4)
    return (middle - half) / (of + z * z), (middle + half) / (of + z * z)


def log_left_out(rows, used, measured, names, folds, channel, log):
    """Recall of each family by weights and heads that have seen neither it nor the benign families of the threshold."""
    log(f"| {channel}: family left out | texts | flagged at 1 % false alarms | 95 % |\n|---|---|---|---|")
    lines = []
    for fold in range(FOLDS):
        w, _ = head_of(rows, [index for index in used if folds[index] != fold], measured, names)
        left = [index for index in used if folds[index] == fold]
        scores = {index: float(w @ [measured[index][name] for name in names]) for index in left}
        ordinary = [scores[i] for i in left if rows[i]["label"] == "benign" and rows[i]["kind"] != "over-defence"]
        if len(ordinary) < 100:
            continue
        limit = np.sort(ordinary)[::-1][int(len(ordinary) * ATTACK_FPR)]
        families = collections.defaultdict(list)
        for index in left:
            kind = "attack" if rows[index]["label"] != "benign" else rows[index]["kind"]
            families[kind, family_of(rows[index])].append(scores[index] > limit)
        lines += [(*key, np.sum(hits), len(hits)) for key, hits in families.items() if len(hits) >= 20]
    for kind, family, hits, of in sorted(lines):
        low, high = wilson(hits, of)
        log(f"| {family} ({kind}) | {of} | {hits / of:.3f} | {low:.3f} to {high:.3f} |")
    recalls = [hits / of for kind, _, hits, of in lines if kind == "attack"]
    log(f"\n{channel}: macro recall {np.mean(recalls):.3f} over {len(recalls)} families\n")


def train(features, rows, dev, out, alpha, left_out_only=False, log=print):
    """Trains all of it on `rows`, sets thresholds on `dev`, writes to `out`; or ends with the table of families left out."""
    out.mkdir(parents=True, exist_ok=True)
    windows = Windows(features, rows)
    log(f"{len(rows)} rows, {windows.x.shape[0]} windows, {windows.x.nnz} n-grams")
    families = sorted({family_of(row) for row in rows})
    order = np.random.default_rng(SEED).permutation(len(families))
    fold_of = {family: int(order[index]) % FOLDS for index, family in enumerate(families)}
    folds = np.array([fold_of[family_of(row)] for row in rows])
    sample = sampled(rows)
    measured, names = {}, None
    for fold in [*range(FOLDS), *([] if left_out_only else [None])]:
        saved = out / f"fold-{fold}.json"
        if fold is not None and saved.exists():
            names, of = json.loads(saved.read_text())
            measured.update({int(index): values for index, values in of.items()})
            continue
        keep = np.ones(len(rows), bool) if fold is None else folds != fold
        tables = {}
        for channel in CHANNELS:
            coefficients, bias = fit(windows, rows, channel, keep, alpha)
            tables[channel] = (*quantize(coefficients), bias)
        if names is None:
            names = evidence_names(features)
        write(out, tables, neutral(tables, names))
        if fold is not None:
            of = [index for index in sample if folds[index] == fold]
            found = dict(zip(of, (views[0] for views in evidence(features, out, [rows[index] for index in of]))))
            measured.update(found)
            # An interrupted run goes on from here; who changes data or features removes these files.
            saved.write_text(json.dumps([names, found]))
            log(f"fold {fold} of {FOLDS}", flush=True)
    used_of = {channel: [index for index in sample if channel_of(rows[index]) == channel] for channel in CHANNELS}
    for channel, used in used_of.items():
        log_left_out(rows, used, measured, names, folds, channel, log)
    if left_out_only:
        return {}
    heads = neutral(tables, names)
    for channel, used in used_of.items():
        w, _ = head_of(rows, used, measured, names)
        benign = [r for r in dev if channel_of(r) == channel and r["label"] == "benign" and r["kind"] != "over-defence"]
        heads[channel] |= threshold(features, out, with_crops(benign), dict(zip(names, map(float, w))), names)
    write(out, tables, heads)
    return heads


def sampled(rows):
    """Rows for the heads: of each family at most so many."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    seen, kept = collections.Counter(), []
    for index in order:
        family = family_of(rows[index]), rows[index]["label"]
        seen[family] += 1
        if seen[family] <= 400:
            kept.append(int(index))
    return kept


def threshold(features, out, benign, weights, names):
    """Bias, steepness and the suspect score, by the benign rows of another data set."""
    w = np.array([weights[name] for name in names])
    worst = [max(float(w @ [view[name] for name in names]) for view in views) for views in evidence(features, out, benign)]
    attack, suspect = (float(np.quantile(worst, 1 - rate)) for rate in (ATTACK_FPR, SUSPECT_FPR))
    # A score of one half is an attack, of one fifth is suspect.
    steepness = min(1.5, float(np.log(4)) / max(attack - suspect, 1e-3))
    return {"weights": {k: round(v, 4) for k, v in weights.items()}, "bias": -attack, "steepness": steepness,
            "suspect": float(1 / (1 + np.exp(-steepness * (suspect - attack))))}


def evidence_names(features):
    """The kinds of evidence, as the crate has them."""
    return json.loads(subprocess.run([features, "names"], check=True, stdout=subprocess.PIPE).stdout)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--features", required=True)
    arguments.add_argument("--data", required=True, nargs="+")
    arguments.add_argument("--dev", required=True)
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--alpha", type=float, default=3e-6)
    arguments.add_argument("--family-max", type=int, default=FAMILY_MAX, help="rows of one family and label")
    arguments.add_argument("--left-out-only", action="store_true", help="print recall of families left out, and train nothing else")
    given = arguments.parse_args()
    rows = thinned([row | {"text": row["text"][:8000]} for path in given.data for row in read(path)], given.family_max)
    heads = train(given.features, rows, read(given.dev), pathlib.Path(given.out), given.alpha, given.left_out_only)
    for channel, head in heads.items():
        print(channel, json.dumps(head))
    for path in [*given.data, given.dev]:
        digest = hashlib.sha256(gzip.open(path).read()).hexdigest()
        print(f"{digest}  {pathlib.Path(path).name}")


if __name__ == "__main__":
    main()
