"""Promise: it trains and serves without a network, without root, and writing only where the platform lets it.

So a job with network isolation works, and so does an endpoint whose /opt/ml/model is read-only.
"""

import base64
import json
import os
from collections.abc import Callable

from support.containers import READY_SECONDS, Container, Job, alarming_lines, started
from support.processes import wait_until

# Not root; and whoever runs the tests has to be able to remove what was written.
UID = os.getuid() or 1000
USER = ("--user", f"{UID}:{UID}")
LOCKED_DOWN = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--tmpfs", "/tmp")
# Asks as a client would, from inside: nothing else can reach the server. The picture comes as base64 on stdin.
ASK = """
import base64, sys, urllib.request
body = base64.b64decode(sys.stdin.read())
request = urllib.request.Request("http://127.0.0.1:8080/invocations", body, {"Content-Type": "image/jpeg"})
print(urllib.request.urlopen(request).read().decode())
"""
PING = """
import urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:8080/ping", timeout=2).status)
except OSError as error:
    print(error)
"""


def wait_until_ready(container: Container) -> None:
    """Return once /ping answers 200 inside."""

    def ready() -> bool:
        return container.execute("python3", "-c", PING).strip() == "200"

    wait_until(ready, READY_SECONDS, lambda: f"a ping gets 200: {container.log}")


def test_it_trains(job: Callable[..., Job]) -> None:
    """A job finishes with only model, output, checkpoints and /tmp writable."""
    done = job(flags=(*USER, *LOCKED_DOWN), epochs="1")
    assert done.exit_code == 0, done.log
    assert not alarming_lines(done.log), done.log
    assert (done.model / "image-classification-0000.params").stat().st_size > 40_000_000


def test_it_serves(trained: Job, flower: bytes) -> None:
    """A server answers with only /tmp writable, and /dev/shm, which every container has."""
    with started("serve", "--volume", f"{trained.model}:/opt/ml/model:ro", *USER, *LOCKED_DOWN) as container:
        wait_until_ready(container)
        answer = container.execute("python3", "-c", ASK, stdin=base64.b64encode(flower).decode())
        exit_code, _ = container.stop(30)
        assert exit_code == 0, container.log
        assert not alarming_lines(container.log), container.log
    assert sum(json.loads(answer)) > 0.999
