"""A FIFO with deadlines, and the shuffle buffer."""

import io
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sagemaker_gluoncv_container.data.pipe import Fifo, shuffled
from sagemaker_gluoncv_container.ending import Ended
from sagemaker_gluoncv_container.errors import AlgorithmError, ClientError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a FIFO is to be."""
    return tmp_path / "train_0"


def test_a_fifo_that_is_not_there_in_time(path: Path) -> None:
    """Waiting for a FIFO has an end, and the message names it."""
    with pytest.raises(ClientError, match=f"There is no pipe {path}"):
        Fifo(path, 0.1)


def test_a_fifo_that_comes_late(path: Path) -> None:
    """A FIFO may be made, and opened for writing, after the reader has come."""

    def write() -> None:
        time.sleep(0.1)
        os.mkfifo(path)
        time.sleep(0.1)
        with path.open("wb", buffering=0) as file:
            file.write(b"one")
            time.sleep(0.1)
            file.write(b"two")

    writer = threading.Thread(target=write)
    writer.start()
    with io.BufferedReader(Fifo(path, 30)) as file:  # type: ignore[arg-type]
        assert file.read() == b"onetwo"
    writer.join()


@pytest.mark.parametrize("there", [False, True])
def test_a_job_that_is_to_end(path: Path, there: bool) -> None:
    """Whoever waits for a pipe, or for what comes through, hears within a second that the job is to end."""
    if there:
        os.mkfifo(path)
    began = time.monotonic()
    with pytest.raises(Ended, match="Asked to stop"), Fifo(path, 60, lambda: "Asked to stop") as fifo:
        fifo.read(1)
    assert time.monotonic() - began < 20


def test_a_writer_that_falls_silent(path: Path) -> None:
    """A silence over the deadline is an error of the platform's; what had come was given."""
    os.mkfifo(path)
    with Fifo(path, 0.2) as fifo:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.write(descriptor, b"some")
            assert fifo.read(10) == b"some"
            with pytest.raises(AlgorithmError, match=r"Nothing has come through .*train_0 for 0.2 s"):
                fifo.read(10)
        finally:
            os.close(descriptor)


def test_no_writer_comes(path: Path) -> None:
    """A FIFO without a writer is not taken for an empty one."""
    os.mkfifo(path)
    with Fifo(path, 0.1) as fifo, pytest.raises(AlgorithmError, match="Nothing has come"):
        fifo.read(1)


def test_a_closed_fifo_has_no_reader(path: Path) -> None:
    """Closing tells the writer that no more is wanted; closing twice is no error."""
    os.mkfifo(path)
    fifo = Fifo(path, 30)
    descriptor = os.open(path, os.O_WRONLY)
    try:
        fifo.close()
        fifo.close()
        with pytest.raises(BrokenPipeError):
            os.write(descriptor, b"more")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("most", "most_bytes"), [(0, 100), (1, 100), (10, 100), (1000, 10**6), (1000, 30), (1000, 0)])
def test_each_item_once(most: int, most_bytes: int) -> None:
    """However small the buffer is, each item comes once, and the order repeats with the seed."""
    orders = [
        list(shuffled(iter(range(100)), np.random.default_rng(seed), lambda _: 3, most, most_bytes))
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(orders[2]) == list(range(100))
    if most > 1 and most_bytes > 6:
        assert len({tuple(order) for order in (*orders, list(range(100)))}) == 3


def test_the_buffer_is_bounded() -> None:
    """No more items, and no more bytes, are held than allowed; one item is always taken in."""
    for most, most_bytes, held in ((10, 10**6, 10), (10**6, 50, 5)):
        taken = 0

        def items() -> "object":
            nonlocal taken
            for number in range(200):
                taken += 1
                yield number

        for given, _ in enumerate(shuffled(items(), np.random.default_rng(0), lambda _: 10, most, most_bytes)):  # type: ignore[arg-type]
            assert taken - given <= held + 1
