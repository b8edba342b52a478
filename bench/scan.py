#!/usr/bin/env python3
"""Scanning model files beside picklescan, ModelScan and fickling, in one run over the same files.

    bench/scan.py [--mantlet BIN] [--rounds N] [--corpus DIR] [--scratch DIR] [--python BIN/python]

Every figure is CPU time (utime + stime) of processes, the median of the rounds, but for memory, which is the peak of the
resident set. One file's time is the time of a command over the whole corpus without that of a command over one empty
pickle, divided by the number of files, and for mantlet the median over files of the same (each named 50 times to one command).
The binary is built and the three peers are installed (under `target`) by the first run. `--python BIN/python` names one that has
them; `--python none` leaves their rows out. `--scratch` takes two files of 1 GiB; a file system in memory is best.
"""

import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile

import prepared

ROOT = prepared.ROOT
PACKAGES = ["picklescan==1.0.5", "modelscan==0.8.8", "fickling", "typing_extensions"]
GIBIBYTE = 1 << 30
REPEATED = 50
PEERS = {
    "picklescan": "from picklescan.cli import main; main()",
    "modelscan": "from modelscan.cli import main; main()",
}
# Its command takes one file at a time, so its library is called as the command does. What it cannot read costs what it costs.
FICKLING = """
import sys
from fickling.analysis import check_safety
from fickling.fickle import StackedPickle
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            for pickled in StackedPickle.load(file):
                check_safety(pickled)
    except Exception:
        pass
"""


def run(command):
    """CPU seconds and peak resident bytes of one process tree's first process."""
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(list(map(str, command)), stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1, 2):
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def median(rounds, command):
    return statistics.median(run(command)[0] for _ in range(rounds))


def safetensors(path):
    header = json.dumps({"w": {"dtype": "U8", "shape": [GIBIBYTE], "data_offsets": [0, GIBIBYTE]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + GIBIBYTE)


def gguf(path):
    """One tensor of bytes (`GGML_TYPE_I8`, 24), aligned to 32."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0)
    head += struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, GIBIBYTE, 24, 0)
    head += b"\0" * (-len(head) % 32)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + GIBIBYTE)


def pickled(path):
    """A pickle of protocol 4 with one value of bytes."""
    with open(path, "wb") as file:
        file.write(b"\x80\x04\x8e" + struct.pack("<Q", GIBIBYTE))
        file.seek(GIBIBYTE, os.SEEK_CUR)
        file.write(b".")


def peer(python, name, arguments):
    return [python, "-c", f"import sys; sys.argv[0] = '{name}'; {PEERS[name]}", *arguments]


def corpus_row(name, files, one, all_of_them, start):
    print(f"| {name} | {start * 1e3:.1f} | {(all_of_them - start) / len(files) * 1e3:.3f} | {one} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mantlet", type=pathlib.Path, default=ROOT / "target/release/mantlet")
    parser.add_argument("--corpus", type=pathlib.Path, default=ROOT / "crates/mantlet-scan/testdata/files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", type=pathlib.Path, help="a Python with the peers")
    parser.add_argument("--scratch", type=pathlib.Path, help="where large files are made")
    options = parser.parse_args()
    prepared.program(options.mantlet, "--package", "mantlet")
    options.python = prepared.python(options.python, *PACKAGES)
    files = sorted(path for path in options.corpus.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        scratch = pathlib.Path(scratch)
        empty = scratch / "empty.pkl"
        empty.write_bytes(b"\x80\x04N.")
        scan = [options.mantlet, "model", "scan", "--json"]
        start = median(options.rounds, [*scan, empty])
        each = sorted((run([*scan, *[path] * REPEATED])[0] - start) / REPEATED for path in files)
        p99 = each[min(len(each) - 1, len(each) * 99 // 100)]
        print(f"{len(files)} files of {sum(path.stat().st_size for path in files)} bytes\n")
        print("| program | start, ms | mean a file, ms | median / p99 / largest, ms |\n|---|---|---|---|")
        of_each = f"{statistics.median(each) * 1e3:.3f} / {p99 * 1e3:.2f} / {each[-1] * 1e3:.2f}"
        corpus_row("mantlet", files, of_each, median(options.rounds, [*scan, *files]), start)
        if options.python:
            folder = {"picklescan": ["--path", options.corpus], "modelscan": ["--path", options.corpus]}
            for name, arguments in folder.items():
                begin = median(options.rounds, peer(options.python, name, ["--path", empty]))
                corpus_row(name, files, "–", median(options.rounds, peer(options.python, name, arguments)), begin)
            begin = median(options.rounds, [options.python, "-c", FICKLING, empty])
            corpus_row("fickling", files, "–", median(options.rounds, [options.python, "-c", FICKLING, *files]), begin)
        print("\n| 1 GiB | CPU over start, ms | resident, MiB | beyond the file, MiB |\n|---|---|---|---|")
        for name, write in (("safetensors", safetensors), ("gguf", gguf), ("pickle", pickled)):
            path = scratch / f"large.{name}"
            write(path)
            used = [run([*scan, path]) for _ in range(options.rounds)]
            cpu, resident = statistics.median(cpu for cpu, _ in used) - start, max(bytes_ for _, bytes_ in used)
            beyond = max(0, resident - path.stat().st_size) >> 20
            print(f"| {name} | {max(cpu, 0) * 1e3:.1f} | {resident / (1 << 20):.1f} | {beyond} |")
            if options.python and name == "pickle":
                for other in ("picklescan", "modelscan"):
                    cpu, resident = run(peer(options.python, other, ["--path", path]))
                    print(f"| {name}, {other} | {cpu * 1e3:.0f} | {resident / (1 << 20):.0f} | {max(0, resident - path.stat().st_size) >> 20} |")
            path.unlink()


if __name__ == "__main__":
    main()
