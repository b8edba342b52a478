#!/usr/bin/env python3
"""What a language-model request costs on its way through: server CPU time beside nginx and LiteLLM, in one interleaved run.

    bench/routes.py [--seconds 5] [--rounds 3] [--connections 1,16,64] [--streams 10000]

All ways lead to the same upstream, an nginx that gives every chat the same answer, whole or as 200 events. nginx
`proxy_pass` with a key map is the practical bound; LiteLLM's proxy is the peer. Mantlet runs with everything that a route
has by default: key, policy, limits, guard of the prompt, rules for the answer, and its durable log.

CPU µs = (utime + stime of the server's process tree) / answered requests, as in bench/serve/run.py: the upstream's own
time is not among it. What an event costs is the stream's time beyond the whole answer's, over its events. Goals: a
request at most 45 µs, an event at most 3 µs, memory flat over the streams. Needs wrk and nginx; makes LiteLLM's
Python environment itself.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/serve"))
from run import Peer, TARGET, clean, cpu_seconds, free_port, rss_mb, stolen_share, wait_for  # noqa: E402

LITELLM = "litellm[proxy]==1.105.0"
WAYS, EVENTS = ["whole", "streamed"], 200
WORDS = "the quick brown fox jumps over a lazy dog while seven quiet authors write about rivers and stones".split()

NGINX = """
daemon off; worker_processes @WORKERS@; pid @DIR@/@NAME@.pid; error_log @DIR@/@NAME@.log crit;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path @DIR@/body; proxy_temp_path @DIR@/proxy; keepalive_requests 1000000000;
  client_body_buffer_size 64k; default_type application/json;
  @SERVER@
}
"""
UPSTREAM = """
  server {
    listen 127.0.0.1:@PORT@;
    root @DIR@;
    location = /whole/v1/chat/completions { error_page 405 =200 /whole.json; return 405; }
    location = /streamed/v1/chat/completions { error_page 405 =200 /streamed.txt; return 405; }
    location = /whole.json { error_page 405 =200 $uri; }
    location = /streamed.txt { types { text/event-stream txt; } error_page 405 =200 $uri; }
  }
"""
PROXY = """
  map $http_authorization $consumer { default ""; "Bearer @KEY@" "bench"; }
  limit_req_zone $consumer zone=per_consumer:1m rate=1000000r/s;
  upstream there { server 127.0.0.1:@THERE@; keepalive 64; }
  server {
    listen 127.0.0.1:@PORT@;
    location / {
      if ($consumer = "") { return 401; }
      limit_req zone=per_consumer burst=1000000 nodelay;
      proxy_pass http://there; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }
  }
"""


def nginx(work, name, server, workers, **marks):
    port = free_port()
    text = NGINX.replace("@SERVER@", server)
    for mark, value in {"DIR": work, "NAME": name, "PORT": port, "WORKERS": workers, **marks}.items():
        text = text.replace(f"@{mark}@", str(value))
    (work / f"{name}.conf").write_text(text)
    process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", work / f"{name}.conf"])
    return Peer(name, process, f"http://127.0.0.1:{port}", marks.get("KEY", "none"), wait_for(port, process))


def upstream(work):
    """Answers as OpenAI's are shaped: 40 words whole, 200 events of a word each."""
    base = {"id": "chatcmpl-1", "created": 1700000000, "model": "a-model"}
    usage = {"prompt_tokens": 20, "completion_tokens": EVENTS, "total_tokens": 20 + EVENTS}
    text = " ".join(WORDS[i % len(WORDS)] for i in range(40))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    (work / "whole.json").write_text(json.dumps({**base, "object": "chat.completion", "choices": [choice], "usage": usage}))
    deltas = [{"content": WORDS[i % len(WORDS)] + " "} for i in range(EVENTS)]
    events = [{"index": 0, "delta": delta, "finish_reason": None} for delta in [{"role": "assistant", "content": ""}, *deltas]]
    events.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    lines = [json.dumps({**base, "object": "chat.completion.chunk", "choices": [event]}) for event in events]
    (work / "streamed.txt").write_text("".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]))
    return nginx(work, "upstream", UPSTREAM, 1)


def mantlet(binary, work, there):
    home = work / "home"
    subprocess.run([binary, "init", home, "--demo", "--json"], check=True, capture_output=True, env=clean())
    with open(home / "mantlet.toml", "a") as config:
        for way in WAYS:
            config.write(f'\n[[route]]\nname = "{way}"\nupstream = "{there.url}/{way}/v1"\nmodels = ["{way}"]\nsecret = "env:BENCH_KEY"\n')
    environment = clean({"BENCH_KEY": "sk-bench"})
    out = subprocess.run([binary, "key", "create", "--home", home, "--consumer", "bench", "--route", "whole", "--route", "streamed",
                          "--rate", "60000000/min", "--json"], check=True, capture_output=True, env=environment)
    process = subprocess.Popen([binary, "serve", "--home", home, "--listen", "127.0.0.1:0", "--json", "--plaintext-loopback"],
                               stdout=subprocess.PIPE, stderr=open(work / "mantlet.log", "w"), text=True, env=environment)
    listen = json.loads(process.stdout.readline())["listen"]
    return Peer("mantlet", process, f"http://{listen}", json.loads(out.stdout)["key"], 0.0)


def litellm_environment():
    venv = TARGET / "litellm-venv"
    if not (venv / "bin/litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", LITELLM], check=True)
    return venv


def litellm(venv, work, there):
    (work / "litellm.yaml").write_text(json.dumps({
        "model_list": [{"model_name": way, "litellm_params": {"model": f"openai/{way}", "api_base": f"{there.url}/{way}/v1",
                                                              "api_key": "sk-bench"}} for way in WAYS],
        "general_settings": {"master_key": "sk-litellm"}, "litellm_settings": {"telemetry": False}}))
    port = free_port()
    quiet = open(work / "litellm.log", "w")
    environment = clean({"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    process = subprocess.Popen([venv / "bin/litellm", "--config", work / "litellm.yaml", "--port", str(port), "--host", "127.0.0.1"],
                               stdout=quiet, stderr=quiet, env=environment)
    return Peer("LiteLLM", process, f"http://127.0.0.1:{port}", "sk-litellm", wait_for(port, process))


def load(peer, way, connections, seconds):
    question = [{"role": "user", "content": "What did Ada Lovelace write about the Analytical Engine?"}]
    body = json.dumps({"model": way, "messages": question, "stream": way == "streamed"})
    prefix = f"/{way}" if peer.name == "nginx" else ""
    script = pathlib.Path(tempfile.mkstemp(suffix=".lua")[1])
    script.write_text(f'wrk.method = "POST"\nwrk.body = [[{body}]]\nwrk.headers["Content-Type"] = "application/json"\n'
                      f'wrk.headers["Authorization"] = "Bearer {peer.key}"\n')
    before = cpu_seconds(peer.process.pid)
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
                          f"{peer.url}{prefix}/v1/chat/completions"], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(peer.process.pid) - before
    script.unlink()
    requests = int(re.search(r"(\d+) requests in", out)[1])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"cpu_us": used / max(requests, 1) * 1e6, "req_s": float(re.search(r"Requests/sec:\s+(\S+)", out)[1]),
            "p50": re.search(r"50%\s+(\S+)", out)[1], "p99": re.search(r"99%\s+(\S+)", out)[1], "requests": requests,
            "failed": int(failed[1]) if failed else 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--binary", type=pathlib.Path, help="a built mantlet, instead of building one")
    parser.add_argument("--no-litellm", action="store_true")
    options = parser.parse_args()
    counts = [int(count) for count in options.connections.split(",")]
    if options.binary is None:
        subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "mantlet"], cwd=ROOT, check=True)
    binary = (options.binary or TARGET / "release/mantlet").resolve()
    venv = None if options.no_litellm else litellm_environment()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        there = upstream(work)
        os.chmod(work, 0o755)
        gate = mantlet(binary, work, there)
        peers = [nginx(work, "nginx", PROXY, 2, KEY="sk-bench", THERE=there.url.rsplit(":", 1)[1]), gate]
        peers += [] if venv is None else [litellm(venv, work, there)]
        stolen = stolen_share()
        runs = {(peer.name, way, count): [] for peer in peers for way in WAYS for count in counts}
        for _ in range(options.rounds):
            for count in counts:
                for peer in peers:
                    for way in WAYS:
                        runs[peer.name, way, count].append(load(peer, way, count, options.seconds))
        memory = [rss_mb(gate.process.pid)]
        streamed = 0
        while streamed < options.streams:
            streamed += load(gate, "streamed", 16, options.seconds)["requests"]
            memory.append(rss_mb(gate.process.pid))
        for peer in [*peers, there]:
            peer.stop()
    report(options, counts, peers, runs, stolen)
    print(f"resident memory over {streamed:,} more streams: " + ", ".join(f"{mb:.1f}" for mb in memory) + " MB")


def report(options, counts, peers, runs, stolen):
    middle = lambda *way: statistics.median(run["cpu_us"] for run in runs[way])
    print(f"{options.rounds} rounds of {options.seconds} s; medians; {stolen_share(stolen):.0%} of the machine's time was "
          "taken by others on its host")
    print("| | " + " | ".join(f"CPU µs @{c} | req/s @{c} | p50/p99 @{c} | CPU µs an event @{c}" for c in counts) + " | failed |")
    print("|" + "---|" * (4 * len(counts) + 2))
    for peer in peers:
        cells = []
        for count in counts:
            whole = runs[peer.name, "whole", count]
            event = (middle(peer.name, "streamed", count) - middle(peer.name, "whole", count)) / EVENTS
            cells.append(f"{middle(peer.name, 'whole', count):.1f} | {statistics.median(run['req_s'] for run in whole):,.0f} | "
                         f"{whole[0]['p50']}/{whole[0]['p99']} | {event:.2f}")
        failed = sum(run["failed"] for (name, _, _), all_runs in runs.items() if name == peer.name for run in all_runs)
        print(f"| {peer.name} | " + " | ".join(cells) + f" | {failed} |")


if __name__ == "__main__":
    main()
