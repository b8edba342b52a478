#!/usr/bin/env python3
"""One explanation of 30 features on a tree ensemble, beside shap's TreeExplainer and KernelExplainer, in one run.

    bench/explain.py [--rounds 5] [--explanations 1000]

Ours is asked over HTTP on loopback and pays for authentication, policy, limits and the audit log; shap is called in
process. All have the same model (bc-gbdt: 80 trees of depth 3, 30 features), the same background rows and the same rows to
explain, and take turns, so that whatever else the machine does falls on all of them.

Goals: at most a twentieth of KernelExplainer's CPU time, and no more than TreeExplainer's. What counts is CPU time, ours that
of the server process with everything around the explanation; elapsed time, which has a round trip in it, stands beside it.
Exits 1 if a goal is missed. A debug build misses them, and says nothing: the binary is $MANTLET_BIN, else
target/dist/mantlet. The engine by itself: `cargo bench -p mantlet-models --bench explain`.

Needs shap, onnx, onnxruntime, numpy: `pip install shap==0.51.0 onnx onnxruntime`.
"""

import argparse
import csv
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import onnx
import onnxruntime
import shap

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "conformance"))
from make_explanations import trees  # noqa: E402

MODELS = ROOT / "testdata/models/breast_cancer"
BINARY = os.environ.get("MANTLET_BIN", str(ROOT / "target/dist/mantlet"))


def run(*arguments):
    return subprocess.run([BINARY, *arguments], check=True, capture_output=True, text=True).stdout


def serve(work):
    """A home with the model, a running server, and a key that no limit stops."""
    home, package = work / "home", work / "bc-gbdt"
    run("init", str(home), "--demo", "--json")
    package.mkdir()
    (package / "model.onnx").write_bytes((MODELS / "bc-gbdt.onnx").read_bytes())
    (package / "mantlet-model.toml").write_text('name = "bc-gbdt"\nthreshold = 0.0\n')
    run("model", "profile", str(package), "--reference", str(MODELS / "train.csv"))
    run("model", "add", str(package), "--home", str(home))
    key = json.loads(run("key", "create", "--home", str(home), "--consumer", "bench", "--model", "bc-gbdt",
                         "--rate", "60000000/min", "--json"))["key"]
    server = subprocess.Popen([BINARY, "serve", "--home", str(home), "--listen", "127.0.0.1:0", "--plaintext-loopback",
                               "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    listen = json.loads(server.stdout.readline())["listen"]
    profile = json.loads((package / "profile.json").read_text())
    return server, listen, key, numpy.array(profile["background"]["rows"], dtype=numpy.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--explanations", type=int, default=1000)
    parser.add_argument("--kernel", type=int, default=3, help="explanations of KernelExplainer in a round")
    options = parser.parse_args()
    with open(MODELS / "test.csv") as file:
        rows = [[float(cell) for cell in row[:-1]] for row in list(csv.reader(file))[1:]]
    with tempfile.TemporaryDirectory() as directory:
        server, listen, key, background = serve(pathlib.Path(directory))
        try:
            sys.exit(compare(options, rows, server.pid, listen, key, background))
        finally:
            server.terminate()
            server.wait()


def cpu_seconds(pid):
    """User and system time of a process and all threads that it has had."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What may be spent at most, as a share of what each of them spends.
GOALS = {"shap KernelExplainer": 1 / 20, "shap TreeExplainer": 1.0}


def compare(options, rows, pid, listen, key, background):
    connection = http.client.HTTPConnection(listen)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ours(row):
        connection.request("POST", "/v2/models/bc-gbdt/explain", json.dumps({"features": row}), headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)

    path = MODELS / "bc-gbdt.onnx"
    made, _ = trees(onnx.load(path).graph.node[0])
    tree = shap.TreeExplainer({"trees": made}, data=background.astype(float), feature_perturbation="interventional")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    said = lambda x: session.run(["probabilities"], {"input": x.astype(numpy.float32)})[0][:, 1]
    kernel = shap.KernelExplainer(said, background)

    answer = ours(rows[0])
    assert answer["explanation"]["method"] == "tree"
    sign = 1 if answer["result"] == "1" else -1
    expect = tree.shap_values(numpy.array(rows[:1]), check_additivity=False)[0]
    found = [sign * item["value"] for item in answer["explanation"]["attributions"]]
    print(f"largest difference from TreeExplainer: {numpy.abs(expect - found).max():.1e}")

    ways = {
        "mantlet, over HTTP": (ours, lambda row: row, options.explanations),
        "shap TreeExplainer": (lambda x: tree.shap_values(x, check_additivity=False),
                               lambda row: numpy.array([row]), options.explanations),
        "shap KernelExplainer": (lambda x: kernel.shap_values(x, silent=True), lambda row: numpy.array(row), options.kernel),
    }
    clocks = {way: time.process_time for way in ways} | {"mantlet, over HTTP": lambda: cpu_seconds(pid)}
    elapsed, spent = {way: [] for way in ways}, {way: 0.0 for way in ways}
    for call, prepare, _ in ways.values():
        call(prepare(rows[0]))  # what is done once is nobody's explanation
    for _ in range(options.rounds):
        for way, (call, prepare, count) in ways.items():
            prepared = [prepare(rows[index % len(rows)]) for index in range(count)]
            began, before = time.perf_counter(), clocks[way]()
            for row in prepared:
                call(row)
            spent[way] += (clocks[way]() - before) / count / options.rounds
            elapsed[way].append((time.perf_counter() - began) / count)
    own = spent["mantlet, over HTTP"]
    print(f"{'one explanation':24} {'CPU µs':>12} {'of ours':>10} {'elapsed µs':>12}")
    for way in ways:
        print(f"{way:24} {spent[way] * 1e6:12.1f} {spent[way] / own:9.2f}× {statistics.median(elapsed[way]) * 1e6:12.1f}")
    missed = 0
    for way, share in GOALS.items():
        met = own <= share * spent[way]
        missed += not met
        print(f"{'met' if met else 'MISSED'}: {own / spent[way]:.4f} of {way}'s CPU time, at most {share:g}")
    return min(missed, 1)


if __name__ == "__main__":
    main()
