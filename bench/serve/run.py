#!/usr/bin/env python3
"""Server CPU time per request beside named peers, in one interleaved run.

    bench/serve/run.py [--seconds 5] [--rounds 3] [--connections 1,16,64]

CPU µs/request = (utime + stime of the server's process tree) / answered requests: what the load generator, which
shares the machine's cores, can hardly disturb. Throughput and latency are those of wrk and are disturbed.
Needs wrk and nginx on the path; makes the peers' Python environment itself.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TICK = os.sysconf("SC_CLK_TCK")
PEERS = ["fastapi==0.165.0", "uvicorn[standard]==0.51.0", "onnxruntime==1.31.1", "numpy"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tree(pid):
    """A process and all its descendants."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            todo += [int(child) for child in task.read_text().split()]
    return found


def cpu_seconds(pid):
    total = 0
    for process in tree(pid):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def rss_mb(pid):
    pages = sum(int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]) for process in tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def stolen_share(before=(0, 0)):
    """What a hypervisor gave to others: (stolen, all) ticks, or the share since an earlier reading."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    now = (fields[7], sum(fields))
    return now if before == (0, 0) else (now[0] - before[0]) / (now[1] - before[1])


class Peer:
    def __init__(self, name, process, url, key, ready_s):
        self.name, self.process, self.url, self.key, self.ready_s = name, process, url, key, ready_s

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


def wait_for(port, process):
    began = time.perf_counter()
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return time.perf_counter() - began
        time.sleep(0.002)
    sys.exit("a server ended before it listened")


def clean(environment=None):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MANTLET_")}
    return {**kept, **(environment or {})}


def mantlet(binary, work, name, durability, plaintext):
    home = work / name
    subprocess.run([binary, "init", home, "--demo", "--json"], check=True, capture_output=True, env=clean())
    config = home / "mantlet.toml"
    text = re.sub(r'(?m)^\[danger\]$', "[danger]\naudit_os = true", config.read_text()) if durability == "os" else config.read_text()
    config.write_text(text + f'\n[audit]\ndurability = "{durability}"\n' if "[audit]" not in text else
                      text.replace("[audit]", f'[audit]\ndurability = "{durability}"'))
    out = subprocess.run(
        [binary, "key", "create", "--home", home, "--consumer", "bench", "--model", "breast-cancer",
         "--rate", "60000000/min", "--json"], check=True, capture_output=True, env=clean())
    key = json.loads(out.stdout)["key"]
    arguments = [binary, "serve", "--home", home, "--listen", "127.0.0.1:0", "--json"]
    arguments += ["--plaintext-loopback"] if plaintext else []
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=open(work / f"{name}.log", "w"), text=True, env=clean())
    listen = json.loads(process.stdout.readline())["listen"]
    ready = time.perf_counter() - began
    scheme = "http" if plaintext else "https"
    return Peer(name, process, f"{scheme}://{listen}", key, ready)


def nginx(work):
    port, key = free_port(), "mtk_bench"
    config = (HERE / "nginx.conf").read_text()
    for mark, value in {"@DIR@": work, "@PORT@": port, "@KEY@": key}.items():
        config = config.replace(mark, str(value))
    (work / "nginx.conf").write_text(config)
    process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", work / "nginx.conf"])
    return Peer("nginx", process, f"http://127.0.0.1:{port}", key, wait_for(port, process))


def fastapi(work):
    environment = TARGET / "bench-venv"
    if not (environment / "bin/uvicorn").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([environment / "bin/pip", "install", "--quiet", *PEERS], check=True)
    port, key = free_port(), "mtk_bench"
    columns = [line.split(",") for line in (ROOT / "testdata/models/breast_cancer/train.csv").read_text().splitlines()[1:]]
    values = list(zip(*[[float(cell) for cell in row[:30]] for row in columns]))
    width = [max(column) - min(column) for column in values]
    profile = {"low": [min(c) - w for c, w in zip(values, width)], "high": [max(c) + w for c, w in zip(values, width)]}
    (work / "ranges.json").write_text(json.dumps(profile))
    process = subprocess.Popen(
        [environment / "bin/uvicorn", "fastapi_server:app", "--port", str(port), "--log-level", "error"], cwd=HERE,
        env=clean({"KEY": key, "MODEL": str(ROOT / "testdata/models/breast_cancer/bc-lr.onnx"),
                   "PROFILE": str(work / "ranges.json"), "AUDIT": str(work / "fastapi.audit")}))
    return Peer("fastapi", process, f"http://127.0.0.1:{port}", key, wait_for(port, process))


def wrk(peer, body, connections, seconds, key=None):
    script = pathlib.Path(tempfile.mkstemp(suffix=".lua")[1])
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = [[{body}]]\nwrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.headers["Authorization"] = "Bearer {key or peer.key}"\n')
    before = cpu_seconds(peer.process.pid)
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
         f"{peer.url}/v1/models/breast-cancer/predict"], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(peer.process.pid) - before
    script.unlink()
    requests = int(re.search(r"(\d+) requests in", out)[1])
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    latency = {p: re.search(rf"{p}%\s+(\S+)", out)[1] for p in ("50", "99")}
    return {
        "cpu_us": used / requests * 1e6, "req_s": float(re.search(r"Requests/sec:\s+(\S+)", out)[1]),
        "p50": latency["50"], "p99": latency["99"], "failed": int(failed[1]) if failed else 0, "requests": requests,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--binary", type=pathlib.Path, help="a built mantlet, instead of building one")
    arguments = parser.parse_args()
    connections = [int(c) for c in arguments.connections.split(",")]
    row = list(json.loads((ROOT / "crates/mantlet/demo/breast-cancer/row.json").read_text())["features"].values())
    body = json.dumps({"features": [round(value, 5) for value in row]}, separators=(",", ":"))
    if arguments.binary is None:
        subprocess.run(["cargo", "build", "--release", "--quiet", "--package", "mantlet"], cwd=ROOT, check=True)
    binary = arguments.binary or TARGET / "release/mantlet"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        peers = [
            nginx(work), fastapi(work), mantlet(binary, work, "mantlet-group", "group", True),
            mantlet(binary, work, "mantlet-os", "os", True), mantlet(binary, work, "mantlet-tls-group", "group", False),
        ]
        time.sleep(1)
        stolen = stolen_share()
        idle = {peer.name: rss_mb(peer.process.pid) for peer in peers}
        runs = {(peer.name, count): [] for peer in peers for count in connections}
        bad = {peer.name: [] for peer in peers}
        for _ in range(arguments.rounds):  # interleaved: a slow minute of the machine hits everybody
            for count in connections:
                for peer in peers:
                    runs[peer.name, count].append(wrk(peer, body, count, arguments.seconds))
            for peer in peers:
                bad[peer.name].append(wrk(peer, body, 16, arguments.seconds, key="mtk_live_000000000000_wrong"))
        print(f"body {len(body)} bytes; {arguments.rounds} rounds of {arguments.seconds} s; medians; "
              f"{stolen_share(stolen):.0%} of the machine's time was taken by others on its host")
        print("| server | " + " | ".join(f"CPU µs @{c}" for c in connections) + " | bad key µs @16 | "
              + " | ".join(f"req/s @{c}" for c in connections) + " | p50/p99 @16 | RSS idle/loaded MB | ready s |")
        print("|" + "---|" * (2 * len(connections) + 5))
        for peer in peers:
            cells = [f"{statistics.median(r['cpu_us'] for r in runs[peer.name, c]):.1f}" for c in connections]
            cells.append(f"{statistics.median(r['cpu_us'] for r in bad[peer.name]):.1f}")
            cells += [f"{statistics.median(r['req_s'] for r in runs[peer.name, c]):,.0f}" for c in connections]
            middle = runs[peer.name, connections[len(connections) // 2]][-1]
            cells += [f"{middle['p50']} / {middle['p99']}", f"{idle[peer.name]:.0f} / {rss_mb(peer.process.pid):.0f}",
                      f"{peer.ready_s:.3f}"]
            print(f"| {peer.name} | " + " | ".join(cells) + " |")
            wrong = sum(r["failed"] for c in connections for r in runs[peer.name, c])
            if wrong:
                print(f"  {peer.name}: {wrong} requests were not answered with 200", file=sys.stderr)
        for peer in peers:
            peer.stop()


if __name__ == "__main__":
    main()
