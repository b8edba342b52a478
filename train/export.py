#!/usr/bin/env python3
"""Writes a trained student as ONNX with int8 weights, quantized dynamically, and its vocabulary beside it.

    python train/export.py --student target/student --out crates/mantlet-guard/data

Weights keep 7 bits with a scale for each output, so that processors whose 16-bit sums saturate compute what others do. The
graph takes one window without padding: `ids` and `places`, both `[n]`; it gives `logits` `[1, 2]` (user, document).
"""

import argparse
import json

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import student

LEVELS = 63


class Graph:
    """Nodes and weights in the order in which they are made."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def const(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{kind.lower()}_{self.count}_{i}" for i in range(outputs)]
        self.count += 1
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, name, quantized, weight, bias):
        """`x @ weight.T + bias`, with `quantized` the three outputs of a `DynamicQuantizeLinear`."""
        x, scale, zero = quantized
        steps = np.abs(weight).max(1) / LEVELS
        w = self.const(f"{name}.weight", np.round(weight / steps[:, None]).astype(np.int8).T)
        wzero = self.const(f"{name}.zero", np.zeros(len(steps), np.int8))
        product = self.op("Cast", self.op("MatMulInteger", x, w, zero, wzero), to=TensorProto.FLOAT)
        scaled = self.op("Mul", product, self.op("Mul", scale, self.const(f"{name}.scale", steps.astype(np.float32))))
        return self.op("Add", scaled, self.const(f"{name}.bias", bias))

    def quantize(self, x):
        return self.op("DynamicQuantizeLinear", x, outputs=3)

    def norm(self, name, x, s):
        return self.op("LayerNormalization", x, self.const(f"{name}.weight", s[f"{name}.weight"]), self.const(f"{name}.bias", s[f"{name}.bias"]), epsilon=1e-12, axis=-1)


def attention(g, i, x, s):
    hidden, heads = student.HIDDEN, student.HEADS
    split = g.const(f"split.{i}", np.array([-1, heads, hidden // heads], np.int64))
    q, k, v = (s[f"layers.{i}.qkv.weight"][n * hidden:(n + 1) * hidden] for n in range(3))
    bq, bk, bv = (s[f"layers.{i}.qkv.bias"][n * hidden:(n + 1) * hidden] for n in range(3))
    root = np.float32((hidden // heads) ** -0.5)
    quantized = g.quantize(x)
    part = lambda name, w, b, perm: g.op("Transpose", g.op("Reshape", g.linear(f"layers.{i}.{name}", quantized, w, b), split), perm=perm)
    scores = g.op("MatMul", part("q", q * root, bq * root, [1, 0, 2]), part("k", k, bk, [1, 2, 0]))
    mixed = g.op("MatMul", g.op("Softmax", scores, axis=-1), part("v", v, bv, [1, 0, 2]))
    joined = g.op("Reshape", g.op("Transpose", mixed, perm=[1, 0, 2]), g.const(f"join.{i}", np.array([-1, hidden], np.int64)))
    return g.linear(f"layers.{i}.out", g.quantize(joined), s[f"layers.{i}.out.weight"], s[f"layers.{i}.out.bias"])


def build(s, layers):
    g = Graph()
    steps = np.maximum(np.abs(s["tokens.weight"]).max(1, keepdims=True), 1e-9) / 127
    table = g.const("tokens", np.round(s["tokens.weight"] / steps).astype(np.int8))
    rows = g.op("Cast", g.op("Gather", table, "ids", axis=0), to=TensorProto.FLOAT)
    tokens = g.op("Mul", rows, g.op("Gather", g.const("tokens.scale", steps.astype(np.float32)), "ids", axis=0))
    x = g.norm("norm", g.op("Add", tokens, g.op("Gather", g.const("places.weight", s["places.weight"]), "places", axis=0)), s)
    for i in range(layers):
        x = g.norm(f"layers.{i}.norm1", g.op("Add", x, attention(g, i, x, s)), s)
        up = g.op("Gelu", g.linear(f"layers.{i}.up", g.quantize(x), s[f"layers.{i}.up.weight"], s[f"layers.{i}.up.bias"]), approximate="tanh")
        down = g.linear(f"layers.{i}.down", g.quantize(up), s[f"layers.{i}.down.weight"], s[f"layers.{i}.down.bias"])
        x = g.norm(f"layers.{i}.norm2", g.op("Add", x, down), s)
    first = g.op("Gather", x, g.const("first", np.array([0], np.int64)), axis=0)
    mean = g.op("ReduceMean", x, g.const("axis", np.array([0], np.int64)), keepdims=1)
    both = g.op("Concat", first, mean, axis=1)
    mix = g.op("Gelu", g.op("Gemm", both, g.const("mix.weight", s["mix.weight"]), g.const("mix.bias", s["mix.bias"]), transB=1), approximate="tanh")
    g.nodes.append(helper.make_node("Gemm", [mix, g.const("head.weight", s["head.weight"]), g.const("head.bias", s["head.bias"])], ["logits"], transB=1))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["n"]) for n in ("ids", "places")]
    graph = helper.make_graph(g.nodes, "encoder", inputs, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])], g.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--student", required=True)
    options.add_argument("--out", required=True)
    o = options.parse_args()
    state = torch.load(f"{o.student}/checkpoint.pt")
    kept, _ = json.load(open(f"{o.student}/vocab.json"))
    onnx.save(build({k: v.float().numpy() for k, v in state["model"].items()}, state["layers"]), f"{o.out}/encoder.onnx")
    with open(f"{o.out}/encoder-vocab.txt", "w") as out:
        out.write("\n".join(kept) + "\n")


if __name__ == "__main__":
    main()
