"""What the registry says of a version, in other people's terms: CycloneDX by the project's own schema, in-toto by its own
types, signatures by another library, and the digest of a table by its description."""

import base64
import csv
import hashlib
import json
import pathlib
import subprocess

import pytest
from conftest import BINARY, ROOT, clean_environment
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

TABLE = ROOT / "testdata/models/breast_cancer/test.csv"
MODEL = "breast-cancer"


def digest_of_table(path):
    """As docs/how-to/release-a-model.md has it."""
    with open(path, newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file)
    lines = [columns, "target", *rows]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def evaluated(served):
    """The live version, with an evaluation attached."""
    report = served.run("evaluate", MODEL, "--data", str(TABLE), "--attach", "--json")
    return json.loads(report.stdout)


def test_a_table_has_the_digest_that_its_description_gives_it(evaluated):
    assert evaluated["data_digest"] == digest_of_table(TABLE)


def test_the_bill_of_materials_is_one_to_cyclonedx(served, evaluated):
    text = served.run("model", "bom", f"{MODEL}@1", "--json").stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    shown = json.loads(served.run("model", "show", f"{MODEL}@live", "--json").stdout)
    component = bom["metadata"]["component"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": shown["digest"]}]
    metrics = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    auc = next(metric for metric in metrics if metric["type"] == "roc_auc")
    assert float(auc["value"]) == evaluated["classification"]["roc_auc"]["value"]
    assert auc["slice"] == f"sha256:{evaluated['data_digest']}"
    # Everything that the model depends on is described.
    assert {ref for edge in bom["dependencies"] for ref in edge["dependsOn"]} == {
        component["bom-ref"] for component in bom["components"]
    }


def test_the_provenance_is_one_to_in_toto_and_names_the_exported_files(served, evaluated, tmp_path):
    text = served.run("model", "provenance", f"{MODEL}@1", "--json").stdout
    parsed = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(parsed).validate()
    assert parsed.predicate_type == "https://slsa.dev/provenance/v1"
    predicate = json.loads(text)["predicate"]
    # The members that SLSA v1 requires.
    assert predicate["buildDefinition"]["buildType"] and predicate["buildDefinition"]["externalParameters"]
    assert predicate["runDetails"]["builder"]["id"].startswith("urn:mantlet:registry:mantlet-")
    package = tmp_path / "package"
    served.run("model", "export", MODEL, "--to", str(package))
    exported = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in package.iterdir()}
    assert {subject.name: subject.digest["sha256"] for subject in parsed.subject} == exported
    reports = [product["digest"]["sha256"] for product in predicate["runDetails"]["byproducts"]]
    assert len(reports) == 1


def test_a_signed_provenance_is_verified_by_another_library(served, tmp_path):
    key = tmp_path / "release.key"
    subprocess.run([BINARY, "model", "keygen", str(key)], check=True, capture_output=True, env=clean_environment())
    signed = served.run("model", "provenance", f"{MODEL}@1", "--key", str(key), "--json").stdout
    envelope = json.loads(signed)
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    public = serialization.load_pem_public_key(pathlib.Path(f"{key}.pub").read_bytes())
    [signature] = envelope["signatures"]
    public.verify(base64.b64decode(signature["sig"]), encoded, ec.ECDSA(hashes.SHA256()))
