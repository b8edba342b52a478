"""OpenSSF's model-signing: it verifies what we sign, and we verify what it signs."""

import base64
import datetime
import hashlib
import json
import pathlib
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import sigstore_instance
from conftest import BINARY, ROOT, clean_environment

CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}


def model_signing(*arguments):
    program = pathlib.Path(sys.executable).parent / "model_signing"
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, env=clean_environment())


def library(call, *paths):
    """A call of the library behind the command, with paths."""
    call = call.format(*(f"pathlib.Path(sys.argv[{place}])" for place in range(1, len(paths) + 1)))
    script = f"import pathlib, sys; from model_signing import hashing, signing, verifying; {call}"
    return subprocess.run([sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True)


def mantlet(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, env=clean_environment())


def accepts(*arguments):
    """Our verdict, which the exit code repeats."""
    done = mantlet("model", "verify", *arguments, "--json")
    said = json.loads(done.stdout)
    assert {"accept": 0, "reject": 1}[said["verdict"]] == done.returncode, (said, done.stderr)
    return said["verdict"] == "accept"


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    for name in ("model.onnx", "mantlet-model.toml", "profile.json"):
        (directory / name).write_bytes((ROOT / "crates/mantlet/demo/breast-cancer" / name).read_bytes())
    for name in ("a-b", "a.txt", "a/z", "é.txt"):  # whose order differs between the specification and the program
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(name)
    return directory


def write_key(key, path):
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
    public = path.with_suffix(".pub")
    public.write_bytes(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ))
    return path, public


@pytest.fixture(params=CURVES)
def keys(request, tmp_path):
    return write_key(ec.generate_private_key(CURVES[request.param]()), tmp_path / "author.pem")


def payload(signature):
    return json.loads(base64.b64decode(json.loads(signature.read_text())["dsseEnvelope"]["payload"]))


def assert_meets_the_specification(signature, model, hash_type, shard_size=None):
    """What sections 4 to 6 of OpenSSF Model Signing 1.0 say of a bundle, with digests that Python computes."""
    bundle = json.loads(signature.read_text())
    assert set(bundle) == {"mediaType", "verificationMaterial", "dsseEnvelope"}
    assert bundle["mediaType"].startswith("application/vnd.dev.sigstore.bundle")
    assert len(set(bundle["verificationMaterial"]) & {"publicKey", "x509CertificateChain", "certificate"}) == 1
    envelope = bundle["dsseEnvelope"]
    assert envelope["payloadType"] == "application/vnd.in-toto+json" and len(envelope["signatures"]) == 1
    statement = payload(signature)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    predicate = statement["predicate"]
    assert set(predicate) == {"resources", "serialization"}
    serialization_ = predicate["serialization"]
    assert serialization_["method"] == ("shards" if shard_size else "files")
    assert serialization_["hash_type"] == hash_type and serialization_["allow_symlinks"] is False
    assert serialization_.get("shard_size") == shard_size and type(serialization_.get("shard_size")) in (int, type(None))
    names = [resource["name"] for resource in predicate["resources"]]
    assert names == sorted(names) and len(set(names)) == len(names)
    assert all(resource["algorithm"] == hash_type for resource in predicate["resources"])
    roots = hashlib.sha256(b"".join(bytes.fromhex(resource["digest"]) for resource in predicate["resources"]))
    assert statement["subject"] == [{"name": model.name, "digest": {"sha256": roots.hexdigest()}}]
    if hash_type == "blake3":
        from blake3 import blake3 as algorithm
    else:
        algorithm = getattr(hashlib, hash_type)
    expected = {}
    for path in sorted(model.rglob("*")):
        if not path.is_file() or path == signature:
            continue
        content, name = path.read_bytes(), path.relative_to(model).as_posix()
        if shard_size:
            for start in range(0, len(content), shard_size):
                end = min(start + shard_size, len(content))
                expected[f"{name}:{start}:{end}"] = algorithm(content[start:end]).hexdigest()
        else:
            expected[name] = algorithm(content).hexdigest()
    assert {resource["name"]: resource["digest"] for resource in predicate["resources"]} == expected


@pytest.mark.parametrize("hash_type", ["sha256", "blake3"])
def test_it_verifies_what_we_sign(tmp_path, directory, keys, hash_type):
    private, public = keys
    signature = tmp_path / "ours.sig"
    done = mantlet("model", "sign", directory, "--key", private, "--hash", hash_type, "--signature", signature)
    assert done.returncode == 0, done.stderr
    assert_meets_the_specification(signature, directory, hash_type)
    if hash_type == "sha256":  # its command hashes by nothing else, its library as the manifest says
        theirs = lambda: model_signing("verify", "key", directory, "--signature", signature, "--public_key", public)
    else:
        theirs = lambda: library("verifying.Config().use_elliptic_key_verifier(public_key={2}).verify({0}, {1})", directory, signature, public)
    done = theirs()
    assert done.returncode == 0, done.stdout + done.stderr
    assert accepts(directory, "--signature", signature, "--public-key", public)
    (directory / "profile.json").write_text("{}")
    assert theirs().returncode != 0
    assert not accepts(directory, "--signature", signature, "--public-key", public)


@pytest.mark.parametrize("hash_type", ["sha256", "blake2b", "blake3"])
@pytest.mark.parametrize("shard_size", [None, 1000])
def test_what_we_sign_is_what_the_specification_says(tmp_path, directory, hash_type, shard_size):
    private, public = write_key(ec.generate_private_key(ec.SECP256R1()), tmp_path / "author.pem")
    signature = tmp_path / "ours.sig"
    shards = ("--shard-size", shard_size) if shard_size else ()
    done = mantlet("model", "sign", directory, "--key", private, "--hash", hash_type, *shards, "--signature", signature)
    assert done.returncode == 0, done.stderr
    assert_meets_the_specification(signature, directory, hash_type, shard_size)
    assert accepts(directory, "--signature", signature, "--public-key", public)


def test_we_verify_what_it_signs(tmp_path, directory, keys):
    private, public = keys
    signature = tmp_path / "theirs.sig"
    done = model_signing("sign", "key", directory, "--signature", signature, "--private_key", private)
    assert done.returncode == 0, done.stdout + done.stderr
    assert accepts(directory, "--signature", signature, "--public-key", public)
    (directory / "model.onnx").write_bytes(b"tampered")
    assert not accepts(directory, "--signature", signature, "--public-key", public)


@pytest.mark.parametrize(
    "hash_type, is_sharded",
    [("sha256", False), ("sha256", True), ("blake2b", False), ("blake2b", True), ("blake3", False)],
)
def test_we_verify_all_its_dialects(tmp_path, directory, hash_type, is_sharded):
    """Its own command line has neither shards nor other hashes, and its verifier cannot read some of what it writes."""
    private, public = write_key(ec.generate_private_key(ec.SECP256R1()), tmp_path / "author.pem")
    signature = tmp_path / "theirs.sig"
    way = "use_shard_serialization" if is_sharded else "use_file_serialization"
    algorithm = hash_type.removesuffix("b")  # which it calls so in code, and otherwise in the manifest
    hashing = f"hashing.Config().{way}(hashing_algorithm='{algorithm}'{', shard_size=1000' if is_sharded else ''})"
    signer = "signing.Config().use_elliptic_key_signer(private_key={2})"
    done = library(f"{signer}.set_hashing_config({hashing}).sign({{0}}, {{1}})", directory, signature, private)
    assert done.returncode == 0, done.stderr
    stated = payload(signature)["predicate"]["serialization"]
    assert (stated["method"], stated["hash_type"]) == ("shards" if is_sharded else "files", hash_type)
    assert accepts(directory, "--signature", signature, "--public-key", public)
    (directory / "a/z").write_text("tampered")
    assert not accepts(directory, "--signature", signature, "--public-key", public)


def test_a_single_file_is_verified_both_ways_we_know(tmp_path):
    private, public = write_key(ec.generate_private_key(ec.SECP256R1()), tmp_path / "author.pem")
    model, signature = tmp_path / "model.bin", tmp_path / "model.sig"
    model.write_bytes(bytes(range(256)) * 100)
    assert model_signing("sign", "key", model, "--signature", signature, "--private_key", private).returncode == 0
    assert [resource["name"] for resource in payload(signature)["predicate"]["resources"]] == ["."]  # its dialect
    assert accepts(model, "--signature", signature, "--public-key", public)
    assert mantlet("model", "sign", model, "--key", private, "--signature", signature).returncode == 0
    assert [resource["name"] for resource in payload(signature)["predicate"]["resources"]] == ["model.bin"]
    assert accepts(model, "--signature", signature, "--public-key", public)
    model.write_bytes(b"tampered")
    assert not accepts(model, "--signature", signature, "--public-key", public)


def certificate(subject, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    named = lambda name: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    wanted = {"key_cert_sign": True, "crl_sign": True} if is_authority else {"digital_signature": True}
    return (
        x509.CertificateBuilder()
        .subject_name(named(subject)).issuer_name(named(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(sigstore_instance.usage(**wanted), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.fixture
def chain(tmp_path):
    """A signer's key, its certificate, the one above it, and the authority of both."""
    keys = [ec.generate_private_key(curve()) for curve in (ec.SECP384R1, ec.SECP256R1, ec.SECP256R1)]
    made = {
        "authority": certificate("Authority", keys[0], "Authority", keys[0], True),
        "between": certificate("Between", keys[1], "Authority", keys[0], True),
        "signer": certificate("Signer", keys[2], "Between", keys[1], False),
    }
    paths = {name: tmp_path / f"{name}.crt" for name in made}
    for name, path in paths.items():
        path.write_bytes(made[name].public_bytes(serialization.Encoding.PEM))
    paths["both"] = tmp_path / "both.crt"
    paths["both"].write_bytes(paths["signer"].read_bytes() + paths["between"].read_bytes())
    paths["key"], paths["public"] = write_key(keys[2], tmp_path / "signer.pem")
    return paths


def test_certificates_work_both_ways(tmp_path, directory, chain):
    theirs, ours = tmp_path / "theirs.sig", tmp_path / "ours.sig"
    done = model_signing(
        "sign", "certificate", directory, "--signature", theirs, "--private_key", chain["key"],
        "--signing_certificate", chain["signer"], "--certificate_chain", chain["between"],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = mantlet("model", "sign", directory, "--key", chain["key"], "--certificate", chain["both"], "--signature", ours)
    assert done.returncode == 0, done.stderr
    assert_meets_the_specification(ours, directory, "sha256")
    for signature in (theirs, ours):
        trusted = ("--signature", signature, "--certificate_chain", chain["authority"])
        done = model_signing("verify", "certificate", directory, *trusted)
        assert done.returncode == 0, done.stdout + done.stderr
        assert accepts(directory, "--signature", signature, "--trusted-ca", chain["authority"])
        assert not accepts(directory, "--signature", signature, "--public-key", chain["public"])
        assert not accepts(directory, "--signature", signature, "--trusted-ca", chain["key"].with_suffix(".crt"))
    (directory / "a/z").write_text("tampered")
    assert not accepts(directory, "--signature", ours, "--trusted-ca", chain["authority"])


def test_encrypted_keys_are_opened_with_their_passphrase(tmp_path, directory):
    key = ec.generate_private_key(ec.SECP256R1())
    plain, public = write_key(key, tmp_path / "plain.pem")
    passphrase, signature = tmp_path / "passphrase", tmp_path / "ours.sig"
    passphrase.write_text("correct horse\n")
    best = tmp_path / "best.pem"
    best.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"correct horse"),
    ))
    encrypted = [best]
    for cipher, digest in (("aes-128-cbc", "hmacWithSHA1"), ("aes-192-cbc", "hmacWithSHA512"), ("aes-256-cbc", "hmacWithSHA256")):
        encrypted.append(tmp_path / f"{cipher}.pem")
        subprocess.run(
            ["openssl", "pkcs8", "-topk8", "-in", plain, "-out", encrypted[-1], "-v2", cipher, "-v2prf", digest,
             "-passout", "pass:correct horse"],
            check=True, capture_output=True,
        )
    for path in encrypted:
        sign = ("model", "sign", directory, "--key", path, "--signature", signature)
        refused = mantlet(*sign)
        assert refused.returncode == 2 and "--passphrase-file" in refused.stderr
        done = mantlet(*sign, "--passphrase-file", passphrase)
        assert done.returncode == 0, (path, done.stderr)
        assert accepts(directory, "--signature", signature, "--public-key", public)
    passphrase.write_text("wrong")
    assert mantlet(*sign, "--passphrase-file", passphrase).returncode == 2


class Account:
    """A Sigstore of one's own, a payload that model-signing wrote, and both verifiers' answers about bundles."""

    def __init__(self, tmp_path, directory):
        self.tmp_path, self.directory, self.instance = tmp_path, directory, sigstore_instance.Instance()
        private, _ = write_key(ec.generate_private_key(ec.SECP256R1()), tmp_path / "author.pem")
        signed = tmp_path / "by-key.sig"
        done = model_signing("sign", "key", directory, "--signature", signed, "--private_key", private)
        assert done.returncode == 0, done.stderr
        self.payload = base64.b64decode(json.loads(signed.read_text())["dsseEnvelope"]["payload"])

    def answers(self, bundle, account=sigstore_instance.ACCOUNT, issuer=sigstore_instance.ISSUER):
        """Ours, and that of the Sigstore client in model-signing."""
        signature, root, config = (self.tmp_path / name for name in ("keyless.sig", "root.json", "config.json"))
        signature.write_text(json.dumps(bundle))
        root.write_text(json.dumps(self.instance.trusted_root()))
        config.write_text(json.dumps(self.instance.client_trust_config()))
        ours = accepts(
            self.directory, "--signature", signature, "--trust-root", root, "--identity", account, "--issuer", issuer
        )
        wrapped = accepts(
            self.directory, "--signature", signature, "--trust-root", config, "--identity", account, "--issuer", issuer
        )
        assert ours == wrapped
        theirs = model_signing(
            "verify", "sigstore", self.directory, "--signature", signature, "--trust_config", config,
            "--identity", account, "--identity_provider", issuer,
        )
        return ours, theirs.returncode == 0


@pytest.fixture
def account(tmp_path, directory):
    return Account(tmp_path, directory)


@pytest.mark.parametrize("leaves, index", [(1, 0), (2, 1), (5, 4), (7, 3), (8, 7), (100, 64)])
def test_keyless_signatures_are_taken_from_any_place_in_the_log(account, leaves, index):
    account.instance.leaves, account.instance.index = leaves, index
    assert account.answers(account.instance.bundle(account.payload)) == (True, True)


def test_keyless_signatures_are_refused_as_by_the_sigstore_client(account):
    instance, payload = account.instance, account.payload
    assert account.answers(instance.bundle(payload)) == (True, True)
    assert account.answers(instance.bundle(payload), account="other@example.org") == (False, False)
    assert account.answers(instance.bundle(payload), issuer="https://other.example.org") == (False, False)
    stranger = ec.generate_private_key(ec.SECP256R1())
    late = sigstore_instance.SIGNED_AT + datetime.timedelta(minutes=10)
    for wrong in (
        instance.bundle(payload, sct=False),
        instance.bundle(payload, log=stranger),
        instance.bundle(payload, code_signing=False),
        instance.bundle(payload, at=late),
        instance.bundle(payload, account="other@example.org"),
        sigstore_instance.Instance().bundle(payload),
    ):
        assert account.answers(wrong) == (False, False)


def test_every_part_of_a_keyless_bundle_counts(account):
    whole = account.instance.bundle(account.payload)
    other = account.instance.bundle(account.payload)

    def changed(change):
        copy = json.loads(json.dumps(whole))
        change(copy, copy["verificationMaterial"]["tlogEntries"][0])
        return copy

    def flip(text):
        data = bytearray(base64.b64decode(text))
        data[-1] ^= 1
        return base64.b64encode(bytes(data)).decode()

    others = other["verificationMaterial"]["tlogEntries"][0]
    changes = {
        "no entry": lambda bundle, _: bundle["verificationMaterial"].update(tlogEntries=[]),
        "another's entry": lambda bundle, _: bundle["verificationMaterial"].update(tlogEntries=[others]),
        "promise": lambda _, entry: entry["inclusionPromise"].update(
            signedEntryTimestamp=flip(entry["inclusionPromise"]["signedEntryTimestamp"])
        ),
        "time": lambda _, entry: entry.update(integratedTime=str(int(entry["integratedTime"]) + 1)),
        "index": lambda _, entry: entry.update(logIndex=str(int(entry["logIndex"]) + 1)),
        "place": lambda _, entry: entry["inclusionProof"].update(logIndex="2"),
        "root": lambda _, entry: entry["inclusionProof"].update(rootHash=flip(entry["inclusionProof"]["rootHash"])),
        "size": lambda _, entry: entry["inclusionProof"].update(treeSize="8"),
        "path": lambda _, entry: entry["inclusionProof"]["hashes"].reverse(),
        "short path": lambda _, entry: entry["inclusionProof"]["hashes"].pop(),
        "checkpoint": lambda _, entry: entry["inclusionProof"].update(
            checkpoint={"envelope": entry["inclusionProof"]["checkpoint"]["envelope"].replace("log.example.org - 1", "log.example.org - 2")}
        ),
        "no proof": lambda _, entry: entry.pop("inclusionProof"),
        "body": lambda _, entry: entry.update(canonicalizedBody=flip(entry["canonicalizedBody"])),
        "certificate": lambda bundle, _: bundle["verificationMaterial"].update(
            certificate=other["verificationMaterial"]["certificate"]
        ),
        "signature": lambda bundle, _: bundle["dsseEnvelope"].update(signatures=other["dsseEnvelope"]["signatures"]),
        "payload": lambda bundle, _: bundle["dsseEnvelope"].update(
            payload=base64.b64encode(account.payload + b" ").decode()
        ),
    }
    theirs = {}
    for name, change in changes.items():
        ours, theirs[name] = account.answers(changed(change))
        assert not ours, name
    # It compares the checkpoint's root alone, and takes another size where the path comes to the same root.
    assert [name for name, accepted in theirs.items() if accepted] == ["size"]
