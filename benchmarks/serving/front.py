"""What the process that speaks HTTP costs: CPU-ms per request, latency and memory, of several fronts in one run.

    python front.py --checkout this=. --checkout before=../before --nginx /usr/sbin/nginx

Each checkout's server gets the same small model, one worker and the same clients, in turn, several times over. With
`--nginx` each is also measured behind nginx, which buffers requests as in classic bring-your-own images. CPU time is
that of every process of the server but the worker that computes, and of nginx.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "local_test")]

from draw_pictures import draw  # noqa: E402

from support import load  # noqa: E402
from support.model_server import write_model  # noqa: E402
from support.processes import environment, free_port, wait_until  # noqa: E402
from support.raw_http import ask  # noqa: E402

_PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 25m; client_header_timeout 10s; client_body_timeout 10s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream app {{ server 127.0.0.1:{behind}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


def answers(port: int) -> bool:
    """Return whether a server answers a ping with 200."""
    try:
        return ask(port, _PING).status == 200
    except (OSError, EOFError):
        return False


@contextmanager
def serving(checkout: Path, base: Path, nginx: str | None) -> Iterator[tuple[int, list[psutil.Process]]]:
    """Yield the port of a server, and the processes whose time counts."""
    port, behind = free_port(), free_port()
    given = {
        "SAGEMAKER_BIND_TO_PORT": str(behind if nginx else port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        "PYTHONPATH": str(checkout / "src"),
    }
    with ExitStack() as stack, (base / "log").open("wb") as log:
        command = [sys.executable, str(checkout / "serve" / "serve")]
        server = stack.enter_context(
            subprocess.Popen(command, env=environment(base, **given), stdout=log, stderr=log, start_new_session=True)
        )
        stack.callback(server.terminate)
        wait_until(lambda: answers(behind if nginx else port), 120, "the server is ready")
        master = psutil.Process(server.pid)
        counted = [master, *master.children()]
        if nginx:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "conf").write_text(_NGINX.format(folder=folder, port=port, behind=behind))
            proxy = stack.enter_context(subprocess.Popen([nginx, "-p", str(folder), "-c", str(folder / "conf")]))
            stack.callback(proxy.terminate)
            wait_until(lambda: answers(port), 20, "nginx is ready")
            counted += [psutil.Process(proxy.pid), *psutil.Process(proxy.pid).children()]
        yield port, counted


def measure(port: int, processes: list[psutil.Process], picture: Path, requests: int, clients: int) -> dict[str, float]:
    """Return what one round of requests took."""

    def spent() -> float:
        return float(sum(sum(process.cpu_times()[:2]) for process in processes))

    before = spent()
    command = [sys.executable, load.__file__, str(port), str(picture), f"--requests={requests}", f"--clients={clients}"]
    seen = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert seen["statuses"] == {"200": requests}, seen
    resident = sum(process.memory_info().rss for process in processes)
    return {
        "cpu_ms": 1000 * (spent() - before) / requests,
        "median_ms": 1000 * seen["median"],
        "slowest_ms": 1000 * seen["slowest"]["200"],
        "resident_mib": resident / (1 << 20),
    }


def main() -> None:
    """Measure every front, round by round, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--nginx", help="the program, to measure the last checkout behind it, too")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    fronts = {
        name: (Path(folder).resolve(), None) for name, _, folder in (each.partition("=") for each in given.checkout)
    }
    if given.nginx:
        last = list(fronts)[-1]
        fronts[f"{last} behind nginx"] = (fronts[last][0], given.nginx)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        base = Path(folder)
        write_model(base / "model")
        picture = base / "flower.jpg"
        picture.write_bytes(draw("flower", 1))
        servers = {
            name: stack.enter_context(serving(checkout, base, nginx)) for name, (checkout, nginx) in fronts.items()
        }
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
        for _ in range(given.rounds + 1):
            for name, (port, processes) in servers.items():
                rounds[name].append(measure(port, processes, picture, given.requests, given.clients))
    for name, found in rounds.items():
        # The first round warms up.
        figures = {key: round(statistics.median(each[key] for each in found[1:]), 3) for key in found[0]}
        sys.stdout.write(f"{name}: {json.dumps(figures)}\n")
    sys.stdout.write(f"load average {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
