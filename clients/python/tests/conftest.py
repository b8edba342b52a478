"""The real server that the client is tested against, and what asks it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import mantlet

ROOT = Path(__file__).resolve().parents[3]
MODEL = "breast-cancer"


def _harness():
    """What starts servers for foreign clients; one way of starting them is enough."""
    spec = importlib.util.spec_from_file_location("conformance_harness", ROOT / "conformance/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


harness = _harness()


@pytest.fixture(scope="session", autouse=True)
def environment():
    """No setting of whoever runs the tests reaches a client, and packages are made with the command that is tested."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("MANTLET_"):
                patch.delenv(name)
        patch.setenv("MANTLET_BIN", harness.BINARY)
        yield


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A server on a fresh home of one person, with the demo's model, whose unsure answers wait for a person."""
    home = tmp_path_factory.mktemp("client") / "home"
    made = subprocess.run(
        [harness.BINARY, "init", str(home), "--demo", "--json"],
        check=True, capture_output=True, text=True, env=harness.clean_environment(),
    )  # fmt: skip
    with (home / "mantlet.toml").open("a") as file:
        file.write(f'\n[[model]]\nname = "{MODEL}"\nhold = "below_threshold"\n')
    server = harness.serve(home, json.loads(made.stdout))
    yield server
    server.process.terminate()
    assert server.process.wait(timeout=60) == 0, "the server did not drain and stop in good order"
    server.process.stdout.close()


@pytest.fixture(scope="session")
def key(served):
    """An application's key, with room for all tests."""
    return served.new_key("python", [MODEL])


@pytest.fixture
def client(served, key):
    with mantlet.Client(served.url, key, served.ca) as client:
        yield client


@pytest.fixture(scope="session")
def identity(served, tmp_path_factory):
    """The owner's directory, as `--as` takes it."""
    directory = tmp_path_factory.mktemp("owner") / "owner"
    shutil.copytree(served.home / "keys/people/owner", directory)
    secret = directory / "key"
    secret.write_text(served.made["operator_key"])
    secret.chmod(0o600)
    (directory / "url").write_text(served.url)
    return directory


@pytest.fixture
def owner(identity):
    with mantlet.Client.from_directory(identity) as client:
        yield client


@pytest.fixture(scope="session")
def row():
    """One row of the demo's model, by name."""
    return json.loads((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text())["features"]


@pytest.fixture(scope="session")
def labelled():
    """Rows of the demo's model with their truths, as pandas has them."""
    pandas = pytest.importorskip("pandas")
    return pandas.read_csv(ROOT / "testdata/models/breast_cancer/test.csv")
