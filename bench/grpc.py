#!/usr/bin/env python3
"""Server CPU time per request over gRPC beside REST, on the same server and connections of the same kind, in one run.

    bench/grpc.py [--seconds 5] [--rounds 3] [--connections 16]

Both are asked over TLS by one load generator (crates/mantlet/examples/load.rs), one row a request, each connection with
one request under way; they take turns, so that whatever else the machine does falls on both. CPU µs/request = (utime +
stime of the server) / answered requests; figures are medians of rounds. The goal is gRPC within 30 µs of REST. The binary
is $MANTLET_BIN, else target/dist/mantlet; the generator $MANTLET_LOAD, else target/dist/examples/load:
`cargo build --profile dist -p mantlet --bins --example load`.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("MANTLET_BIN", str(TARGET / "dist/mantlet"))
LOAD = os.environ.get("MANTLET_LOAD", str(TARGET / "dist/examples/load"))
TICK = os.sysconf("SC_CLK_TCK")
GOAL_US = 30

# Names, protocol, version of HTTP. The first is what the others are held against.
KINDS = [
    ("REST, JSON, HTTP/1.1", "rest", "h1"),
    ("REST, JSON, HTTP/2", "rest", "h2"),
    ("REST, binary tensors, HTTP/2", "rest-binary", "h2"),
    ("gRPC, raw tensors", "grpc", "h2"),
]


def clean(**more):
    return {name: value for name, value in os.environ.items() if not name.startswith("MANTLET_")} | more


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def serve(work, durability):
    home = work / "home"
    subprocess.run([BINARY, "init", home, "--demo", "--json"], check=True, capture_output=True, env=clean())
    config = home / "mantlet.toml"
    text = config.read_text()
    if durability == "os":
        text = re.sub(r"(?m)^\[danger\]$", "[danger]\naudit_os = true", text)
    config.write_text(text + f'\n[audit]\ndurability = "{durability}"\n')
    out = subprocess.run(
        [BINARY, "key", "create", "--home", home, "--consumer", "bench", "--model", "breast-cancer", "--rate",
         "60000000/min", "--json"], check=True, capture_output=True, env=clean())
    process = subprocess.Popen(
        [BINARY, "serve", "--home", home, "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE,
        stderr=open(work / "serve.log", "w"), text=True, env=clean())
    return process, json.loads(process.stdout.readline())["listen"], home, json.loads(out.stdout)["key"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--durability", choices=["group", "os"], default="group")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        process, listen, home, key = serve(pathlib.Path(work), options.durability)
        figures = {name: [] for name, _, _ in KINDS}
        try:
            for _ in range(options.rounds):
                for name, protocol, version in KINDS:
                    before = cpu_seconds(process.pid)
                    out = subprocess.run(
                        [LOAD, listen, home / ("grpc.pem" if version == "h2" else "ca.pem"), protocol, version, str(options.connections), str(options.seconds)],
                        check=True, capture_output=True, text=True, env=clean(MANTLET_API_KEY=key))
                    told = json.loads(out.stdout)
                    if told["failed"] or not told["answered"]:
                        sys.exit(f"{name}: {told}")
                    spent = cpu_seconds(process.pid) - before
                    figures[name].append((1e6 * spent / told["answered"], told["answered"] / options.seconds,
                                          told["p50_us"], told["p99_us"]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
    print(f"{options.connections} connections, durability `{options.durability}`")
    print("| asked over | CPU µs/request | req/s | p50 / p99 µs |\n|---|---|---|---|")
    medians = {}
    for name, rounds in figures.items():
        cpu, rate, p50, p99 = (statistics.median(column) for column in zip(*rounds))
        medians[name] = cpu
        print(f"| {name} | {cpu:.1f} | {rate:,.0f} | {p50:.0f} / {p99:.0f} |")
    grpc = medians["gRPC, raw tensors"]
    for name in ("REST, JSON, HTTP/1.1", "REST, JSON, HTTP/2"):
        beyond = grpc - medians[name]
        print(f"gRPC beyond {name}: {beyond:+.1f} µs (goal ≤ {GOAL_US}: {'met' if beyond <= GOAL_US else 'missed'})")


if __name__ == "__main__":
    main()
