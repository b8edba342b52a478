"""What the pages show works, and says what they say that it says; so does the notebook."""

import doctest
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT, harness

PAGES = ["docs/how-to/call-it-from-python.md", "clients/python/README.md"]
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<said>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
NOTEBOOK = ROOT / "clients/python/examples/quickstart.ipynb"


@pytest.fixture
def reader(served, key, identity, tmp_path, monkeypatch):
    """What a reader of the pages has by then: the demo's row and rows, a person's directory, the settings of `mantlet env`."""
    (tmp_path / "row.json").write_text((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text())
    (tmp_path / "test.csv").write_text((ROOT / "testdata/models/breast_cancer/test.csv").read_text())
    (tmp_path / "owner").symlink_to(identity)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MANTLET_URL", served.url)
    monkeypatch.setenv("MANTLET_CA", served.ca)
    monkeypatch.setenv("MANTLET_API_KEY", key)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_as_good_as_its_word(reader, page, capsys):
    text = (ROOT / page).read_text()
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("```python")
    known = {}
    for block in blocks:
        exec(compile(block["code"], f"{page}, block {block.start()}", "exec"), known)  # noqa: S102 - our own page
        said = capsys.readouterr().out
        if block["said"] is not None:
            options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            shown = block["said"].replace("…", "...")
            assert doctest.OutputChecker().check_output(shown, said, options), f"{block['code']}\nsaid\n{said}"
    for thing in known.values():
        if hasattr(thing, "close"):
            thing.close()


def test_the_notebook_runs(served, tmp_path, monkeypatch):
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "mantlet").symlink_to(Path(harness.BINARY).resolve())
    monkeypatch.setenv("PATH", os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "clients/python/src"))
    monkeypatch.setenv("MANTLET_HOME", str(served.home))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs do not belong into the repository"
    work = tmp_path / "work"
    work.mkdir()
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": work}}).execute()
    text = nbformat.writes(notebook)
    for expected in ("tumor version 1 is live", "bound `ana` as `analyst`", "linear explanation", "rows evaluated"):
        assert expected in text
    # Commands that fail in a notebook do not fail the notebook.
    assert "error:" not in text
