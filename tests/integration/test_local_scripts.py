"""The scripts in local_test say what is missing and what to do, where they cannot start or get no answer."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import create_server

import pytest

from support.processes import free_port

Run = Callable[..., "subprocess.CompletedProcess[str]"]
# What the scripts need besides Docker and curl.
TOOLS = ("bash", "env", "dirname", "id", "tail", "mkdir", "cat")


@pytest.fixture
def model(scripts: Path) -> Path:
    """Return a model directory where serve_local.sh looks for it."""
    folder = scripts / "work" / "model"
    folder.mkdir(parents=True)
    (folder / "image-classification-0000.params").touch()
    return folder


@pytest.fixture
def run(scripts: Path) -> Run:
    """Return a function that runs a script from a folder that is not its own."""

    def run(script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [str(scripts / script), *arguments]
        environment = {**os.environ, "http_proxy": "http://127.0.0.1:1", **variables}
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """Return a PATH on which there are neither Docker nor curl."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


def assert_told(done: "subprocess.CompletedProcess[str]", exit_code: int, *words: str) -> None:
    """Fail unless a script ended so, and said these words."""
    assert done.returncode == exit_code, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh"])
def test_no_docker(run: Run, model: Path, bare_path: str, script: str) -> None:
    """Where Docker is not installed, that is said."""
    assert_told(run(script, PATH=bare_path), 1, "Docker is not installed.", "Install it")


@pytest.mark.parametrize("script", ["train_local.sh", "serve_local.sh"])
def test_no_engine(run: Run, model: Path, tmp_path: Path, script: str, require: Callable[[object, str], None]) -> None:
    """Where no engine answers, Docker's own reason is there, and what to start."""
    require(shutil.which("docker"), "there is no Docker client")
    socket = f"unix://{tmp_path}/no.sock"
    assert_told(run(script, DOCKER_HOST=socket), 1, "No Docker engine answers: ", socket, "Start one")


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_no_model(run: Run, scripts: Path, left: str) -> None:
    """Without a model serve_local.sh names the script that trains one, before it asks for Docker."""
    if left == "an empty folder":
        (scripts / "work" / "model").mkdir(parents=True)
    assert_told(run("serve_local.sh", PATH=os.environ["PATH"]), 1, "There is no model in ", "train_local.sh")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "80a", "http", "8080 "])
def test_no_port(run: Run, model: Path, port: str, tmp_path: Path) -> None:
    """What cannot be a port is refused by name, as an argument and in PORT."""
    assert_told(run("serve_local.sh", port), 2, f"'{port}' is not a port.", "usage: serve_local.sh")
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(b"picture")
    assert_told(run("predict.sh", str(picture), PORT=port), 2, f"'{port}' is not a port.")


def test_a_path_that_docker_cannot_mount(scripts: Path, tmp_path: Path) -> None:
    """A colon in the path, at which Docker would split it, is named."""
    moved = scripts.rename(tmp_path / "local:test")
    done = subprocess.run([str(moved / "train_local.sh")], capture_output=True, text=True, timeout=60)
    assert_told(done, 1, "its path contains a colon")


def test_no_picture(run: Run, tmp_path: Path) -> None:
    """A file that is missing or empty, and a folder, are named before the server is asked."""
    assert_told(run("predict.sh", "/no/such.jpg"), 2, "There is no file /no/such.jpg.")
    assert_told(run("predict.sh", str(tmp_path)), 2, f"{tmp_path} is a folder.")
    (tmp_path / "empty.jpg").touch()
    assert_told(run("predict.sh", str(tmp_path / "empty.jpg")), 2, "empty.jpg is empty.")


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """Return a file that is not empty."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(b"picture")
    return str(path)


def test_no_curl(run: Run, picture: str, bare_path: str) -> None:
    """Where curl is not installed, that is said."""
    assert_told(run("predict.sh", picture, PATH=bare_path), 1, "curl is not installed.")


def test_no_server(run: Run, picture: str) -> None:
    """Where nobody listens, the script that starts a server is named, and the port."""
    port = str(free_port())
    assert_told(run("predict.sh", picture, PORT=port), 1, f"No server answers on port {port}", "serve_local.sh")


def test_another_program_listens(run: Run, picture: str) -> None:
    """A program that speaks no HTTP is not taken for the server."""
    with create_server(("127.0.0.1", 0)) as listening:

        def close_first() -> None:
            connection, _ = listening.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=close_first)
        thread.start()
        done = run("predict.sh", picture, PORT=str(listening.getsockname()[1]))
        thread.join()
    assert_told(done, 1, "gave no whole HTTP answer", "nothing else listens")


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with 415 and a reason."""

    def do_POST(self) -> None:  # noqa: N802
        """Answer one request."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(415)
        self.end_headers()
        self.wfile.write(b'{"error": "why"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[HTTPServer]:
    """Yield a server that refuses everything."""
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_refusal_is_shown(run: Run, picture: str, refusing: HTTPServer) -> None:
    """The server's reason is printed, and the exit code tells a refusal from no answer."""
    done = run("predict.sh", picture, PORT=str(refusing.server_port))
    assert (done.returncode, done.stdout) == (22, '{"error": "why"}\n')


def python(scripts: Path, script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run one of the Python scripts."""
    command = [sys.executable, str(scripts / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_pack_folders_says_what_is_wrong(scripts: Path, tmp_path: Path) -> None:
    """No folder, no class folders, and a class without pictures: each ends with 2 and no traceback."""
    out = tmp_path / "channel"
    assert_told(python(scripts, "pack_folders.py", tmp_path / "none", out), 2, f"There is no folder {tmp_path}/none.")
    heap = tmp_path / "heap"
    heap.mkdir()
    assert_told(python(scripts, "pack_folders.py", heap, out), 2, "has no folders of pictures.")
    (heap / "cat").mkdir()
    (heap / "cat" / "notes.txt").write_text("no picture")
    assert_told(python(scripts, "pack_folders.py", heap, out), 2, "folders without pictures: cat.")
    assert not out.exists()
    (heap / "cat" / "one.PNG").write_bytes(b"1")
    assert python(scripts, "pack_folders.py", heap, out).returncode == 0
    (tmp_path / "file").touch()
    done = python(scripts, "pack_folders.py", heap, tmp_path / "file" / "channel")
    assert_told(done, 1, "Not a directory.")
    assert "Traceback" not in done.stderr


def test_draw_pictures_says_what_is_wrong(scripts: Path, tmp_path: Path) -> None:
    """A count that makes no channel, and a folder that cannot be written, are named."""
    assert_told(python(scripts, "draw_pictures.py", tmp_path, "--train", "0"), 2, "at least 1 picture per class")
    (tmp_path / "file").touch()
    done = python(scripts, "draw_pictures.py", tmp_path / "file", "--train", "1", "--validation", "1")
    assert_told(done, 1, "cannot be written: Not a directory.")
    assert "Traceback" not in done.stderr
