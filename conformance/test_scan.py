"""Ordinary model files are found safe: every scikit-learn estimator that can be fitted to toy data, as pickles of all
protocols and as joblib files in every way of compression, and xgboost's and lightgbm's models.

The scanner's list of names is made from released wheels; this is its check against what the writers really write. Run
with another environment's Python (`SCAN_PYTHON`) to try other versions of the libraries.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MANTLET = os.environ.get("MANTLET_BIN", str(Path(__file__).parent.parent / "target/debug/mantlet"))
WRITER = Path(__file__).with_name("make_scan_models.py")


def scan(*paths):
    run = subprocess.run([MANTLET, "model", "scan", "--json", *map(str, paths)], capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(paths), run.stderr
    return run.returncode, {line["path"]: line for line in lines}


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("models")
    subprocess.run([os.environ.get("SCAN_PYTHON", sys.executable), WRITER, out], check=True)
    return sorted(path for path in out.iterdir())


def test_ordinary_models_are_safe(written):
    assert len(written) > 500
    code, reports = scan(*written)
    wrong = {Path(path).name: (r["verdict"], r["findings"][:1]) for path, r in reports.items() if r["verdict"] != "safe"}
    assert not wrong and code == 0


def test_exit_codes_say_safe_unsafe_and_not_understood(tmp_path):
    good, bad, odd = tmp_path / "good.pkl", tmp_path / "bad.pkl", tmp_path / "odd.bin"
    good.write_bytes(b"\x80\x04]\x94.")
    bad.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    odd.write_bytes(bytes(range(1, 200)) * 3)
    assert scan(good)[0] == 0
    assert scan(bad)[0] == 1
    assert scan(odd)[0] == 2
    code, reports = scan(good, bad, odd)
    assert code == 1
    finding = reports[str(bad)]["findings"][0]
    assert finding["rule"] == "pickle/name" and finding["class"] == "pickle-code" and finding["offset"] == 0
    assert "os.system" in finding["why"] and finding["member"] is None
    assert reports[str(odd)]["verdict"] == "unknown"


def test_sarif_names_rules_and_places(tmp_path):
    (tmp_path / "model").mkdir()
    bad = tmp_path / "model" / "bad.pkl"
    bad.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    run = subprocess.run([MANTLET, "model", "scan", "--sarif", tmp_path / "model"], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    log = json.loads(run.stdout)
    assert log["version"] == "2.1.0"
    result = log["runs"][0]["results"][0]
    assert result["ruleId"] in {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("model/bad.pkl") and place["region"] == {"byteOffset": 0}


def test_what_runs_is_refused_however_it_is_wrapped(tmp_path):
    import bz2, gzip, io, lzma, tarfile, zipfile, zlib

    payload = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
    wrapped = {
        "gzip": gzip.compress(payload), "bz2": bz2.compress(payload), "xz": lzma.compress(payload), "zlib": zlib.compress(payload),
        "lzma": lzma.compress(payload, format=lzma.FORMAT_ALONE), "twice": gzip.compress(bz2.compress(payload)),
        "second": gzip.compress(b"\x80\x04N.") + gzip.compress(payload),
    }
    for kind in ("zip", "tar"):
        buffer = io.BytesIO()
        if kind == "zip":
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("readme.txt", payload)
        else:
            with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
                member = tarfile.TarInfo("weights.bin")
                member.size = len(payload)
                archive.addfile(member, io.BytesIO(payload))
        wrapped[kind] = buffer.getvalue()
    for name, content in wrapped.items():
        (tmp_path / name).write_bytes(content)
    code, reports = scan(*(tmp_path / name for name in wrapped))
    assert code == 1
    for path, report in reports.items():
        assert report["verdict"] == "unsafe" and any("posix.system" in f["why"] for f in report["findings"]), path
