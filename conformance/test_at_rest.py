"""What is at rest, read by a program that shares no code with the one that wrote it.

It knows the documented form (docs/how-to/keys-at-rest.md) and the root key, and finds the very bytes of the package.
"""

import base64
import hashlib
import json
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from conftest import BINARY, ROOT, clean_environment


def hkdf(secret, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(secret)


def run(home, *arguments):
    done = subprocess.run(
        [BINARY, *arguments, "--home", home, "--json"], capture_output=True, text=True, timeout=300,
        env=clean_environment(), check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def home_keys(home):
    """The home's keys as the root key opens them: the root key itself where there is no ring."""
    name = (home / "home.id").read_text().split()[1].encode()
    root = bytes.fromhex((home / "keys/root.key").read_text().strip())
    ring = home / "keys/ring"
    if not ring.exists():
        return name, [root]
    mark, *slots = ring.read_text().splitlines()
    assert mark == "mantlet-ring/2" and len(slots) == 1
    sealed = base64.b64decode(slots[0])
    bound = mark.encode() + b" " + name + b" slot 1 of 1"
    body = AESGCM(hkdf(root, name, b"mantlet/1 ring")).decrypt(sealed[:12], sealed[12:], bound)
    count, replaced, blocks = body[0], int.from_bytes(body[1:9], "big"), body[9:]
    assert count == 1 and replaced == 1 and len(blocks) == 64, "one key, and the digest of the former root key"
    return name, [blocks[:32]]


def opened(path, kind, code, wrapping):
    """The content of one stored object."""
    stored = path.read_bytes()
    header, nonce, wrapped, chunks = stored[:24], stored[24:36], stored[36:84], stored[84:]
    assert header[:8] == b"MNTLOBJ\x02" and header[9] == code and header[10:16] == bytes(6)
    size, length = 1 << header[8], int.from_bytes(header[16:24], "big")
    bound = header + b"mantlet.object/2 " + kind + b" " + bytes.fromhex(path.name)
    cipher = AESGCM(AESGCM(wrapping).decrypt(nonce, wrapped, bound))
    pieces = [chunks[at:at + size + 16] for at in range(0, len(chunks), size + 16)]
    content = b"".join(
        cipher.decrypt(number.to_bytes(11, "big") + bytes([number + 1 == len(pieces)]), piece, b"")
        for number, piece in enumerate(pieces)
    )
    assert len(content) == length and hashlib.sha256(content).hexdigest() == path.name
    return content


def contents(home):
    name, keys = home_keys(home)
    registry = hkdf(keys[0], name, b"mantlet/1 registry")
    wrapping = hkdf(registry, b"mantlet.object/2", b"wraps data keys")
    blobs = {path.name: opened(path, b"blobs", 1, wrapping) for path in (home / "registry/blobs").iterdir()}
    indexes = [json.loads(opened(path, b"packages", 2, wrapping)) for path in (home / "registry/packages").iterdir()]
    return blobs, indexes


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    run(home, "init", str(home), "--demo", "--operator", "olivia")
    return home


def test_the_documented_form_is_what_is_stored(home):
    blobs, (index,) = contents(home)
    for name in ["model.onnx", "profile.json"]:
        written = (ROOT / "crates/mantlet/demo/breast-cancer" / name).read_bytes()
        assert blobs[index["files"][name]["sha256"]] == written
    assert max(map(len, blobs.values())) > 1 << 16, "one chunk would show nothing of their order"


def test_after_a_rotation_the_ring_opens_by_the_new_key_and_nothing_by_the_former(home):
    before, former = contents(home), (home / "keys/root.key").read_text()
    assert run(home, "root", "key", "rotate")["finished"]
    assert not (home / "keys/root.key.next").exists()
    assert contents(home) == before
    (home / "keys/root.key").write_text(former)
    with pytest.raises(Exception):
        contents(home)
