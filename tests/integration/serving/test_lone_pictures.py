"""Promise: how many threads compute a picture that comes alone is measured once, at start; the answers are the same."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.model_server import Server, write_model
from support.processes import wait_until

MEASURED = "Threads for a picture that comes alone: "


@pytest.fixture(scope="module")
def server(start: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Return a server of two workers that is told nothing of threads."""
    folder = tmp_path_factory.mktemp("opt-ml")
    write_model(folder / "model", side=64, channels=64, layers=12)
    return start(2, base=folder)


def measured(server: Server) -> list[str]:
    """Return what the log says was measured."""
    return [line["message"] for line in server.log() if line["message"].startswith(MEASURED)]


def lone_threads(server: Server) -> dict[int, str]:
    """Return on how many threads each worker process computes lone pictures, by PID."""
    lines = {
        line["message"].partition(", pid ")[2]: line["lone_threads"]
        for line in server.log()
        if " is ready, pid " in line["message"]
    }
    return {pid: str(lines[str(pid)]) for pid in server.worker_pids()}


def test_measured_at_start(server: Server) -> None:
    """The first worker measures with one thread and with two; both compute with what was found."""
    (said,) = measured(server)
    chosen, _, figures = said.removeprefix(MEASURED).partition(" ")
    assert figures.count("ms with") == 2
    assert sorted(lone_threads(server).values()) == [chosen, chosen]


def test_the_same_answers(server: Server, flower: bytes) -> None:
    """A picture that comes alone gets the answer that it gets among others."""
    alone = server.invoke(flower)
    with ThreadPoolExecutor(16) as pool:
        among = list(pool.map(server.invoke, [flower] * 16))
    assert {reply.body for reply in among} == {alone.body}


def test_a_replaced_worker_measures_nothing(server: Server, flower: bytes) -> None:
    """A worker that takes the place of a lost one computes with what was found before."""
    before, workers = measured(server), server.worker_pids()
    os.kill(workers[0], signal.SIGKILL)
    wait_until(lambda: server.metrics()["workers_lost_total"] == 1, 10, "the worker is lost")
    wait_until(lambda: server.metrics()["workers_ready"] == 2, 30, "the worker is replaced")
    chosen = before[0].removeprefix(MEASURED).partition(" ")[0]
    assert [threads for pid, threads in lone_threads(server).items() if pid not in workers] == [chosen]
    assert measured(server) == before
    assert server.invoke(flower).status == 200
