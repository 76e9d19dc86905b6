"""Promise: slow connections, large uploads and honest clients at once cost nobody an answer, a ping or the server."""

import os
from pathlib import Path

from support import soak
from support.containers import Job, serving
from support.processes import free_port

# `make soak` takes a minute.
SECONDS = float(os.environ.get("SOAK_SECONDS", "10"))
# Those who ask share the server's two CPUs, so a single ping may wait for one of them. The platform's limit is 2 s.
PING_SECONDS, SLOWEST_PING_SECONDS = 0.2, 2


def test_everything_at_once(trained: Job, flower: bytes, tmp_path: Path) -> None:
    """In 1 GB and two CPUs honest clients get answers or 503 with Retry-After, pings come through, nobody is killed."""
    picture = tmp_path / "flower.jpg"
    picture.write_bytes(flower)
    port = free_port()
    # The host's network: Docker's own proxy would be a part of what is measured.
    flags = ("--memory", "1g", "--cpus", "2", "--network", "host", "--env", f"SAGEMAKER_BIND_TO_PORT={port}")
    with serving(trained.model, *flags, port=port) as server:
        seen = soak.run(port, picture, seconds=SECONDS)
        container = server.container
        assert container.running
        assert container.inspect("{{.State.OOMKilled}}") == "false"
        assert "is lost" not in container.log
    assert set(seen["clients"]["statuses"]) <= {"200", "503"}, seen
    assert seen["clients"]["statuses"]["200"] > 0
    assert seen["clients"]["unanswered"] == []
    assert seen["clients"]["without_retry_after"] == 0
    assert set(seen["uploads"]) <= {"200", "503", "503 without Retry-After"}, seen
    assert not seen["uploads"].get("503 without Retry-After")
    assert set(seen["pings"]) == {"200", "slowest", "p99", "median"}, seen
    assert seen["pings"]["p99"] < PING_SECONDS, seen
    assert seen["pings"]["slowest"] < SLOWEST_PING_SECONDS, seen
