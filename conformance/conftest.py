"""A real server on a fresh demo home, for foreign clients to talk to."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("MANTLET_BIN", str(ROOT / "target/debug/mantlet"))


class Served:
    """A running server: where it is, whom to trust, and keys."""

    def __init__(self, home, made, process, listen):
        self.home, self.made, self.process, self.listen = home, made, process, listen

    @property
    def url(self):
        return f"https://{self.listen}"

    @property
    def ca(self):
        return str(self.home / "ca.pem")

    @property
    def grpc_ca(self):
        """The certificate for clients of gRPC, whose libraries refuse an authority that is confined to addresses."""
        return str(self.home / "grpc.pem")

    @property
    def key(self):
        return self.made["demo_key"]

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.key}"}

    def run(self, *arguments, check=True, **options):
        """Runs a command of the binary on this home."""
        return subprocess.run(
            [BINARY, *arguments, "--home", str(self.home)],
            check=check, capture_output=True, text=True, env=clean_environment(), **options,
        )

    def new_key(self, consumer, models, rate=1_000_000):
        """A key for these models."""
        chosen = [part for model in models for part in ("--model", model)]
        out = self.run("key", "create", "--consumer", consumer, *chosen, "--rate", f"{rate}/min", "--json")
        return json.loads(out.stdout)["key"]


def clean_environment():
    """This process's environment without settings of the product."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MANTLET_")}


def serve(home, made):
    """Starts the server and waits until it says where it listens."""
    process = subprocess.Popen(
        [BINARY, "serve", "--home", str(home), "--listen", "127.0.0.1:0", "--json"],
        stdout=subprocess.PIPE, stderr=open(home.parent / "serve.stderr", "ab"), text=True, env=clean_environment(),
    )
    line = process.stdout.readline()
    assert line, (home.parent / "serve.stderr").read_text()
    return Served(home, made, process, json.loads(line)["listen"])


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("conformance") / "home"
    init = subprocess.run(
        [BINARY, "init", str(home), "--demo", "--json"],
        check=True, capture_output=True, text=True, env=clean_environment(),
    )
    server = serve(home, json.loads(init.stdout))
    yield server
    server.process.terminate()
    assert server.process.wait(timeout=60) == 0, "the server did not drain and stop in good order"


@pytest.fixture(scope="session")
def row():
    """One row of the demo model's features, in order."""
    features = json.loads((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text())["features"]
    return list(features.values())
