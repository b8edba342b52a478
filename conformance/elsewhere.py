"""Servers of somebody else's, each in a Python environment of its own under target/: they cannot live in one, nor with the
other clients here. Where one cannot be installed its tests are skipped, which pytest tells by name."""

import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings

import pytest

from conftest import ROOT

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def environment(name, packages, interpreter=sys.executable):
    """A Python with these packages, or a skip that says why there is none."""
    place = TARGET / f"upstream-{name}"
    python, made = place / "bin/python", place / "made"
    if not made.exists() or made.read_text() != " ".join(packages):
        for command in ([interpreter, "-m", "venv", "--clear", place], [python, "-m", "pip", "install", "-q", *packages]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                why = f"{name} CANNOT BE INSTALLED, so nothing is known of it: {done.stderr.strip().splitlines()[-1:]}"
                warnings.warn(why)
                pytest.skip(why)
        made.write_text(" ".join(packages))
    return python


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def until(what, ask, seconds=120):
    """Asks again and again until there is something."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := ask():
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited too long for {what}")


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False
