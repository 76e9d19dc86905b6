"""serving.health: what plain Docker shows as healthy."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.serving import health

PYTHON = b"/opt/venv/bin/python3"
SERVING = b"/usr/bin/env\0python3\0/opt/sagemaker-gluoncv/bin/serve\0"


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers a ping with the server's status."""

    def do_GET(self) -> None:  # noqa: N802
        """Answer."""
        self.send_response(self.server.status if self.path == "/ping" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[http.server.HTTPServer]:
    """Return a server on the port that the settings name."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.status = 200  # type: ignore[attr-defined]
        monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", str(server.server_port))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def init(tmp_path: Path) -> Path:
    """Return the command line of a first process that serves."""
    path = tmp_path / "cmdline"
    path.write_bytes(SERVING)
    return path


@pytest.mark.parametrize(
    ("command", "serves"),
    [
        (SERVING, True),
        (PYTHON + b"\0-m\0gunicorn\0--config\0gunicorn.conf.py\0", True),
        (b"/sbin/docker-init\0--\0serve\0", True),
        (PYTHON + b"\0/opt/sagemaker-gluoncv/bin/train\0", False),
        (b"bash\0", False),
    ],
)
def test_who_serves(command: bytes, serves: bool) -> None:
    """A server is known by its command line, before and after gunicorn takes over; a training job is not a server."""
    assert health.serves(command) is serves


def test_server_that_answers_is_healthy(server: http.server.HTTPServer, init: Path) -> None:
    """A ping is answered on the port that the platform's variable names."""
    assert health.main(init) == 0


def test_other_status_is_named(server: http.server.HTTPServer, init: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that answers a ping with another status is unhealthy, and the check says which."""
    server.status = 503  # type: ignore[attr-defined]
    assert health.main(init) == 1
    assert capsys.readouterr().out == f"/ping on port {server.server_port} answers 503\n"


def test_silence_is_named(init: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that is not there is unhealthy; a container that trains is healthy without one."""
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9")
    assert health.main(init) == 1
    assert "/ping on port 9 does not answer" in capsys.readouterr().out
    init.write_bytes(b"python3\0train\0")
    assert health.main(init) == 0
