"""Memory for large pictures: who need not ask, who waits, who is refused."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from sagemaker_gluoncv_container import machine
from sagemaker_gluoncv_container.decoding import turns
from sagemaker_gluoncv_container.errors import Overloaded, UnreadablePicture

MB = 1 << 20


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the container have 1,000 MB free, and four decoders."""
    monkeypatch.setattr(machine, "memory_available", lambda: 1000 * MB)
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(turns, "_decoders", 4)


def hold(started: threading.Event, release: threading.Event) -> None:
    """Take the container's turn until told to give it back."""
    with turns.taking(400 * MB, "a picture"):
        started.set()
        release.wait(20)


@pytest.fixture
def taken() -> Iterator[threading.Event]:
    """Have another thread hold the turn; set the event to end that."""
    started, release = threading.Event(), threading.Event()
    other = threading.Thread(target=hold, args=(started, release))
    other.start()
    assert started.wait(20)
    yield release
    release.set()
    other.join()


def test_small_pictures_ask_nobody(taken: threading.Event) -> None:
    """While a large picture is decoded, ordinary ones, and some of medium size, go on."""
    for cost in (0, 8 * MB, 62 * MB):
        with turns.taking(cost, "a picture", deadline=time.monotonic()):
            pass


def test_a_large_picture_waits_for_another(taken: threading.Event) -> None:
    """A second large picture is decoded after the first, or refused as overload after its deadline."""
    with pytest.raises(Overloaded, match="wait too long"), turns.taking(63 * MB, "a", time.monotonic() + 0.1):
        pass
    threading.Timer(0.2, taken.set).start()
    started = time.monotonic()
    with turns.taking(63 * MB, "a picture", started + 20):
        assert time.monotonic() - started > 0.1


def test_a_picture_beyond_the_memory_is_refused() -> None:
    """What takes more than half of the free memory is refused, with both figures."""
    with turns.taking(500 * MB, "a picture"):
        pass
    why = r"To decode its 9 x 9 pixels takes 501 MB, and 500 MB can be spared"
    with pytest.raises(UnreadablePicture, match=why), turns.taking(501 * MB, "its 9 x 9 pixels"):
        pass


def test_memory_that_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the turn waits a little for others to give memory back."""
    free = iter([100 * MB, 100 * MB, 100 * MB])
    monkeypatch.setattr(machine, "memory_available", lambda: next(free, 1000 * MB))
    with turns.taking(300 * MB, "a picture"):
        assert next(free, None) is None


def test_the_turn_is_given_back_after_an_error() -> None:
    """A picture that cannot be decoded does not keep the turn."""
    for _ in range(2):
        with pytest.raises(KeyError), turns.taking(400 * MB, "a picture", time.monotonic() + 1):
            raise KeyError


HOLDER = """
import time
from sagemaker_gluoncv_container import machine
from sagemaker_gluoncv_container.decoding import turns
machine.memory_available = lambda: 1000 << 20
with turns.taking(400 << 20, "a picture"):
    print("has the turn", flush=True)
    time.sleep(60)
"""


def test_processes_share_the_turn_and_lose_it_when_they_die() -> None:
    """Another process's turn is waited for; a process that is killed gives it back."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"has the turn\n"
        with pytest.raises(Overloaded), turns.taking(400 * MB, "a picture", time.monotonic()):
            pass
        process.kill()
    with turns.taking(400 * MB, "a picture", time.monotonic() + 5):
        pass


def test_decoders_are_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer decoders may each take more unasked."""
    turns.expect(0)
    with turns.taking(250 * MB, "a picture", time.monotonic()):
        pass
