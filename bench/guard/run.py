"""The guard beside its peers on the same rows.

    python bench/guard/run.py --mantlet target/release/mantlet --data dev.jsonl.gz [--npm DIR]

Each detector reads JSON lines `{"text","channel"}` and gives one `{"score"}` for each. The threshold of each is the one at which at
most 1 % of its own ordinary benign rows of a channel are flagged; over-defence is what it leaves alone of benign rows full of trigger
words. Prints a Markdown table. What is not installed is left out.
"""

import argparse
import collections
import gzip
import json
import pathlib
import resource
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def read(path):
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def channel_of(row):
    return "document" if row["channel"] in ("document", "tool") else "user"


def ask(command, rows, **more):
    """Scores of all rows, and microseconds of processor time for each."""
    lines = "".join(json.dumps({"text": row["text"], "channel": row["channel"]}) + "\n" for row in rows)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    scores = [json.loads(line)["score"] for line in done.stdout.decode().splitlines()]
    if len(scores) != len(rows):
        raise SystemExit(f"{command}: {len(scores)} answers to {len(rows)} rows, exit {done.returncode}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return scores, spent / len(rows) * 1e6


def threshold(benign, rate):
    """The largest score that must not be flagged."""
    falling = sorted(benign, reverse=True)
    return falling[int(len(falling) * rate)] if falling else float("inf")


def figures(rows, scores, rate=0.01):
    limits = {
        channel: threshold([s for s, r in zip(scores, rows) if channel_of(r) == channel and r["label"] == "benign"
                            and r["kind"] != "over-defence"], rate)
        for channel in ("user", "document")
    }
    groups = collections.defaultdict(list)
    for score, row in zip(scores, rows):
        flagged = score > limits[channel_of(row)]
        if row["label"] != "benign":
            groups["recall", row["source"], row["kind"]].append(flagged)
        elif row["kind"] == "over-defence":
            groups["correct", row["source"], row["kind"]].append(not flagged)
    shares = {key: sum(hits) / len(hits) for key, hits in groups.items()}
    of = lambda measure, kind=None: [s for (m, _, k), s in shares.items() if m == measure and kind in (None, k)]
    mean = lambda values: sum(values) / len(values) if values else float("nan")
    return {
        "macro recall": mean(of("recall")),
        **{kind: mean(of("recall", kind)) for kind in ("direct", "jailbreak", "indirect")},
        "over-defence": mean(of("correct")),
    }


def detectors(given):
    yield "mantlet", [given.mantlet, "guard", "scan"], {}
    yield "eight regexes", [sys.executable, HERE / "regexes.py"], {}
    if given.npm:
        # Modules are found from where the script lies.
        script = pathlib.Path(given.npm) / "peers.mjs"
        script.write_bytes((HERE / "peers.mjs").read_bytes())
        for name in ("vard", "llm_guardrail"):
            yield name, ["node", script, name], {"cwd": given.npm}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--mantlet", required=True, help="the binary")
    arguments.add_argument("--data", required=True, nargs="+")
    arguments.add_argument("--npm", help="a directory with node_modules")
    given = arguments.parse_args()
    rows = [row for path in given.data for row in read(path)]
    names = ["macro recall", "direct", "jailbreak", "indirect", "over-defence"]
    print(f"| detector | {' | '.join(names)} | CPU per text |\n|---|{'---|' * (len(names) + 1)}")
    for name, command, more in detectors(given):
        scores, micros = ask(command, rows, **more)
        found = figures(rows, scores)
        print(f"| {name} | {' | '.join(f'{found[key]:.3f}' for key in names)} | {micros:,.0f} us |", flush=True)


if __name__ == "__main__":
    main()
