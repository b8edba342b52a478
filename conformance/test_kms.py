"""A root key that Amazon's KMS keeps wrapped, against moto's stand-in for it: moved there, opened at start, replaced; and refused
in every way in which it cannot be had."""

import base64
import http.server
import json
import shutil
import subprocess
import threading

import boto3
import pytest
from conftest import BINARY, clean_environment
from moto.server import ThreadedMotoServer

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def kms():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "kms", endpoint_url=endpoint, region_name="eu-central-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=SECRET,
    )
    yield endpoint, client
    server.stop()


def environment(endpoint, **more):
    return clean_environment() | {
        "AWS_ENDPOINT_URL_KMS": endpoint, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET,
    } | more


def run(home, env, *arguments, code=0):
    done = subprocess.run(
        [BINARY, *arguments, "--home", home], capture_output=True, text=True, timeout=300, env=env, check=False,
    )
    assert done.returncode == code, (arguments, done.stdout, done.stderr)
    return done


def new_key(kms):
    return kms[1].create_key()["KeyMetadata"]["Arn"]


@pytest.fixture()
def wrapped(kms, tmp_path):
    """A home whose root key has been moved to the service."""
    home, env, arn = tmp_path / "home", environment(kms[0]), new_key(kms)
    run(home, env, "init", "--single-person", str(home))
    moved = run(home, env, "root", "key", "rotate", "--to", f"aws-kms:{arn}", "--json")
    assert json.loads(moved.stdout)["finished"] is False
    file = home / "mantlet.toml"
    file.write_text(file.read_text().replace('"inside"', f'"aws-kms:{arn}"'))
    run(home, env, "root", "key", "rotate")
    (home / "keys/root.key").unlink()
    return home, env, arn


def test_the_root_key_is_nowhere_but_wrapped(wrapped, kms):
    home, env, arn = wrapped
    run(home, env, "user", "list")
    [file] = (home / "keys").glob("root-*.kms")
    mark, blob = file.read_text().splitlines()
    assert mark == f"mantlet-kms/1 {arn}"
    # The service opens it for this home alone, and gives 32 bytes.
    name = (home / "home.id").read_text().split()[1]
    plain = kms[1].decrypt(CiphertextBlob=base64.b64decode(blob), EncryptionContext={"mantlet:home": name})["Plaintext"]
    assert len(plain) == 32
    with pytest.raises(kms[1].exceptions.InvalidCiphertextException):
        kms[1].decrypt(CiphertextBlob=base64.b64decode(blob), EncryptionContext={"mantlet:home": "other"})
    for path in home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert plain not in content and plain.hex().encode() not in content, path


def test_it_is_replaced_in_its_place_and_moved_to_another_key(wrapped, kms):
    home, env, arn = wrapped
    [file] = (home / "keys").glob("root-*.kms")
    former = file.read_text()
    run(home, env, "root", "key", "rotate")
    assert file.read_text() != former
    run(home, env, "user", "list")
    newest = file.read_text()
    file.write_text(former)
    run(home, env, "user", "list", code=2)
    file.write_text(newest)
    other = new_key(kms)
    run(home, env, "root", "key", "rotate", "--to", f"aws-kms:{other}")
    config = home / "mantlet.toml"
    config.write_text(config.read_text().replace(arn, other))
    run(home, env, "root", "key", "rotate")
    run(home, env, "user", "list")


def test_nothing_starts_without_it(wrapped, kms):
    home, env, arn = wrapped
    [file] = (home / "keys").glob("root-*.kms")
    whole = file.read_text()

    def refused(why, env=env):
        for command in (["user", "list"], ["serve", "--listen", "127.0.0.1:0"]):
            said = run(home, env, *command, code=2).stderr
            assert why in said and SECRET not in said, said

    nobody = {name: value for name, value in env.items() if not name.startswith("AWS_")}
    refused("as whom to ask", nobody | {"AWS_ENDPOINT_URL_KMS": kms[0]})
    refused("cannot be asked", env | {"AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:1"})
    refused("`AWS_ENDPOINT_URL_KMS` is not", env | {"AWS_ENDPOINT_URL_KMS": "http://kms.example"})
    file.write_text(whole.replace(arn, new_key(kms)))
    refused("holds nothing that")
    middle = len(whole) - 40
    file.write_text(whole[:middle] + ("A" if whole[middle] != "A" else "B") + whole[middle + 1:])
    refused("refuses to open the root key")
    file.unlink()
    refused("cannot be read")
    file.write_text(whole)
    refused("is open to others")
    file.chmod(0o600)
    run(home, env, "user", "list")


def test_another_homes_file_does_not_open_here(wrapped, tmp_path):
    home, env, arn = wrapped
    [file] = (home / "keys").glob("root-*.kms")
    other = tmp_path / "other"
    run(other, env, "init", str(other), "--single-person", "--root-key", f"aws-kms:{arn}")
    run(other, env, "user", "list")
    [theirs] = (other / "keys").glob("root-*.kms")
    assert theirs.name == file.name
    shutil.copy(file, theirs)
    assert "refuses to open the root key" in run(other, env, "user", "list", code=2).stderr


class Machine(http.server.BaseHTTPRequestHandler):
    """What a machine of Amazon's says of its role, to whoever has asked for a token first."""

    asked = []

    def log_message(self, *_):
        pass

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.asked.append(self.path)
        ttl = self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        self.answer(200 if ttl else 400, "a-token")

    def do_GET(self):
        self.asked.append(self.path)
        if self.headers["x-aws-ec2-metadata-token"] != "a-token":
            return self.answer(401, "")
        roles = "/latest/meta-data/iam/security-credentials/"
        role = {"AccessKeyId": "ASIAROLE", "SecretAccessKey": SECRET, "Token": "session/+=="}
        self.answer(200, {roles: "mantlet", f"{roles}mantlet": json.dumps(role)}.get(self.path, ""))


def test_the_machines_own_role_is_asked_for_only_if_somebody_says_so(wrapped, kms, tmp_path):
    home, env, _ = wrapped
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Machine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bare = {name: value for name, value in env.items() if not name.startswith("AWS_")}
    bare |= {
        "AWS_ENDPOINT_URL_KMS": kms[0], "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
    }
    run(home, bare, "user", "list", code=2)
    assert Machine.asked == []
    run(home, bare | {"AWS_EC2_METADATA_DISABLED": "false"}, "user", "list")
    assert Machine.asked[0] == "/latest/api/token" and len(Machine.asked) == 3
    elsewhere = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://metadata.example"}
    assert "own address alone" in run(home, bare | elsewhere, "user", "list", code=2).stderr
    # A file, which nobody else may read.
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {SECRET}\n")
    file.chmod(0o644)
    named = bare | {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    assert "can be read by others" in run(home, named, "user", "list", code=2).stderr
    file.chmod(0o600)
    run(home, named, "user", "list")
    server.shutdown()
