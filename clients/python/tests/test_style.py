"""The package is typed throughout, tidy, has no dependencies, and is installed by ordinary means."""

import subprocess
import sys
import zipfile

import pytest

from conftest import ROOT

HERE = ROOT / "clients/python"


def run(*arguments, **options):
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=HERE, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_types(tmp_path):
    """They hold inside, and callers see them: what `predict` gives is known for one row and for many."""
    (tmp_path / "caller.py").write_text(
        "from typing_extensions import assert_type\n"
        "import mantlet\n"
        "with mantlet.Client() as client:\n"
        "    assert_type(client.predict('m', {'a': 1, 'b': 'x'}), mantlet.Prediction)\n"
        "    assert_type(client.predict('m', [1, 2.5, None]), mantlet.Prediction)\n"
        "    assert_type(client.predict('m', [{'a': 1}, {'a': 2}]), mantlet.Predictions)\n"
        "    assert_type(client.predict('m', [[1, 2], [3, 4]]), mantlet.Predictions)\n"
        "    assert_type(client.explain('m', {'a': 1}), mantlet.Explanation)\n"
        "    assert_type(client.keys.create('shop', ['m']).key, str)\n"
    )
    run("mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "src", str(tmp_path / "caller.py"))


@pytest.mark.parametrize("check", [("check",), ("format", "--check")], ids=lambda check: check[0])
def test_style(check):
    run("ruff", *check, "--no-cache", ".")


def test_a_wheel_has_the_package_alone_and_needs_nothing(tmp_path):
    run("pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), ".")
    (wheel,) = tmp_path.glob("mantlet-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "mantlet/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mantlet"}
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert required == []


def test_nothing_but_pythons_own_library_is_imported():
    """Neither is what comes with the extras, until a caller brings it."""
    code = (
        "import sys; before = set(sys.modules); import mantlet; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'mantlet'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(HERE / 'src')!r}); {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
