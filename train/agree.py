#!/usr/bin/env python3
"""Writes texts with their pieces and log-odds, by which the Rust encoder is held to this tokenizer and to another engine.

    python train/agree.py --model crates/mantlet-guard/data --out testdata/guard/encoder.jsonl
"""

import argparse
import json
import random

import numpy
import onnxruntime

import widen
import windows
import wordpiece

ODD = ["", "   ", "İstanbul ΣΊΣΥΦΟΣ straße ﬁne", "a" * 65, "naïve café\u0301", "zero\u200bwidth\u00adhyphen", "e\u0301\u0327 x\u20dd", "日本語テスト。한국어 हिन्दी عربى", "tab\tnew\nline\u2028sep\u3000end", "😀👩‍👩‍👧 €5 → ①", "don't [SEP] ##ing [CLS]", "½ ² ﷺ Ǆ ẞ"]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", required=True)
    options.add_argument("--out", required=True)
    o = options.parse_args()
    wp = wordpiece.WordPiece(open(f"{o.model}/encoder-vocab.txt").read().split("\n")[:-1])
    engine = onnxruntime.InferenceSession(f"{o.model}/encoder.onnx")
    rng = random.Random(11)
    rows = rng.sample(list(widen.generate(11, 3000)), 200)
    with open(o.out, "w") as out:
        for index, text in enumerate(ODD + [r["text"][:160] for r in rows]):
            pieces = wp.encode(text)[: windows.BODY]
            line = {"text": text, "pieces": pieces}
            if index < 16:
                ids = numpy.array([wordpiece.CLS] + pieces + [wordpiece.SEP])
                logits = engine.run(None, {"ids": ids, "places": numpy.arange(len(ids))})[0][0]
                line["logits"] = [round(float(x), 4) for x in logits]
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
