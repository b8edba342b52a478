"""schemathesis: requests made from /openapi.json, valid and not, get answers that the document describes."""

import os
import subprocess
import sys

import requests

from conftest import clean_environment


def monitoring_key(served):
    out = served.run("key", "create", "--consumer", "tester", "--model", "breast-cancer", "--monitor",
                     "--rate", "60000000/min")
    return out.stdout.strip()


def test_the_document_is_for_callers_and_the_metrics_for_monitors(served):
    for path, of_a_caller in (("/openapi.json", 200), ("/metrics", 404)):
        assert requests.get(served.url + path, verify=served.ca).status_code == 401
        assert requests.get(served.url + path, headers=served.headers, verify=served.ca).status_code == of_a_caller


def test_requests_made_from_the_document(served, tmp_path):
    key = monitoring_key(served)
    document = requests.get(
        served.url + "/openapi.json", headers={"Authorization": f"Bearer {key}"}, verify=served.ca)
    assert document.status_code == 200
    (tmp_path / "openapi.json").write_text(document.text)
    run = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", str(tmp_path / "openapi.json"),
         "--url", served.url, "--header", f"Authorization: Bearer {key}", "--tls-verify", served.ca,
         "--phases", "examples,fuzzing", "--max-examples", "15", "--seed", "1", "--no-color",
         "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"],
        capture_output=True, text=True, cwd=tmp_path, env=clean_environment(), timeout=600,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
