"""Payloads that people wrote, put into documents: attacks on models as found in the wild, and plain requests.

A grammar's attacks share its words; who has seen no others learns the grammar. What users type to models, attack or not,
becomes an attack where a document says it (BIPIA, arXiv 2312.14197), so each text of the user channel is a payload.
"""

import json

from . import attacks, documents

# Longer ones are cut: a window shows no more of them.
PAYLOAD_MAX = 420
CARRIER = (60, 500)


def readme(r):
    """A page on a program, as repositories carry it: badges, links, commands, and imperatives for its readers."""
    say = lambda rule: documents.G.say(r, rule)
    name = say("path_word") + r.choice(["", "-rs", "py", "-cli", "kit", "lib"])
    badge = lambda: f"[![{r.choice(['build', 'docs', 'license', 'version', 'coverage', 'chat'])}](https://img.{say('domain')}/{name}.svg)]({say('link')})"
    parts = [
        f"# {name}\n\n" + " ".join(badge() for _ in range(r.randint(0, 5))),
        documents.G.fill(r, f"{name} is a {{adj}} library for {{topic}}. See the [documentation]({{link}}) and the [examples]({{link}})."),
        f"## Installation\n\n```sh\n{r.choice(['cargo add', 'pip install', 'npm install', 'go get'])} {name}\n```",
        "## Usage\n\n```\n" + documents.code(r) + "\n```",
        "## Features\n\n" + "\n".join("- " + documents.G.say(r, r.choice(["step", "science", "code_comment"])) for _ in range(r.randint(2, 6))),
        documents.G.fill(r, "## Contributing\n\nPlease read [CONTRIBUTING]({link}) before you open a pull request. Run the tests, do not force-push, and sign your commits. If you find a bug, [open an issue]({link})."),
        documents.G.fill(r, "## License\n\nLicensed under either of [Apache 2.0]({link}) or [MIT]({link}) at your option."),
        "## Links\n\n" + "\n".join(f"* [{say('topic')}]({say('link')})" for _ in range(r.randint(2, 7))),
        f"| option | default | meaning |\n|---|---|---|\n" + "\n".join(f"| `--{say('path_word')}` | {r.randint(0, 99)} | {say('code_comment')} |" for _ in range(r.randint(2, 5))),
        "## Changelog\n\n" + "\n".join(f"- **{r.randint(0, 4)}.{r.randint(0, 30)}.{r.randint(0, 9)}**: {say('code_comment')} ([#{r.randint(1, 999)}]({say('link')}))" for _ in range(r.randint(2, 5))),
    ]
    kept = [part for part in parts[1:] if r.random() < 0.6]
    r.shuffle(kept)
    return "\n\n".join([parts[0], *kept]) if r.random() < 0.6 else "\n\n".join(kept or parts[:1])


def passage(r, carriers, but):
    """A stretch of a document that people wrote, or a generated one of any family `but` these."""
    if r.random() < 0.45:
        return documents.FAMILIES[r.choice(sorted(documents.FAMILIES.keys() - but))](r)
    if r.random() < 0.2:
        return readme(r)
    text = r.choice(carriers)
    length = r.randint(*CARRIER)
    start = r.randrange(max(1, len(text) - length))
    return text[start:start + length]


def cut(r, text):
    """A payload of bounded length that begins where a sentence does."""
    text = " ".join(text.split()) if r.random() < 0.5 else text.strip()
    if len(text) <= PAYLOAD_MAX:
        return text
    starts = [0] + [i + 2 for i in range(len(text) - PAYLOAD_MAX) if text[i] in ".!?" and text[i + 1] == " "]
    start = r.choice(starts[:40])
    return text[start:start + PAYLOAD_MAX]


def in_field(r, inner):
    """A tool's answer one of whose values holds the payload: `(text, start, end)`."""
    record = documents.record(r)
    key = r.choice(sorted(record))
    value = record[key] + r.choice([" ", "\n", ". "]) + inner if r.random() < 0.6 else inner
    record[key] = value
    if r.random() < 0.5:
        text, shown = json.dumps(record, ensure_ascii=False), json.dumps(inner, ensure_ascii=False)[1:-1]
    else:
        text, shown = "\n".join(f"{k}: {v}" for k, v in record.items()), inner
    start = text.find(shown)
    return text, start, start + len(shown)


def graft(r, inner, carriers, but=frozenset()):
    """`(text, start, end, carrier)`: a payload in a document; the carrier alone is a benign document."""
    inner = cut(r, inner)
    way = r.random()
    if way < 0.15:
        return *in_field(r, inner), json.dumps(documents.record(r), ensure_ascii=False)
    carrier = passage(r, carriers, but)
    if way < 0.25:
        return inner, 0, len(inner), carrier
    return *attacks.embed(r, inner, carrier), carrier
