"""A server of somebody else's that speaks OpenAI's protocol, between OpenAI's own SDK and no code of ours: LiteLLM's proxy,
whose models say what its configuration has them say. What it adds to the protocol must not reach a caller, nor keep one
from an answer."""

import json
import subprocess

import httpx
import openai
import pytest

from conftest import BINARY, clean_environment, serve
from elsewhere import answers, environment, free_ports, until

LITELLM = ["litellm[proxy]==1.105.0"]
SAYS = "The mantlet stood between the archers and the wall, and 4 of them came back."
KEY = "sk-litellm-0123456789"


@pytest.fixture(scope="module")
def litellm(tmp_path_factory):
    python = environment("litellm", LITELLM)
    work = tmp_path_factory.mktemp("litellm")
    (port,) = free_ports(1)
    model = {"model": "openai/none", "api_key": "none", "mock_response": SAYS}
    (work / "litellm.yaml").write_text(json.dumps({
        "model_list": [{"model_name": "scribe", "litellm_params": model}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False},
    }))
    with open(work / "log", "wb") as log:
        process = subprocess.Popen(
            [python.parent / "litellm", "--config", work / "litellm.yaml", "--host", "127.0.0.1", "--port", str(port)],
            cwd=work, stdout=log, stderr=log, env={**clean_environment(), "LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    url = f"http://127.0.0.1:{port}"
    until("LiteLLM", lambda: process.poll() is not None or answers(f"{url}/health/liveliness"), 180)
    assert process.poll() is None, (work / "log").read_text()[-4000:]
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def client(litellm, tmp_path_factory):
    home = tmp_path_factory.mktemp("through") / "home"
    made = subprocess.run([BINARY, "init", str(home), "--demo", "--json"], check=True, capture_output=True, text=True,
                          env=clean_environment())
    (home.parent / "key").write_text(KEY)
    (home.parent / "key").chmod(0o600)
    with open(home / "mantlet.toml", "a") as config:
        config.write(f'\n[[route]]\nname = "hall"\nupstream = "{litellm}/v1"\nmodels = ["scribe", "nobody"]\n'
                     f'secret = "file:{home.parent / "key"}"\n')
    server = serve(home, json.loads(made.stdout))
    out = server.run("key", "create", "--consumer", "reader", "--route", "hall", "--rate", "1000000/min", "--json")
    yield openai.OpenAI(base_url=f"{server.url}/v1", api_key=json.loads(out.stdout)["key"], max_retries=0,
                        http_client=httpx.Client(verify=server.ca))
    server.process.terminate()


ASKED = [{"role": "user", "content": "Who stood where?"}]


def test_a_whole_answer_is_what_the_upstream_says(client):
    answer = client.chat.completions.create(model="scribe", messages=ASKED, temperature=0.2, max_tokens=64)
    assert answer.choices[0].message.content == SAYS
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert answer.model == "scribe"
    assert not answer.choices[0].message.model_extra and not answer.model_extra, "the upstream's own additions"


def test_a_streamed_answer_is_the_same_answer(client):
    chunks = list(client.chat.completions.create(model="scribe", messages=ASKED, stream=True,
                                                 stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == SAYS
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) > 1, "came in pieces"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens > 0


def test_a_caller_that_goes_away_leaves_the_route_as_it_was(client):
    for _ in range(3):
        stream = client.chat.completions.create(model="scribe", messages=ASKED, stream=True)
        next(iter(stream))
        stream.close()
    assert client.chat.completions.create(model="scribe", messages=ASKED).choices[0].message.content == SAYS


def test_what_the_upstream_refuses_says_nothing_of_it(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="nobody", messages=ASKED)
    told = refused.value.response.text
    assert "litellm" not in told.lower() and KEY not in told and "scribe" not in told
    assert refused.value.request_id
