"""Promise: pictures that wait together are computed together, a bad one fails alone, and nobody waits for company."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from draw_pictures import draw
from PIL import Image

from support.model_server import Server
from support.processes import wait_until

BATCH_SIZE = 8


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a server with one worker."""
    return start(1, OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def large() -> bytes:
    """Return a picture of 80 megapixels, which keeps a worker busy for a while."""
    buffer = io.BytesIO()
    Image.new("RGB", (10_000, 8_000), (200, 100, 50)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def batches(server: Server) -> dict[str, float]:
    """Return how many batches there were up to each size."""
    return {name: value for name, value in server.metrics().items() if name.startswith("batch_size_")}


def test_eight_at_once_of_which_one_is_broken(server: Server, large: bytes) -> None:
    """Eight pictures wait together: one batch of eight, seven 200 with their own answers and one 415."""
    pictures = [draw("car", seed) for seed in range(BATCH_SIZE)]
    pictures[3] = pictures[3][:900]
    alone = [server.invoke(picture) for picture in pictures]
    before = batches(server)
    with ThreadPoolExecutor(BATCH_SIZE + 1) as pool:
        worker = psutil.Process(server.worker_pids()[-1])
        computed = worker.cpu_times().user
        busy = pool.submit(server.invoke, large)
        wait_until(lambda: worker.cpu_times().user > computed + 0.05, 20, "the worker has the large picture")
        # It stands still until all eight wait, however slow this machine is.
        worker.suspend()
        replies = pool.map(server.invoke, pictures)
        wait_until(lambda: server.metrics()["queue_length"] == BATCH_SIZE, 20, "the eight wait")
        worker.resume()
        together = list(replies)
        assert busy.result().status == 200
    after = batches(server)
    assert [reply.status for reply in together] == [200] * 3 + [415] + [200] * 4
    for reply, expected in zip(together, alone, strict=True):
        if reply.status == 200:
            assert reply.json == pytest.approx(expected.json, abs=1e-6)
    # Two batches: the large picture, and the eight.
    assert after["batch_size_count"] - before["batch_size_count"] == 2
    assert after["batch_size_sum"] - before["batch_size_sum"] == 1 + BATCH_SIZE
    assert sum(line.get("batch") == BATCH_SIZE for line in server.log()) == BATCH_SIZE - 1


def test_an_idle_server_adds_no_delay(server: Server, flower: bytes) -> None:
    """A picture that comes alone is computed at once: it does not wait for others to share a batch with."""
    for _ in range(20):
        assert server.invoke(flower).status == 200
    lines = [line for line in server.log() if line.get("status") == 200][-20:]
    assert {line["batch"] for line in lines} == {1}
    assert sorted(line["queue_ms"] for line in lines)[10] < 5
