"""Promise: an endpoint in the GPU image has a worker on each GPU, and answers as it does on the CPU."""

import re

import pytest
from draw_pictures import CLASSES, draw

from support.containers import GPUS, Job, Server, serving


def answers(server: Server) -> list[list[float]]:
    """Return the probabilities of a picture of each class."""
    return [server.ask(draw(name, 10_000)).json() for name in CLASSES]


def test_endpoint_on_gpus(trained: Job, gpus: int) -> None:
    """A model that was trained on GPUs is served on them, and on a CPU, with the same answers up to rounding."""
    with serving(trained.model) as server:
        expected = answers(server)
        assert server.container.log.count("No GPU was found") == 1
    with serving(trained.model, *GPUS) as server:
        for worker in range(gpus):
            server.container.wait_for_log(f"Worker {worker} is ready")
        found = answers(server)
        assert len(re.findall(r"Worker \d+ is ready", server.container.log)) == gpus
    for one, other in zip(expected, found, strict=True):
        assert other == pytest.approx(one, abs=0.01)
