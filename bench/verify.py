#!/usr/bin/env python3
"""Verification of a signed model beside OpenSSF's model-signing and beside the plainest loop that reads and hashes.

All in one interleaved run over the same files in the page cache: CPU time (utime + stime of each process) and elapsed time,
the smallest of the rounds. One core is `taskset -c 0`, which all programs see as a machine with one.

    bench/verify.py [--size MIB] [--rounds N] [--target DIR] [--python BIN/python]

Binaries are built and model-signing is installed (under `target`) by the first run. `--python BIN/python` names one that has it,
with pyOpenSSL and blake3; `--python none` leaves its rows out.
"""

import argparse
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import prepared

SHARDS = 8
PEERS = ["model-signing==1.1.1", "pyOpenSSL", "blake3"]


def measure(command, cores):
    """CPU seconds and elapsed seconds of one run."""
    pinned = ["taskset", "-c", ",".join(map(str, range(cores)))] + list(map(str, command))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(pinned, capture_output=True, text=True)
    elapsed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(pinned)}: {done.stdout}{done.stderr}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, elapsed


def model(directory, mebibytes):
    """Eight files of random bytes and a small one."""
    directory.mkdir()
    source = random.Random(0)
    for shard in range(SHARDS):
        with open(directory / f"weights-{shard}.bin", "wb") as file:
            left = (mebibytes << 20) // SHARDS
            while left > 0:
                file.write(source.randbytes(min(left, 1 << 20)))
                left -= 1 << 20
    (directory / "config.json").write_text("{}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="MiB in all [2048]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--target", type=pathlib.Path, default=prepared.ROOT / "target/release", help="where the binaries are")
    parser.add_argument("--python", type=pathlib.Path, help="a Python with model-signing")
    parser.add_argument("--scratch", type=pathlib.Path, help="where the model is made; a file system in memory is best")
    options = parser.parse_args()
    mantlet = prepared.program(options.target / "mantlet", "--package", "mantlet")
    loop = prepared.program(options.target / "examples/hash_loop", "--package", "mantlet-models", "--example", "hash_loop")
    options.python = prepared.python(options.python, *PEERS)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=options.scratch))
    try:
        run(options, mantlet, loop, scratch)
    finally:
        shutil.rmtree(scratch)


def run(options, mantlet, loop, scratch):
    directory, lone, tiny = scratch / "model", scratch / "lone.bin", scratch / "tiny"
    model(directory, options.size)
    files = sorted(directory.iterdir())
    with open(lone, "wb") as whole:
        for path in files:
            whole.write(path.read_bytes())
    tiny.mkdir()
    (tiny / "config.json").write_text("{}")
    key = scratch / "author.key"
    public = f"{key}.pub"
    quietly = {"check": True, "capture_output": True}
    subprocess.run([mantlet, "model", "keygen", key], **quietly)
    signed = {}
    for name, path, more in (
        ("sha256", directory, []), ("blake3", directory, ["--hash", "blake3"]), ("tiny", tiny, []), ("lone", lone, []),
        ("lone, in shards", lone, ["--shard-size", str(64 << 20)]),
    ):
        signed[name] = scratch / f"{name}.sig"
        subprocess.run([mantlet, "model", "sign", path, "--key", key, "--signature", signed[name], *more], **quietly)

    def verify(path, name):
        return [mantlet, "model", "verify", path, "--signature", signed[name], "--public-key", public]

    rows = {}
    for cores in (1, 2) if (os.cpu_count() or 1) > 1 else (1,):
        rows |= {
            ("read only", cores): [loop, "read", cores, *files],
            ("read + SHA-256", cores): [loop, "sha256", cores, *files],
            ("mantlet model verify", cores): verify(directory, "sha256"),
            ("read + BLAKE3", cores): [loop, "blake3", cores, *files],
            ("mantlet model verify, blake3", cores): verify(directory, "blake3"),
            ("mantlet model verify, one file", cores): verify(lone, "lone"),
            ("mantlet model verify, one file in shards", cores): verify(lone, "lone, in shards"),
        }
        if options.python:
            program = options.python.parent / "model_signing"
            theirs = [program, "verify", "key", directory, "--public_key", public, "--signature"]
            rows[("model_signing verify key", cores)] = [*theirs, signed["sha256"]]
            # Its command hashes by SHA-256 alone; its library as the manifest says.
            call = "import sys; from model_signing import verifying; model, signature, key = sys.argv[1:]; "
            call += "verifying.Config().use_elliptic_key_verifier(public_key=key).verify(model, signature)"
            rows[("model_signing, blake3", cores)] = [options.python, "-c", call, directory, signed["blake3"], public]
    rows[("mantlet model verify, two bytes", 1)] = verify(tiny, "tiny")
    if options.python:
        started = [options.python.parent / "model_signing", "verify", "key", tiny, "--public_key", public]
        rows[("model_signing verify key, two bytes", 1)] = [*started, "--signature", signed["tiny"]]
    best = {}
    for number in range(options.rounds):
        for row, command in rows.items():
            figures = measure(command, row[1])
            best[row] = tuple(map(min, zip(figures, best.get(row, figures))))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    gigabytes = (options.size << 20) / 1e9
    print(f"{options.size} MiB in {SHARDS} files and a small one, smallest of {options.rounds} rounds\n")
    print("| what | cores | CPU s | elapsed s | GB per CPU s | GB/s |\n|---|---|---|---|---|---|")
    for (name, cores), (cpu, elapsed) in best.items():
        rates = "– | –" if name.endswith("two bytes") else f"{gigabytes / max(cpu, 1e-9):.2f} | {gigabytes / elapsed:.2f}"
        print(f"| {name} | {cores} | {cpu:.3f} | {elapsed:.3f} | {rates} |")
    print()
    cpu = lambda name, cores=1: best[(name, cores)][0]
    print(f"verify per CPU second, of the plain loop: {cpu('read + SHA-256') / max(cpu('mantlet model verify'), 1e-9):.1%}")
    if ("mantlet model verify", 2) in best:
        ratio = best[("mantlet model verify", 1)][1] / best[("mantlet model verify", 2)][1]
        print(f"two cores beside one, elapsed: {ratio:.2f}x")
    if options.python:
        for more in ("", ", blake3"):
            theirs = cpu("model_signing verify key")
            print(f"beside model_signing verify{more or ', sha256'}: {theirs / max(cpu('mantlet model verify' + more), 1e-9):.2f}x")


if __name__ == "__main__":
    main()
