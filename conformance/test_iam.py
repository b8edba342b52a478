"""A foreign evaluator allows every request that `mantlet iam decide` says is possible.

`@cloud-copilot/iam-simulate` is AGPL and stays a program of its own: `npm install` it into a directory and name that in
`IAM_SIMULATE`. Without it there is nothing to compare with, and the test says so.
"""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MANTLET = os.environ.get("MANTLET_BIN", str(ROOT / "target/debug/mantlet"))
SIMULATE = os.environ.get("IAM_SIMULATE")
QUESTIONS = ROOT / "crates/mantlet-cloud/tests/vectors/decision.jsonl.gz"


@pytest.mark.skipif(not SIMULATE, reason="IAM_SIMULATE names no directory with @cloud-copilot/iam-simulate")
def test_every_witness_is_allowed_by_a_foreign_evaluator(tmp_path):
    questions, answers = tmp_path / "questions", tmp_path / "answers"
    questions.write_bytes(gzip.decompress(QUESTIONS.read_bytes()))
    with questions.open("rb") as asked, answers.open("wb") as told:
        subprocess.run([MANTLET, "iam", "decide"], stdin=asked, stdout=told, check=True)
    command = ["node", Path(__file__).with_name("iam_simulate.mjs"), questions, answers]
    run = subprocess.run(command, cwd=SIMULATE, capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    assert report == {"asked": 140, "differing": []}
