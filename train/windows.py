"""Rows of the data as windows of pieces, labeled by where the payload stands."""

import gzip
import json
import random

import widen
import wordpiece
from widening import attacks, constraints, grafts

LENGTH, BODY, STRIDE, TASK = 64, 60, 44, 12
PASSAGE = 700
# Whole families and sources that training never sees; they give the honest figures beside the dev set.
HELD_OUT = {"pyrit_templates", "doc-self-message", "doc-exfiltration", "many-shot", "mode", "table", "review", "security-question", "t0_reading"}
HELD_OUT_LANGS = {"ja", "tr", "nl"}
# A bare request is an attack only by where it stands, and much of it makes a model flag every imperative; prose that people
# wrote is rarer here than on the wire.
FACTOR = {"doc-bare": 0.2, "doc-fake-completion": 0.4, "rust_docs": 4.0, "passage": 3.0, "mantlet_synth_docs": 3.0, "howto": 2.0, "constraints": 4.0, "ultrachat": 2.0, "graft-attack": 3.0, "graft-carrier": 3.0, "readme": 2.0, "graft-request": 0.7}
ATTACK, BENIGN, USER, DOCUMENT = 1.0, 0.0, 0, 1


def read(path):
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def group(row):
    return row.get("family") or row["source"]


def held_out(row):
    return group(row) in HELD_OUT or row.get("lang") in HELD_OUT_LANGS


def load(train_path, seed, widened):
    """Rows of the training data, generated ones, and generated payloads inside real documents."""
    real = [r for r in read(train_path) if not (r["channel"] == "document" and r["label"] == "injection")]
    made = [r for r in widen.generate(seed, widened) if r["family"] != "encoded"]
    rng = random.Random(seed)
    carriers = [r["text"] for r in real if (r["channel"] == "document" or r["source"] == "ultrachat") and not held_out(r)]
    for _ in range(widened // 8):
        carrier = rng.choice(carriers)
        start = rng.randrange(max(1, len(carrier) - 400))
        carrier = carrier[start:start + rng.randint(40, 400)]
        family, inner = attacks.payload(rng)
        text, start, end = attacks.embed(rng, inner, carrier)
        made.append(widen.row(text, "injection", "indirect", "document", family, payload=[start, end]))
        # The same passage without the payload, so that the passage alone says nothing.
        made.append(widen.row(carrier, "benign", "benign", "document", "passage"))
    made += grafted(rng, real, carriers, widened // 5)
    made += [widen.row(constraints.constrained(rng), "benign", "benign", "user", "constraints") for _ in range(widened // 20)]
    return real + made


def grafted(rng, real, carriers, count):
    """What people wrote to models, in documents: attacks twice as often as plain requests, and each carrier without it too."""
    typed = {name: [r for r in real if r["channel"] == "user" and r["label"] == name and not held_out(r)] for name in ("injection", "benign")}
    by_source = {name: sorted({r["source"] for r in rows}) for name, rows in typed.items()}
    pools = {(name, source): [r["text"] for r in typed[name] if r["source"] == source] for name in typed for source in by_source[name]}
    carriers, made = [c for c in carriers if c], []
    for _ in range(count):
        name = rng.choice(["injection", "injection", "benign"])
        text, start, end, carrier = grafts.graft(rng, rng.choice(pools[name, rng.choice(by_source[name])]), carriers, HELD_OUT)
        family = "graft-attack" if name == "injection" else "graft-request"
        asked = {"task": task_of(rng, pools["benign", rng.choice(by_source["benign"])])} if rng.random() < 0.4 else {}
        made.append(widen.row(text, "injection", "indirect", "document", family, payload=[start, end], **asked))
        # The same task for both, so that the task alone says nothing.
        made.append(widen.row(carrier, "benign", "benign", "document", "graft-carrier", **asked))
    made += [widen.row(grafts.readme(rng), "benign", "benign", "document", "readme") for _ in range(count // 4)]
    return made


def task_of(rng, requests):
    """What a user may have asked: the beginning of a request that people typed."""
    return rng.choice(requests)[:160]


def cut(pieces, wp, row, rng=None):
    """`(input, label)` windows of one row; with `rng`, one as training takes it, else all."""
    task = wp.encode(row["task"])[:TASK] + [wordpiece.SEP] if row.get("task") else []
    body = BODY - len(task)
    stride = min(STRIDE, body)
    starts = list(range(0, max(1, len(pieces) - (body - stride)), stride))
    label = ATTACK if row["label"] == "injection" else BENIGN
    if rng and label and "payload" in row:
        start, end = row["payload"]
        first = len(wp.encode(row["text"][:start]))
        last = first + len(wp.encode(row["text"][start:end]))
        # Wherever the cut falls at run time: a random offset that shows at least half of the payload or twelve pieces.
        need = min(12, max(1, (last - first) // 2))
        starts = [max(0, min(rng.randint(first - body + need, last - need), max(0, len(pieces) - 8)))]
    elif rng:
        starts = starts[:1] if label else [rng.choice(starts)]
    return [([wordpiece.CLS] + pieces[s:s + body] + [wordpiece.SEP] + task, label) for s in starts]


def passages(row, rng):
    """Up to two passages of a long text, so that not all of it is cut into pieces for two windows."""
    text = row["text"]
    if len(text) <= PASSAGE or "payload" in row:
        return [text]
    at = rng.randrange(len(text) - PASSAGE // 2)
    # An attack without a marked place opens with what makes it one more often than it holds it anywhere else.
    return [text[:PASSAGE], text[at:at + PASSAGE]] if row["label"] == "injection" or rng.random() < 0.5 else [text[at:at + PASSAGE]]


def training(rows, wp, seed):
    """All training windows: `(ids, label, channel, group)`."""
    rng, out = random.Random(seed), []
    for row in rows:
        if held_out(row):
            continue
        channel = USER if row["channel"] == "user" else DOCUMENT
        name = (group(row), row["label"])
        for text in passages(row, rng):
            out += [(ids, label, channel, name) for ids, label in cut(wp.encode(text), wp, row, rng)]
    return out


def weights(items):
    """A weight per window: large groups count by their root, and each channel has as many attacks as benign windows."""
    counts = {}
    for _, label, channel, name in items:
        counts[(channel, label, name)] = counts.get((channel, label, name), 0) + 1
    share = {k: n ** 0.6 * FACTOR.get(k[2][0], 1.0) for k, n in counts.items()}
    total = {}
    for (channel, label, _), s in share.items():
        total[(channel, label)] = total.get((channel, label), 0) + s
    return [share[(c, y, g)] / counts[(c, y, g)] / total[(c, y)] for _, y, c, g in items]
