"""Workloads against foreign tools: tokens of a certified OpenID provider, which the tests start and stop, and
certificates made by Python's cryptography and by OpenSSL.
"""

import base64
import datetime
import ipaddress
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import time
import urllib.request

import pytest
import requests
from conftest import BINARY, ROOT, clean_environment, serve
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUDIENCE = "https://gate.example"
PREDICT = "/v1/models/breast-cancer/predict"
ROBOT = "spiffe://prod.example/ns/shop/sa/robot"
PATIENCE = 60


def until(what, ask):
    """Asks again and again until there is an answer."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        if answer := ask():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"waited too long for {what}")


# Certificates by Python's cryptography.


def pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def certificate(subject, key, issuer=None, extensions=(), days=1):
    """A certificate, by itself or by an issuer `(certificate, key)`."""
    now = datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer, signing = issuer if issuer else (None, key)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(signer.subject if signer else name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=days))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signing, hashes.SHA256())


def usage(**on):
    names = [
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ]
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def names(*uris):
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])


def authority(subject):
    key = ec.generate_private_key(ec.SECP256R1())
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=None), True), (usage(key_cert_sign=True, crl_sign=True), True),
        (names("spiffe://prod.example"), False),
    ]
    return certificate(subject, key, extensions=extensions), key


def svid(directory, name, signer, extensions):
    """Issues a certificate and gives the files as `requests` wants them."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(name, key, issuer=signer, extensions=extensions)
    (directory / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / f"{name}.key").write_bytes(pem(key))
    return str(directory / f"{name}.pem"), str(directory / f"{name}.key")


# The issuer.


class Issuer:
    """A running OpenID provider."""

    def __init__(self, directory, installed):
        self.directory, self.installed, self.process, self.port = directory, installed, None, 0
        key = ec.generate_private_key(ec.SECP256R1())
        local = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = certificate("issuer", key, extensions=[(local, False)])
        self.ca, self.key = directory / "issuer.pem", directory / "issuer.key"
        self.ca.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(pem(key))

    def start(self):
        self.process = subprocess.Popen(
            ["node", str(self.installed / "issuer.mjs"), str(self.ca), str(self.key), str(self.port)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        line = self.process.stdout.readline()
        assert line, "the issuer did not start"
        self.url = json.loads(line)["issuer"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, context=ssl.create_default_context(cafile=str(self.ca))) as reply:
            return reply.read().decode()

    def token(self, client="shop", resource=AUDIENCE):
        data = {"grant_type": "client_credentials", "resource": resource, "scope": "predict"}
        session = requests.Session()
        session.trust_env = False
        reply = session.post(
            f"{self.url}/token", data=data, auth=(client, f"{client}-secret"), verify=str(self.ca)
        )
        assert reply.status_code == 200, reply.text
        return reply.json()["access_token"]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    source = ROOT / "conformance/issuer"
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "issuer"
    lock = (source / "package-lock.json").read_text()
    if not (target / "node_modules").exists() or (target / "package-lock.json").read_text() != lock:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=target, check=True)
    shutil.copy(source / "issuer.mjs", target)
    issuer = Issuer(tmp_path_factory.mktemp("issuer"), target)
    issuer.start()
    yield issuer
    issuer.stop()


class Gate:
    """A home with workloads, and its server."""

    def __init__(self, directory, issuer):
        self.directory, self.home, self.signer = directory, directory / "home", authority("prod")
        made = subprocess.run(
            [BINARY, "init", str(self.home), "--demo", "--json"],
            check=True, capture_output=True, text=True, env=clean_environment(),
        )
        self.made = json.loads(made.stdout)
        bundle = directory / "bundle.pem"
        bundle.write_bytes(self.signer[0].public_bytes(serialization.Encoding.PEM))
        with open(self.home / "mantlet.toml", "a") as file:
            file.write(f"""
[limits]
failures_per_minute = 1000000

[[identity.trust_domain]]
name = "prod.example"
ca = "{bundle}"

[[identity.issuer]]
name = "op"
issuer = "{issuer.url}"
audience = "{AUDIENCE}"
algorithms = ["ES256"]
jwks = "{issuer.url}/jwks"
ca = "{issuer.ca}"
max_age_s = 10
""")
        self.served = serve(self.home, self.made)
        for arguments in (
            ["consumer", "create", "robot", "--model", "breast-cancer", "--rate", "1000000/min"],
            ["consumer", "identity", "add", "robot", "--issuer", "op", "--subject", "shop"],
            ["consumer", "identity", "add", "robot", "--spiffe", ROBOT],
        ):
            self.served.run(*arguments)
        self.row = json.loads((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text())

    def ask(self, token=None, cert=None):
        session = requests.Session()
        session.trust_env = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return session.post(
            self.served.url + PREDICT, json=self.row, headers=headers, verify=self.served.ca, cert=cert
        )

    def entry(self, reply):
        found = self.served.run("audit", "search", "--request", reply.headers["x-request-id"], "--json").stdout
        entries = [json.loads(line) for line in found.splitlines()]
        return entries[0] if isinstance(entries[0], dict) else entries[0][0]

    def stop(self):
        self.served.process.terminate()
        assert self.served.process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def gate(issuer, tmp_path_factory):
    gate = Gate(tmp_path_factory.mktemp("gate"), issuer)
    yield gate
    gate.stop()


def accepted(gate, token):
    return gate.ask(token).status_code == 200


def test_an_access_token_is_taken_and_others_of_the_same_issuer_are_not(issuer, gate):
    token = issuer.token()
    until("the issuer's keys", lambda: accepted(gate, token))
    entry = gate.entry(gate.ask(token))
    assert (entry["principal"], entry["authn"]) == ("consumer:robot", "token")
    assert "key_id" not in entry and len(entry["identity"]) == 32
    refused = {
        "another subject": issuer.token("other"),
        "another audience": issuer.token(resource="https://elsewhere.example"),
        "an algorithm that is not listed": issuer.token(resource="https://rsa.example"),
        "an opaque one": issuer.token(resource="https://opaque.example"),
        "an ID token": issuer.get("/test/id-token"),
    }
    shapes = set()
    for what, token in refused.items():
        assert len(token) > 20, what
        reply = gate.ask(token)
        assert reply.status_code == 401, what
        shapes.add(reply.text.replace(reply.headers["x-request-id"], ""))
    assert len(shapes) == 1, shapes


def test_a_token_that_was_changed_by_hand_is_refused(issuer, gate):
    header, payload, signature = issuer.token().split(".")

    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    def read(text):
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    said, claimed = read(header), read(payload)
    until("the issuer's keys", lambda: accepted(gate, f"{header}.{payload}.{signature}"))
    for changed in (
        f"{part({**said, 'alg': 'none'})}.{payload}.",
        f"{part({**said, 'alg': 'HS256'})}.{payload}.{signature}",
        f"{part({**said, 'jku': 'https://evil.example/jwks'})}.{payload}.{signature}",
        f"{header}.{part({**claimed, 'sub': 'other'})}.{signature}",
        f"{header}.{part({**claimed, 'exp': claimed['exp'] + 60})}.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"{header}.{payload}",
    ):
        assert gate.ask(changed).status_code == 401, changed


def test_strangers_do_not_choose_how_often_keys_are_fetched(issuer, gate):
    header, payload, signature = issuer.token().split(".")
    before, began = int(issuer.get("/test/fetches")), time.monotonic()
    session = requests.Session()
    session.trust_env, session.verify = False, gate.served.ca
    count = 0
    while time.monotonic() - began < 12:
        count += 1
        said = {"alg": "ES256", "typ": "at+jwt", "kid": f"unknown-{count}"}
        unknown = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
        headers = {"Authorization": f"Bearer {unknown}.{payload}.{signature}"}
        reply = session.get(f"{gate.served.url}/v2/models/breast-cancer", headers=headers)
        assert reply.status_code == 401
    fetched = int(issuer.get("/test/fetches")) - before
    assert count > 50
    assert 1 <= fetched <= (time.monotonic() - began) / 10 + 1, f"{fetched} fetches for {count} requests"


def test_keys_are_rotated_at_the_issuer(issuer, gate):
    old = issuer.token()
    until("the issuer's keys", lambda: accepted(gate, old))
    issuer.get("/test/rotate")
    new = issuer.token()
    until("the new key", lambda: accepted(gate, new))
    assert gate.ask(old).status_code == 401, "a key that its issuer has withdrawn"


def test_an_issuer_that_is_down_takes_nobody_with_it(issuer, gate):
    token = issuer.token()
    until("the issuer's keys", lambda: accepted(gate, token))
    unseen = issuer.token()
    issuer.stop()
    log = gate.home.parent / "serve.stderr"
    until("a fetch that fails", lambda: "could not be fetched" in log.read_text())
    # The last keys are believed for an hour, for tokens that were seen and for those that were not.
    assert accepted(gate, token) and accepted(gate, unseen)
    assert gate.ask(gate.made["demo_key"]).status_code == 200
    # A server that never got any believes nobody, and serves those with other credentials.
    gate.stop()
    gate.served = serve(gate.home, gate.made)
    assert gate.ask(token).status_code == 401
    assert gate.ask(gate.made["demo_key"]).status_code == 200
    issuer.start()
    fresh = issuer.token()
    until("the issuer's new keys", lambda: accepted(gate, fresh))
    assert gate.ask(token).status_code == 401, "its keys went with it"


def test_certificates_made_by_cryptography(gate, tmp_path):
    leaf = (x509.BasicConstraints(ca=False, path_length=None), True)
    sign = (usage(digital_signature=True), True)
    both = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False)
    right = svid(tmp_path, "right", gate.signer, [leaf, sign, both, (names(ROBOT), True)])
    reply = gate.ask(cert=right)
    assert reply.status_code == 200, reply.text
    entry = gate.entry(reply)
    assert (entry["principal"], entry["authn"]) == ("consumer:robot", "spiffe")
    wrong = {
        "two": [leaf, sign, both, (names(ROBOT, "spiffe://prod.example/b"), True)],
        "authority": [(x509.BasicConstraints(ca=True, path_length=None), True), sign, both, (names(ROBOT), True)],
        "unsaid": [leaf, both, (names(ROBOT), True)],
        "signer": [leaf, (usage(digital_signature=True, key_cert_sign=True), True), both, (names(ROBOT), True)],
        "pathless": [leaf, sign, both, (names("spiffe://prod.example"), True)],
        "elsewhere": [leaf, sign, both, (names("spiffe://dev.example/ns/shop/sa/robot"), True)],
        "encoded": [leaf, sign, both, (names("spiffe://prod.example/ns/shop/sa/%72obot"), True)],
    }
    for name, extensions in wrong.items():
        with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
            gate.ask(cert=svid(tmp_path, name, gate.signer, extensions))
            raise AssertionError(name)
    stranger = svid(tmp_path, "stranger", authority("prod"), [leaf, sign, both, (names(ROBOT), True)])
    with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
        gate.ask(cert=stranger)
    unmapped = svid(tmp_path, "unmapped", gate.signer, [leaf, sign, both, (names("spiffe://prod.example/x"), True)])
    assert gate.ask(cert=unmapped).status_code == 401


def test_certificates_made_by_openssl(gate, tmp_path):
    ca, ca_key = tmp_path / "ca.pem", tmp_path / "ca.key"
    ca.write_bytes(gate.signer[0].public_bytes(serialization.Encoding.PEM))
    ca_key.write_bytes(pem(gate.signer[1]))

    def issue(name, extensions):
        key, request, made = (tmp_path / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        (tmp_path / f"{name}.ext").write_text(extensions)

        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", request, "-subj", "/O=SPIRE")
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", 1,
                "-out", made, "-extfile", tmp_path / f"{name}.ext")
        return str(made), str(key)

    right = f"keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=URI:{ROBOT}"
    assert gate.ask(cert=issue("right", right)).status_code == 200
    for name, extensions in {
        "two": right + ",URI:spiffe://prod.example/b",
        "agreement": right.replace("digitalSignature", "keyAgreement"),
        "server": right.replace("clientAuth,serverAuth", "serverAuth"),
        "slash": right + "/",
    }.items():
        with pytest.raises((requests.exceptions.SSLError, requests.exceptions.ConnectionError)):
            gate.ask(cert=issue(name, extensions))
            raise AssertionError(name)
