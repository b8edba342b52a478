"""OpenSSF's model-signing: it verifies what we sign, and we verify what it signs."""

import pathlib
import subprocess
import sys

from conftest import BINARY, ROOT, clean_environment


def model_signing(*arguments):
    program = pathlib.Path(sys.executable).parent / "model_signing"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, env=clean_environment())


def mantlet(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, env=clean_environment())


def package(directory):
    directory.mkdir()
    for name in ("model.onnx", "mantlet-model.toml", "profile.json"):
        (directory / name).write_bytes((ROOT / "crates/mantlet/demo/breast-cancer" / name).read_bytes())
    for name in ("a-b", "a.txt", "a/z", "é.txt"):  # whose order differs between the specification and the program
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(name)
    return directory


def keys(tmp_path):
    made = mantlet("model", "keygen", tmp_path / "author.key")
    assert made.returncode == 0, made.stderr
    return tmp_path / "author.key", tmp_path / "author.key.pub"


def test_it_verifies_what_we_sign(tmp_path):
    directory, (private, public) = package(tmp_path / "ours"), keys(tmp_path)
    signature = tmp_path / "ours.sig"
    assert mantlet("model", "sign", directory, "--key", private, "--signature", signature).returncode == 0
    done = model_signing("verify", "key", directory, "--signature", signature, "--public_key", public)
    assert done.returncode == 0, done.stdout + done.stderr
    (directory / "profile.json").write_text("{}")
    assert model_signing("verify", "key", directory, "--signature", signature, "--public_key", public).returncode != 0


def test_we_verify_what_it_signs(tmp_path):
    directory, (private, public) = package(tmp_path / "theirs"), keys(tmp_path)
    signature = tmp_path / "theirs.sig"
    done = model_signing("sign", "key", directory, "--signature", signature, "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr
    verify = ("model", "verify", directory, "--signature", signature, "--public-key", public, "--json")
    assert mantlet(*verify).returncode == 0
    (directory / "model.onnx").write_bytes(b"tampered")
    assert mantlet(*verify).returncode == 1
