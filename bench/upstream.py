#!/usr/bin/env python3
"""What a question to a model elsewhere costs: server CPU time beyond local mediation, in one interleaved run.

    bench/upstream.py [--seconds 5] [--rounds 3] [--connections 1,16,64]

Three ways take turns: mantlet with its demo model in process; mantlet with the same contract at an upstream; and the upstream
alone, asked by wrk. The upstream is nginx, which gives every question the same reply. Since an answer must carry its
question's id, nginx takes that out of the body, for which it hands the question on to a second server of its own.

CPU µs/request = (utime + stime of mantlet's process tree) / answered requests, as in bench/serve/run.py: the upstream's own
time is not among it. Goal: the proxied question costs at most 40 µs more than the local one. Needs wrk and nginx.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench/serve"))
from run import Peer, TARGET, clean, cpu_seconds, free_port, stolen_share, wait_for  # noqa: E402

MODEL = "breast-cancer"

# The body of a question is in $request_body once it is proxied; a second server of the same nginx answers it.
NGINX = """
daemon off; worker_processes 1; pid @DIR@/upstream.pid; error_log @DIR@/upstream.log;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path @DIR@/body; keepalive_requests 1000000000; default_type application/json;
  client_body_buffer_size 64k; client_body_in_single_buffer on; variables_hash_max_size 2048;
  map $request_body $question { default ""; "~^{\\"id\\":\\"(?<id>[0-9a-f]{16})\\"" $id; }
  upstream inner { server 127.0.0.1:@INNER@; keepalive 64; }
  server {
    listen 127.0.0.1:@INNER@;
    location / { return 200 '{"model_name":"@MODEL@","model_version":"1","id":"$http_question","outputs":[{"name":"label","datatype":"INT64","shape":[1],"data":[1]},{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[0.03125,0.96875]}]}'; }
  }
  server {
    listen 127.0.0.1:@PORT@;
    location = /v2 { return 200 '{"name":"nginx","version":"1","extensions":[]}'; }
    location = /v2/models/@MODEL@ { return 200 '{"name":"@MODEL@","platform":"","inputs":[],"outputs":[]}'; }
    location = /v2/models/@MODEL@/ready { return 200 '{}'; }
    location = /v2/models/@MODEL@/infer {
      proxy_pass http://inner; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Question $question;
      proxy_pass_request_body off; proxy_set_header Content-Length "";
    }
  }
}
"""

PACKAGE = """
name = "there"
backend = "v2"
labels = ["malignant", "benign"]
label_values = [0, 1]
[served_as]
model = "breast-cancer"
[[input]]
name = "input"
datatype = "FP32"
shape = [-1, 30]
[[output]]
name = "label"
datatype = "INT64"
shape = [-1]
[[output]]
name = "probabilities"
datatype = "FP32"
shape = [-1, 2]
"""


def upstream(work):
    port = free_port()
    text = NGINX
    for mark, value in {"@DIR@": work, "@PORT@": port, "@INNER@": free_port(), "@MODEL@": MODEL}.items():
        text = text.replace(mark, str(value))
    (work / "upstream.conf").write_text(text)
    process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", work / "upstream.conf"])
    return Peer("upstream alone", process, f"http://127.0.0.1:{port}", "none", wait_for(port, process))


def mantlet(binary, work, name, there):
    """A home with the demo model, and the same contract at the upstream; wrk asks one of them."""
    home, package = work / name, work / f"{name}-package"
    subprocess.run([binary, "init", home, "--demo", "--json"], check=True, capture_output=True, env=clean())
    package.mkdir()
    (package / "mantlet-model.toml").write_text(PACKAGE)
    reference = ROOT / "testdata/models/breast_cancer/train.csv"
    for command in (["profile", package, "--reference", reference], ["add", package, "--home", home]):
        subprocess.run([binary, "model", *command], check=True, capture_output=True, env=clean())
    with open(home / "mantlet.toml", "a") as config:
        config.write(f'\n[[upstream]]\nname = "nginx"\nurl = "{there.url}"\n[[model]]\nname = "there"\nupstream = "nginx"\nserved_as = ["breast-cancer"]\n')
    out = subprocess.run([binary, "key", "create", "--home", home, "--consumer", "bench", "--model", MODEL, "--model", "there",
                          "--rate", "60000000/min", "--json"], check=True, capture_output=True, env=clean())
    process = subprocess.Popen([binary, "serve", "--home", home, "--listen", "127.0.0.1:0", "--json", "--plaintext-loopback"],
                               stdout=subprocess.PIPE, stderr=open(work / f"{name}.log", "w"), text=True, env=clean())
    listen = json.loads(process.stdout.readline())["listen"]
    return Peer(name, process, f"http://{listen}", json.loads(out.stdout)["key"], 0.0)


def load(peer, model, body, connections, seconds, path="/v1/models/{}/predict"):
    """As bench/serve/run.py's wrk, for any model and path."""
    script = pathlib.Path(tempfile.mkstemp(suffix=".lua")[1])
    script.write_text(f'wrk.method = "POST"\nwrk.body = [[{body}]]\nwrk.headers["Content-Type"] = "application/json"\n'
                      f'wrk.headers["Authorization"] = "Bearer {peer.key}"\n')
    before = cpu_seconds(peer.process.pid)
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
                          peer.url + path.format(model)], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(peer.process.pid) - before
    script.unlink()
    requests = int(re.search(r"(\d+) requests in", out)[1])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return {"cpu_us": used / requests * 1e6, "req_s": float(re.search(r"Requests/sec:\s+(\S+)", out)[1]),
            "p50": re.search(r"50%\s+(\S+)", out)[1], "p99": re.search(r"99%\s+(\S+)", out)[1],
            "failed": int(failed[1]) if failed else 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--binary", type=pathlib.Path, help="a built mantlet, instead of building one")
    options = parser.parse_args()
    counts = [int(count) for count in options.connections.split(",")]
    if options.binary is None:
        subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "mantlet"], cwd=ROOT, check=True)
    binary = (options.binary or TARGET / "release/mantlet").resolve()
    row = list(json.loads((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text())["features"].values())
    body = json.dumps({"features": [round(value, 5) for value in row]}, separators=(",", ":"))
    direct = json.dumps({"id": "0123456789abcdef", "inputs": [{"name": "input", "shape": [1, 30], "datatype": "FP32",
                         "data": [round(value, 5) for value in row]}]}, separators=(",", ":"))
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        there = upstream(work)
        server = mantlet(binary, work, "mantlet", there)
        ways = {
            "mantlet, model in process": lambda count: load(server, MODEL, body, count, options.seconds),
            "mantlet, model elsewhere": lambda count: load(server, "there", body, count, options.seconds),
            "upstream alone": lambda count: load(there, MODEL, direct, count, options.seconds, "/v2/models/{}/infer"),
        }
        stolen = stolen_share()
        runs = {(way, count): [] for way in ways for count in counts}
        for _ in range(options.rounds):
            for count in counts:
                for way, run in ways.items():
                    runs[way, count].append(run(count))
        for peer in (server, there):
            peer.stop()
        print(f"{options.rounds} rounds of {options.seconds} s; medians; {stolen_share(stolen):.0%} of the machine's time was "
              "taken by others on its host")
        print("| | " + " | ".join(f"CPU µs @{c} | req/s @{c} | p50/p99 @{c}" for c in counts) + " | failed |")
        print("|" + "---|" * (3 * len(counts) + 2))
        middle = lambda way, count, what: statistics.median(run[what] for run in runs[way, count])
        for way in ways:
            cells = [f"{middle(way, c, 'cpu_us'):.1f} | {middle(way, c, 'req_s'):,.0f} | "
                     f"{runs[way, c][0]['p50']}/{runs[way, c][0]['p99']}" for c in counts]
            failed = sum(run["failed"] for c in counts for run in runs[way, c])
            print(f"| {way} | " + " | ".join(cells) + f" | {failed} |")
        for count in counts:
            beyond = (middle("mantlet, model elsewhere", count, "cpu_us")
                      - middle("mantlet, model in process", count, "cpu_us"))
            print(f"beyond local mediation @{count}: {beyond:.1f} µs (goal: 40)")


if __name__ == "__main__":
    main()
