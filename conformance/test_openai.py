"""OpenAI's own SDK, unmodified: chat, streaming, embeddings, models, responses, errors and retries, through a route."""

import http.server
import json
import subprocess
import threading

import httpx
import openai
import pytest

from conftest import BINARY, clean_environment, serve

SECRET = "sk-upstream-0123456789"


class Model(http.server.BaseHTTPRequestHandler):
    """A server of language models, as the protocol has it: it repeats what it was told last."""

    protocol_version = "HTTP/1.1"
    failures = []
    got = []

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).got.append((self.path, dict(self.headers), body))
        if self.failures:
            return self.document({"error": {"message": "s3cr3t"}}, type(self).failures.pop(0))
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        if self.path.endswith("/embeddings"):
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            data = [{"object": "embedding", "index": at, "embedding": [0.25, -1.5]} for at, _ in enumerate(texts)]
            return self.document({"object": "list", "data": data, "model": "m", "usage": usage})
        if self.path.endswith("/completions") and "prompt" in body:
            choice = {"index": 0, "text": " upon a time", "finish_reason": "stop"}
            return self.document({"id": "x", "object": "text_completion", "choices": [choice], "usage": usage})
        if body.get("tools") and body["messages"][-1]["role"] != "tool":
            return self.calls(body, usage)
        words = f"echo {body['messages'][-1]['content']}"
        if body.get("stream"):
            pieces = [{"delta": {"content": word}} for word in words.split(" ")]
            return self.stream([*pieces, {"delta": {}, "finish_reason": "stop"}], usage)
        message = {"role": "assistant", "content": words}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self.document({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage})

    def calls(self, body, usage):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": '{"city": "Oslo"}'}
        if body.get("stream"):
            first = {"index": 0, "id": "call_1", "type": "function", "function": {**function, "arguments": ""}}
            more = [{"index": 0, "function": {"arguments": part}} for part in ('{"city":', ' "Oslo"}')]
            pieces = [{"delta": {"tool_calls": [call]}} for call in (first, *more)]
            return self.stream([*pieces, {"delta": {}, "finish_reason": "tool_calls"}], usage)
        message = {"role": "assistant", "content": None,
                   "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        self.document({"id": "x", "choices": [choice], "usage": usage})

    def document(self, document, status=200):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, pieces, usage):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for piece in [*({"choices": [{"index": 0, **piece}]} for piece in pieces), {"choices": [], "usage": usage}]:
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


@pytest.fixture(scope="module")
def upstream():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


@pytest.fixture(scope="module")
def route(upstream, tmp_path_factory):
    home = tmp_path_factory.mktemp("openai") / "home"
    made = subprocess.run([BINARY, "init", str(home), "--demo", "--json"], check=True, capture_output=True, text=True,
                          env=clean_environment())
    (home.parent / "key").write_text(SECRET)
    (home.parent / "key").chmod(0o600)
    with open(home / "mantlet.toml", "a") as config:
        config.write(f"""
[[route]]
name = "assistant"
upstream = "{upstream}"
secret = "file:{home.parent / 'key'}"
models = ["small"]

[[route]]
name = "careful"
upstream = "{upstream}"
models = ["careful"]
hold = "always"
""")
    server = serve(home, json.loads(made.stdout))
    out = server.run("key", "create", "--consumer", "chat", "--route", "assistant", "--rate", "1000000/min", "--json")
    server.chat_key = json.loads(out.stdout)["key"]
    yield server
    server.process.terminate()


@pytest.fixture
def client(route):
    Model.failures.clear()
    Model.got.clear()
    return sdk(route, route.chat_key)


def sdk(route, key, **options):
    import ssl

    verify = ssl.create_default_context(cafile=route.ca)
    return openai.OpenAI(base_url=f"{route.url}/v1", api_key=key, http_client=httpx.Client(verify=verify), **options)


USER = [{"role": "user", "content": "hello there"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}}}}]


def test_chat(client):
    answer = client.chat.completions.create(model="small", messages=USER, temperature=0.5, max_tokens=9)
    assert answer.choices[0].message.content == "echo hello there"
    assert (answer.model, answer.usage.total_tokens, answer.choices[0].finish_reason) == ("small", 5, "stop")
    assert answer.id.startswith("chatcmpl-") and answer._request_id
    path, headers, body = Model.got[-1]
    assert headers["authorization"] == f"Bearer {SECRET}" and not any(name.lower().startswith("x-stainless") for name in headers)
    assert (path, body["temperature"]) == ("/v1/chat/completions", 0.5)


def test_chat_streamed(client):
    stream = client.chat.completions.create(
        model="small", messages=USER, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == "echohellothere"
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-1].usage.total_tokens == 5


def test_tools_and_their_answers(client):
    answer = client.chat.completions.create(model="small", messages=USER, tools=TOOLS)
    message = answer.choices[0].message
    assert (message.tool_calls[0].function.name, answer.choices[0].finish_reason) == ("weather", "tool_calls")
    # The SDK's own message goes back as it came.
    history = [*USER, message.model_dump(), {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]
    answer = client.chat.completions.create(model="small", messages=history, tools=TOOLS)
    assert "rain" in answer.choices[0].message.content
    stream = client.chat.completions.create(model="small", messages=USER, tools=TOOLS, stream=True)
    calls = [call for chunk in stream for call in (chunk.choices[0].delta.tool_calls or [])]
    assert calls[0].function.name == "weather"
    assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"city": "Oslo"}


def test_completions_and_embeddings(client):
    assert client.completions.create(model="small", prompt="once").choices[0].text == " upon a time"
    answer = client.embeddings.create(model="small", input=["a", "b"], encoding_format="float")
    assert [item.embedding for item in answer.data] == [[0.25, -1.5]] * 2 and answer.usage.prompt_tokens == 3


def test_models(client, route):
    assert [model.id for model in client.models.list()] == ["small"]
    assert client.models.retrieve("small").owned_by == "assistant"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("large")
    assert list(sdk(route, route.key).models.list()) == []


def test_responses(client):
    answer = client.responses.create(model="small", input="hello", instructions="be brief", max_output_tokens=9)
    assert (answer.output_text, answer.status, answer.usage.total_tokens) == ("echo hello", "completed", 5)
    assert Model.got[-1][2]["messages"][0] == {"role": "system", "content": "be brief"}
    with client.responses.stream(model="small", input="hello there") as stream:
        events = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "echohellothere"
    assert events[0] == "response.created" and events[-1] == "response.completed"
    tools = [{"type": "function", "name": "weather", "parameters": TOOLS[0]["function"]["parameters"], "strict": False}]
    call = client.responses.create(model="small", input="hello", tools=tools).output[0]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Oslo"})
    for refused in ({"store": True}, {"previous_response_id": "resp_1"}, {"conversation": "conv_1"}, {"background": True}):
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="small", input="hello", **refused)


def test_errors(client, route):
    with pytest.raises(openai.AuthenticationError) as wrong:
        sdk(route, "mtk_live_wrong").chat.completions.create(model="small", messages=USER)
    assert wrong.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="large", messages=USER)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as invalid:
        client.chat.completions.create(model="small", messages=USER, temperature=7)
    assert invalid.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as kept:
        client.chat.completions.create(model="small", messages=USER, store=True)
    assert kept.value.param == "store"


def test_retries(client, route):
    Model.failures[:] = [503, 502]
    answer = sdk(route, route.chat_key, max_retries=3).chat.completions.create(model="small", messages=USER)
    assert answer.choices[0].message.content == "echo hello there"
    Model.failures[:] = [500]
    with pytest.raises(openai.InternalServerError) as failed:
        sdk(route, route.chat_key, max_retries=0).chat.completions.create(model="small", messages=USER)
    assert "s3cr3t" not in str(failed.value)


def test_limits(route):
    out = route.run("key", "create", "--consumer", "slow", "--route", "assistant", "--rate", "1/min", "--json")
    client = sdk(route, json.loads(out.stdout)["key"], max_retries=0)
    client.chat.completions.create(model="small", messages=USER)
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="small", messages=USER)
    assert int(limited.value.response.headers["retry-after"]) > 0


def test_budgets(route):
    # "hello there" is estimated at 13; each answer takes 5, so that the third does not fit.
    out = route.run("key", "create", "--consumer", "poor", "--route", "assistant", "--tokens-per-day", "20", "--json")
    client = sdk(route, json.loads(out.stdout)["key"], max_retries=3)
    client.chat.completions.create(model="small", messages=USER)
    list(client.chat.completions.create(model="small", messages=USER, stream=True))
    Model.got.clear()
    with pytest.raises(openai.RateLimitError) as spent:
        client.chat.completions.create(model="small", messages=USER)
    assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
    headers = spent.value.response.headers
    assert headers["ratelimit"].startswith('"tokens_per_day";r=10;t=') and int(headers["retry-after"]) > 0
    assert Model.got == []


def test_held(route):
    out = route.run("key", "create", "--consumer", "careful", "--route", "careful", "--json")
    client = sdk(route, json.loads(out.stdout)["key"], max_retries=3)
    for stream in (False, True):
        Model.got.clear()
        with pytest.raises(openai.PermissionDeniedError) as held:
            client.chat.completions.create(model="careful", messages=USER, stream=stream)
        assert held.value.code == "held_for_review" and "echo" not in str(held.value)
        assert len(Model.got) == 1, "nobody tries again"
        waits = client.get(f"/models/careful/reviews/{held.value.request_id}", cast_to=httpx.Response).json()
        assert waits["rows"] == [{"row": 0, "status": "pending"}]
