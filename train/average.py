#!/usr/bin/env python3
"""Averages a student with one that was exported before (Wortsman et al., "Model soups", arXiv 2203.05482).

    git show REVISION:crates/mantlet-guard/data/encoder.onnx > former.onnx
    python train/average.py --student target/student --former former.onnx --share 0.75 --out target/averaged

Both began with the same base and the same seed, so a mean of their weights is a model too, and one that keeps what both learned.
The table of pieces is the base's in both, cut to the student's vocabulary.
"""

import argparse
import os
import shutil

import numpy as np
import onnx
import torch
from onnx import numpy_helper

import student


def former(path, layers):
    """The state of a student, from a graph that `export.py` wrote."""
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    plain = lambda name: torch.tensor(weights[name].copy())
    linear = lambda name: (torch.tensor((weights[f"{name}.weight"].astype(np.float32) * weights[f"{name}.scale"]).T.copy()), plain(f"{name}.bias"))
    root, state = (student.HIDDEN // student.HEADS) ** -0.5, {}
    for layer in range(layers):
        at = f"layers.{layer}."
        (q, q_bias), (k, k_bias), (v, v_bias) = (linear(at + name) for name in "qkv")
        # The graph has the root of the width of a head in the queries.
        state[at + "qkv.weight"], state[at + "qkv.bias"] = torch.cat([q / root, k, v]), torch.cat([q_bias / root, k_bias, v_bias])
        for name in ("out", "up", "down"):
            state[f"{at}{name}.weight"], state[f"{at}{name}.bias"] = linear(at + name)
        for name in ("norm1", "norm2"):
            state[f"{at}{name}.weight"], state[f"{at}{name}.bias"] = plain(f"{at}{name}.weight"), plain(f"{at}{name}.bias")
    for name in ("norm.weight", "norm.bias", "places.weight", "mix.weight", "mix.bias", "head.weight", "head.bias"):
        state[name] = plain(name)
    return state


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("student", "former", "out"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--share", type=float, required=True, help="of the former one")
    o = options.parse_args()
    state = torch.load(f"{o.student}/checkpoint.pt")
    for name, weight in former(o.former, state["layers"]).items():
        state["model"][name] = (1 - o.share) * state["model"][name] + o.share * weight
    os.makedirs(o.out, exist_ok=True)
    torch.save({"model": state["model"], "step": state["step"], "layers": state["layers"]}, f"{o.out}/checkpoint.pt")
    shutil.copy(f"{o.student}/vocab.json", o.out)


if __name__ == "__main__":
    main()
