"""The guard beside its peers on the same rows, and what else is promised of it. One command, Markdown out:

    python bench/guard/run.py --mantlet target/release/mantlet --data dev.jsonl.gz --peers target/guard-peers

Each detector reads JSON lines `{"text","channel"}` and gives one `{"score"}` for each. The threshold of each is the one at which at
most 1 % of its own ordinary benign rows of a channel are flagged; over-defence is what it leaves alone of benign rows full of trigger
words. Peers are installed into the directory that is named, by npm and pip, in the versions below.
"""

import argparse
import collections
import datetime
import gzip
import json
import pathlib
import random
import resource
import subprocess
import sys

from encodings_of_texts import ENCODINGS

HERE = pathlib.Path(__file__).parent
NPM = ["@andersmyrmel/vard@1.2.0", "llm_guardrail@2.1.2"]
PYPI = ["nukon-pi-detect==0.1.0", "injectionshield==0.1.0", "prompt-injection-shield-py==0.1.0"]
SEED = 7
FPR = 0.01


def read(path):
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def channel_of(row):
    return "document" if row["channel"] in ("document", "tool") else "user"


def ask(command, rows, **more):
    """Answers to all rows, and microseconds of processor time for each."""
    lines = "".join(json.dumps({"text": row["text"], "channel": row["channel"]}) + "\n" for row in rows)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, input=lines.encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, **more)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    if len(answers) != len(rows):
        raise SystemExit(f"{command}: {len(answers)} answers to {len(rows)} rows, exit {done.returncode}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return answers, spent / len(rows) * 1e6


def threshold(benign, rate=FPR):
    """The largest score that must not be flagged."""
    falling = sorted(benign, reverse=True)
    return falling[int(len(falling) * rate)] if falling else float("inf")


def is_ordinary(row):
    return row["label"] == "benign" and row["kind"] != "over-defence"


def figures(rows, scores):
    limits = {
        channel: threshold([s for s, r in zip(scores, rows) if channel_of(r) == channel and is_ordinary(r)])
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


def peers(directory):
    """Names and commands of peers, installed if they are not."""
    directory = pathlib.Path(directory).resolve()
    npm, venv = directory / "npm", directory / "venv"
    if not (npm / "node_modules").exists():
        npm.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", *NPM], cwd=npm, check=True)
    if not venv.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", "--no-deps", *PYPI], check=True)
    # Modules are found from where the script lies.
    script = npm / "peers.mjs"
    script.write_bytes((HERE / "peers.mjs").read_bytes())
    for name in ("vard", "llm_guardrail"):
        yield f"{name} (npm)", ["node", script, name], {"cwd": npm}
    for requirement in PYPI:
        name = requirement.partition("==")[0]
        yield f"{name} (PyPI)", [venv / "bin/python", (HERE / "peers.py").resolve(), name], {}


def beside_peers(given, rows):
    names = ["macro recall", "direct", "jailbreak", "indirect", "over-defence"]
    print(f"\n| detector | {' | '.join(names)} | CPU per text |\n|---|{'---|' * (len(names) + 1)}")
    detectors = [
        ("mantlet", [given.mantlet, "guard", "scan"], {}), ("mantlet, words only", [given.mantlet, "guard", "scan", "--words-only"], {}),
        ("eight regexes", [sys.executable, HERE / "regexes.py"], {}),
        *(peers(given.peers) if given.peers else []),
    ]
    for name, command, more in detectors:
        answers, micros = ask(command, rows, **more)
        found = figures(rows, [answer["score"] for answer in answers])
        print(f"| {name} | {' | '.join(f'{found[key]:.3f}' for key in names)} | {micros:,.0f} us |", flush=True)


def by_source(given):
    """What `guard bench` says of each source, by words alone and with the encoder."""
    told = []
    for more in (["--words-only"], ["--mutate", str(given.mutate)]):
        done = subprocess.run([given.mantlet, "guard", "bench", "--json", *more, *given.data], stdout=subprocess.PIPE, check=True)
        told.append(json.loads(done.stdout))
    words, both = told
    share = lambda of: f"{of['share']:.3f} ({of['low']:.3f} to {of['high']:.3f})"
    print("\n| source | kind | channel | texts | measure | words only (95 %) | with the encoder (95 %) |\n|---|---|---|---|---|---|---|")
    for one, two in zip(words["sources"], both["sources"], strict=True):
        print(f"| {two['source']} | {two['kind']} | {two['channel']} | {two['of']} | {two['measure']} | {share(one)} | {share(two)} |")
    print(f"| mean recall | | | | | {words['macro_recall']:.3f} | {both['macro_recall']:.3f} |")
    for channel, of in both["channels"].items():
        print(f"\nAUC {channel}: {words['channels'][channel]['auc']:.3f} words only, {of['auc']:.3f} with the encoder.", end="")
    percent = lambda of: f"{of['share'] * 100:.2f} % ({of['hits']} of {of['of']})"
    print("\n\n| shipped verdict | benign called attack | benign called suspect or worse | attacks called attack | attacks called suspect or worse |\n|---|---|---|---|---|")
    for of in both["verdicts"]:
        print(f"| {of['channel']} | {percent(of['false_attacks'])} | {percent(of['false_suspects'])} | {percent(of['attacks'])} | {percent(of['suspects'])} |")
    print("\n| bytes up to | texts | words only p50 / p99 | with the encoder p50 / p99 |\n|---|---|---|---|")
    for one, two in zip(words["latency"], both["latency"], strict=True):
        length = two["bytes_up_to"] if two["bytes_up_to"] < 1 << 40 else "longer"
        print(f"| {length} | {two['texts']} | {one['p50_us']:,.0f} / {one['p99_us']:,.0f} us | {two['p50_us']:,.0f} / {two['p99_us']:,.0f} us |")
    encoder, mutation = both["encoder"], both["mutation"]
    print(f"\nWords: {words['us_per_kib']:.1f} us for 1024 bytes. The encoder was asked about {encoder['asked']['share'] * 100:.1f} % of texts, "
          f"{encoder['windows']} windows, {encoder['ms_per_window']:.2f} ms each.")
    print(f"\nChanged up to {mutation['changes_max']} times, {percent(mutation['passed'])} of detected attacks pass undetected; the last changes: "
          + ", ".join(f"{name} {count}" for name, count in sorted(mutation["last_changes"].items(), key=lambda of: -of[1])) + ".")


def verdicts(given, rows):
    return [answer["verdict"] == "attack" for answer in ask([given.mantlet, "guard", "scan"], rows)[0]]


def encoded(given, rows):
    """Whether what is an attack stays one in a code, and what is none stays none."""
    rng = random.Random(SEED)
    short = [row for row in rows if 20 <= len(row["text"]) <= 600]
    attacks = [row for row in short if row["label"] != "benign"]
    attacks = [row for row, caught in zip(attacks, verdicts(given, attacks)) if caught]
    attacks = rng.sample(attacks, min(150, len(attacks)))
    benign = rng.sample([row for row in short if is_ordinary(row)], 200)
    print(f"\n| code | of {len(attacks)} detected attacks still called one | of {len(benign)} benign texts called an attack |\n|---|---|---|")
    kept = flagged = 0
    for name, encode in ENCODINGS.items():
        made = verdicts(given, [row | {"text": encode(row["text"])} for row in attacks + benign])
        one, two = sum(made[:len(attacks)]), sum(made[len(attacks):])
        kept, flagged = kept + one, flagged + two
        print(f"| {name} | {one / len(attacks):.3f} | {two / len(benign):.3f} |")
    print(f"| all | {kept / len(attacks) / len(ENCODINGS):.3f} | {flagged / len(benign) / len(ENCODINGS):.3f} |")


def long_documents(given, rows):
    """Payloads in the middle of documents of some ten thousand characters, beside the documents alone."""
    rng = random.Random(SEED)
    carriers = [row["text"] for row in rows if channel_of(row) == "document" and is_ordinary(row)]
    payloads = [row for row in rows if row["label"] != "benign" and 30 <= len(row["text"]) <= 400]
    made = []
    for _ in range(200):
        text = "\n\n".join(rng.sample(carriers, 4))
        middle = text.find("\n", len(text) // 2)
        payload = rng.choice(payloads)
        made.append((text, f"{text[:middle]}\n{payload['text']}\n{text[middle:]}", payload["channel"]))
    rowed = lambda texts: [{"text": text, "channel": "document"} for text in texts]
    scores = lambda texts: [answer["score"] for answer in ask([given.mantlet, "guard", "scan"], rowed(texts))[0]]
    alone, holding = scores([one[0] for one in made]), scores([one[1] for one in made])
    limit = threshold(alone)
    print("\n| payload | long documents that hold it | flagged at 1 % of the documents alone | called an attack |\n|---|---|---|---|")
    for channel in ("user", "document"):
        own = [score for score, one in zip(holding, made) if one[2] == channel]
        print(f"| written for the {channel} channel | {len(own)} | {sum(s > limit for s in own) / len(own):.3f} | {sum(s >= 0.5 for s in own) / len(own):.3f} |")
    print(f"| none | {len(alone)} | | {sum(s >= 0.5 for s in alone) / len(alone):.3f} |")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--mantlet", required=True, help="the binary")
    arguments.add_argument("--data", required=True, nargs="+")
    arguments.add_argument("--peers", help="a directory for peers")
    arguments.add_argument("--mutate", type=int, default=10, help="changes to an attack, at most")
    given = arguments.parse_args()
    rows = [row for path in given.data for row in read(path)]
    print(f"{datetime.date.today()}, {len(rows)} texts")
    by_source(given)
    beside_peers(given, rows)
    encoded(given, rows)
    long_documents(given, rows)


if __name__ == "__main__":
    main()
