"""`eval "$(mantlet env)"`: ordinary clients find and trust the server, and nobody switches verification off."""

import json
import shutil
import subprocess
import sys

import pytest

from conftest import BINARY, ROOT, clean_environment

BODY = json.dumps(json.loads((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text()))
PATH = "/v1/models/breast-cancer/predict"


def in_shell(served, command):
    script = f'eval "$("{BINARY}" env --home "{served.home}")" && {command}'
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=120,
        env={**clean_environment(), "BODY": BODY, "ASK": PATH},
    )


CLIENTS = {
    "curl": """curl --silent --show-error --fail -H "Authorization: Bearer $MANTLET_API_KEY" -d "$BODY" "$MANTLET_URL$ASK" """,
    "requests": f"""{sys.executable} -c '
import os, requests
r = requests.post(os.environ["MANTLET_URL"] + os.environ["ASK"], data=os.environ["BODY"],
                  headers={{"Authorization": "Bearer " + os.environ["MANTLET_API_KEY"], "Content-Type": "application/json"}})
r.raise_for_status(); print(r.text)'""",
    "node": """node -e '
fetch(process.env.MANTLET_URL + process.env.ASK, {method: "POST", body: process.env.BODY,
  headers: {"Authorization": "Bearer " + process.env.MANTLET_API_KEY, "Content-Type": "application/json"}})
  .then(async r => { if (!r.ok) process.exit(1); console.log(await r.text()) }, e => { console.error(e); process.exit(1) })'""",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_client_trusts_and_is_answered(served, client):
    program = CLIENTS[client].split()[0]
    assert shutil.which(program), f"{program} is not installed"
    done = in_shell(served, CLIENTS[client])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == "benign"


def test_openai_sdk_trusts_the_ca(served):
    """There is no language-model route to answer it; that it gets an answer at all shows that it trusts the CA."""
    code = """
import openai
try:
    openai.OpenAI(max_retries=0).models.list()
except openai.APIStatusError as error:
    print(error.status_code)
except openai.APIConnectionError as error:
    raise SystemExit(f"not trusted: {error.__cause__}")
else:
    print(200)
"""
    done = in_shell(served, f"{sys.executable} - <<'END'\n{code}\nEND")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() in ("200", "404")


def test_without_it_the_ca_is_not_trusted(served):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", served.url + "/v2/health/live"],
        capture_output=True, text=True, env=clean_environment(),
    )
    assert done.returncode == 60, "an unknown CA must not be trusted"
