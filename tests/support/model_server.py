"""The real server as a process of the test: started, asked, watched, stopped; and models for it, made in a second."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import mxnet as mx
import numpy as np
import psutil

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.images import Preprocessing
from support.processes import SERVE, Process, environment, free_port, wait_until

START_SECONDS = 60
# The platform kills 30 s after SIGTERM.
STOP_SECONDS = 25
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


class Reply(NamedTuple):
    """What the server answered, and after how many seconds."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def serve(base: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `serve` where it is expected to refuse to start."""
    return subprocess.run(
        SERVE, env=environment(base, **variables), capture_output=True, text=True, timeout=START_SECONDS
    )


class Server(Process):
    """A running server. Its log has a line of JSON for each event."""

    def __init__(self, base: Path, log_path: Path, **variables: str) -> None:
        self.port = int(variables.setdefault("SAGEMAKER_BIND_TO_PORT", str(free_port())))
        super().__init__(SERVE, log_path, environment(base, **variables))

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout: float = 60) -> HTTPConnection:
        """Return a connection of its own."""
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        connection: HTTPConnection | None = None,
    ) -> Reply:
        """Send one request, on a new connection unless one is given."""
        own = connection or self.connect()
        try:
            began = time.monotonic()
            own.request(method, path, body, headers or {})
            answer = own.getresponse()
            content = answer.read()
            return Reply(answer.status, dict(answer.getheaders()), content, time.monotonic() - began)
        finally:
            if connection is None:
                own.close()

    def invoke(
        self, body: Any, content_type: str = "application/x-image", path: str = "/invocations", **more: Any
    ) -> Reply:
        """Ask about a picture, or pictures."""
        headers = {"Content-Type": content_type, **more.pop("headers", {})}
        return self.ask("POST", path, body, headers, **more)

    def ping(self) -> int:
        """Return the status of /ping, 0 if nothing answers."""
        try:
            return self.ask("GET", "/ping").status
        except OSError:
            return 0

    def metrics(self) -> dict[str, float]:
        """Return the metrics, each under its name with labels; ours without their prefix."""
        text = self.ask("GET", "/metrics").body.decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name.removeprefix("sagemaker_gluoncv_"): float(value) for name, _, value in lines}

    def log(self) -> list[dict[str, Any]]:
        """Return the log's lines; every one must be JSON."""
        return [json.loads(line) for line in self.output.splitlines()]

    def worker_pids(self) -> list[int]:
        """Return the process ids of the workers that the log says became ready, those that still live."""
        said = [re.fullmatch(r"Worker \d+ is ready, pid (\d+)", line.get("message", "")) for line in self.log()]
        return [pid for match in said if match and psutil.pid_exists(pid := int(match[1]))]

    def processes(self) -> list[psutil.Process]:
        """Return the server's processes: gunicorn's master, the front and the workers."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def resident_bytes(self) -> int:
        """Return the memory of all processes of the server."""
        return sum(process.memory_info().rss for process in self.processes())

    def wait_until_ready(self, workers: int = 1) -> None:
        """Return once that many workers can answer."""

        def ready() -> bool:
            assert self.process.poll() is None, self.output
            return self.ping() == 200 and self.metrics()["workers_ready"] >= workers

        wait_until(ready, START_SECONDS, "workers are ready")

    def end(self) -> None:
        """Stop it if it still runs, and fail if a process of it is left."""
        if self.process.poll() is None:
            family = self.processes()
            try:
                self.stop(STOP_SECONDS)
                _, left = psutil.wait_procs(family, timeout=5)
            except AssertionError:
                left = family
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=5)
            assert not left, f"{left} did not end: {self.output}"
        self.kill()


@contextmanager
def starting(base: Path, log_path: Path, **variables: str) -> Iterator[Server]:
    """Yield a server that was just started; end it afterwards."""
    server = Server(base, log_path, **variables)
    try:
        yield server
    finally:
        server.end()


@contextmanager
def running(base: Path, log_path: Path, workers: int = 1, **variables: str) -> Iterator[Server]:
    """Yield a server with that many workers, ready; end it afterwards."""
    with starting(base, log_path, SAGEMAKER_MODEL_SERVER_WORKERS=str(workers), **variables) as server:
        server.wait_until_ready(workers)
        yield server


def seen_by(clients: subprocess.Popen[str]) -> Any:
    """Return what the clients of load.py saw, once they have ended."""
    output, _ = clients.communicate(timeout=150)
    assert clients.returncode == 0
    return json.loads(output)


def network(classes: int, channels: int = 4, layers: int = 1) -> mx.sym.Symbol:
    """Return a small net as the built-in's begin and end: a leading BatchNorm `bn_data`, and SoftmaxOutput."""
    net = mx.sym.BatchNorm(mx.sym.var("data"), fix_gamma=True, eps=2e-5, name="bn_data")
    for layer in range(layers):
        net = mx.sym.Convolution(net, num_filter=channels, kernel=(3, 3), pad=(1, 1), name=f"conv{layer}")
        net = mx.sym.Activation(net, act_type="relu", name=f"relu{layer}")
    # Not a global pooling: where something is in a picture must count.
    net = mx.sym.Pooling(net, kernel=(8, 8), stride=(8, 8), pool_type="avg", name="pool")
    net = mx.sym.FullyConnected(mx.sym.flatten(net), num_hidden=classes, name="fc1")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def weights(symbol: mx.sym.Symbol, side: int, seed: int = 3) -> dict[str, mx.nd.NDArray]:
    """Return weights for a net, under the names of a .params file; with this seed its answers are not extreme."""
    random = np.random.default_rng(seed)
    shapes, _, auxiliary = symbol.infer_shape(data=(1, 3, side, side), softmax_label=(1,))
    arrays = {}
    for name, shape in zip(symbol.list_arguments(), shapes, strict=True):
        if name not in ("data", "softmax_label"):
            # A standard deviation that keeps what passes through a layer at its scale.
            spread = np.sqrt(2 / max(1, np.prod(shape[1:])))
            arrays[f"arg:{name}"] = mx.nd.array(random.normal(0, spread, shape))
    for name, shape in zip(symbol.list_auxiliary_states(), auxiliary, strict=True):
        value = np.full(shape, 120.0) if name.endswith("mean") else np.full(shape, 3000.0)
        arrays[f"aux:{name}"] = mx.nd.array(value)
    return arrays


def write_model(
    folder: Path, classes: tuple[str, ...] = ("bird", "car", "flower", "plane"), side: int = 32, **shape: int
) -> Path:
    """Write a model directory in our own format, and return it."""
    symbol = network(len(classes), **shape)
    arrays = weights(symbol, side)
    description = artifact.Description(1, len(classes), Preprocessing(side, side, round(side * 256 / 224)), classes)
    artifact.save(folder, symbol.tojson(), lambda path: mx.nd.save(str(path), arrays), description)
    return folder
