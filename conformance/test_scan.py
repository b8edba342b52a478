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


RUNS = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."
PLAIN = b"\x80\x04]\x94."


def seven_zip(path, filters=None, payload=PLAIN, **options):
    import py7zr

    with py7zr.SevenZipFile(path, "w", filters=filters, **options) as archive:
        for name, content in (("notes.txt", b"plain text " * 50), ("dir/model.pkl", payload), ("empty.txt", b"")):
            archive.writestr(content, name)
    return path


def test_7z_archives_are_read_whole(tmp_path):
    py7zr = pytest.importorskip("py7zr")
    filters = {
        "default": None, "lzma": [{"id": py7zr.FILTER_LZMA}], "bzip2": [{"id": py7zr.FILTER_BZIP2}], "copy": [{"id": py7zr.FILTER_COPY}],
        "deflate": [{"id": py7zr.FILTER_DEFLATE}], "zstd": [{"id": py7zr.FILTER_ZSTD, "level": 3}],
        "delta": [{"id": py7zr.FILTER_DELTA, "dist": 8}, {"id": py7zr.FILTER_LZMA2, "preset": 6}],
        "arm": [{"id": py7zr.FILTER_ARM}, {"id": py7zr.FILTER_LZMA2, "preset": 6}],
    }
    for name, chain in filters.items():
        code, reports = scan(seven_zip(tmp_path / f"{name}.7z", chain))
        assert code == 0, (name, reports)
        code, reports = scan(seven_zip(tmp_path / f"{name}-runs.7z", chain, RUNS))
        (report,) = reports.values()
        assert code == 1 and report["findings"][0]["member"] == "dir/model.pkl", (name, report)


def test_7z_archives_that_cannot_be_read_are_refused(tmp_path):
    py7zr = pytest.importorskip("py7zr")
    refused = {
        "encrypted": seven_zip(tmp_path / "encrypted.7z", password="secret"),
        "header": seven_zip(tmp_path / "header.7z", password="secret", header_encryption=True),
        "ppmd": seven_zip(tmp_path / "ppmd.7z", [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}]),
    }
    whole = seven_zip(tmp_path / "whole.7z").read_bytes()
    for name, content in {"cut": whole[:-5], "longer": whole + b"x", "spoiled": whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]}.items():
        refused[name] = tmp_path / f"{name}.7z"
        refused[name].write_bytes(content)
    with py7zr.SevenZipFile(tmp_path / "bomb.7z", "w") as archive:
        archive.writestr(bytes(64 << 20), "weights.bin")
    refused["bomb"] = tmp_path / "bomb.7z"
    for name, path in refused.items():
        assert scan(path)[0] == 1, name


def test_zstandard_is_read_wherever_it_stands(tmp_path):
    import io, tarfile

    zstandard = pytest.importorskip("zstandard")
    compress = zstandard.ZstdCompressor(level=19, write_checksum=True).compress
    for code, payload in ((0, PLAIN), (1, RUNS)):
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            member = tarfile.TarInfo("model.pkl")
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
        for name, content in {"one": compress(payload), "second": compress(PLAIN) + compress(payload), "tar": compress(tar.getvalue())}.items():
            path = tmp_path / f"{name}-{code}.zst"
            path.write_bytes(content)
            assert scan(path)[0] == code, path
    wrong = bytearray(compress(PLAIN))
    wrong[-1] ^= 1
    long = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27)).compressobj()
    for name, content in {"sum": bytes(wrong), "bomb": compress(bytes(64 << 20)), "window": long.compress(PLAIN) + long.flush()}.items():
        path = tmp_path / f"{name}.zst"
        path.write_bytes(content)
        assert scan(path)[0] == 1, name


def test_zip_members_of_other_compressions_are_read(tmp_path):
    import zipfile

    for code, payload in ((0, PLAIN), (1, RUNS)):
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            path = tmp_path / f"{method}-{code}.zip"
            with zipfile.ZipFile(path, "w", method) as archive:
                archive.writestr("model.pkl", payload)
            assert scan(path)[0] == code, path


def test_names_of_members_are_judged_as_names_of_files_are(tmp_path):
    import zipfile

    for name in ("helper.py", "libhelper.so.1", "RUN.EXE"):
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"dir/{name}", "plain text")
        assert scan(path)[0] == 1, name
