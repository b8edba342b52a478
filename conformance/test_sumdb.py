"""The Go project's sumdb packages verify a real log: checkpoint, whole tree, every tile."""

import json
import os
import shutil
import subprocess

import requests

from conftest import ROOT


def go_verify(directory, vkey):
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    return subprocess.run(
        ["go", "run", str(ROOT / "conformance/sumdb/main.go"), str(directory), vkey],
        capture_output=True, text=True, env=environment, timeout=300,
    )


def test_a_foreign_verifier_accepts_the_log_and_rejects_a_changed_one(served, row, tmp_path):
    assert shutil.which("go"), "go is not installed"
    for _ in range(20):
        requests.post(served.url + "/v1/models/breast-cancer/predict", json={"features": row}, verify=served.ca,
                      headers=served.headers)
    report = json.loads(served.run("audit", "verify", "--json").stdout)
    copy = tmp_path / "audit"
    shutil.copytree(served.home / "audit", copy)
    accepted = go_verify(copy, report["vkey"])
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    for tile in (path for path in (copy / "tile/entries").rglob("*") if path.is_file()):  # partial forms, too
        content = bytearray(tile.read_bytes())
        content[len(content) // 2] ^= 1
        tile.write_bytes(content)
    assert go_verify(copy, report["vkey"]).returncode != 0
