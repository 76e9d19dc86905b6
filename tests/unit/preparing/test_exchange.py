"""The exchange between hosts: the same decisions on each, and a clear error whatever the other host does."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import AlgorithmError, ClientError, ContainerError
from sagemaker_gluoncv_container.hosts import Hosts
from sagemaker_gluoncv_container.preparing import admission, exchange, wire
from sagemaker_gluoncv_container.preparing.journal.rows import numbers_of
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.journals import fill, item, opened
from support.processes import free_port

SECONDS = 20.0
# Two names that are two hosts to the exchange, and one machine to the network.
HOSTS = Hosts(("127.0.0.1", "127.0.0.2"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a free port, and a second to wait."""
    return Settings("heap", tmp_path / "out", host_port=free_port(), host_seconds=2.0)


class Host(threading.Thread):
    """A host that decides in a thread; `error` is what it raised."""

    def __init__(self, folder: Path, rank: int, settings: Settings, names: list[str]) -> None:
        super().__init__(daemon=True)
        self.folder, self.rank, self.settings, self.names = folder / str(rank), rank, settings, names
        self.error: ContainerError | None = None
        self.decisions: dict[str, tuple[str | None, str | None]] = {}

    def run(self) -> None:
        """List the pictures, take part, and note what is decided."""
        with opened(self.folder) as journal:
            numbers = numbers_of(self.rank)
            fill(journal, [item(name) for name in self.names], first=numbers[0])
            try:
                exchange.decide(journal, self.settings, ProcessingJob(replace(HOSTS, rank=self.rank)))
            except ContainerError as error:
                self.error = error
                return
            names = {each.number: each.name for each in journal.pictures.facts(numbers)}
            self.decisions = {
                names[each.number]: (each.reason, each.side) for each in journal.pictures.decisions(numbers)
            }


Start = Callable[..., Host]


@pytest.fixture
def start(tmp_path: Path, settings: Settings) -> Iterator[Start]:
    """Return a call that starts a host with pictures of two classes; all end within the time."""
    hosts = []

    def run(rank: int, **changes: object) -> Host:
        names = [f"{name}/{rank}-{number}.jpg" for name in ("bird", "car") for number in range(6)]
        host = Host(tmp_path, rank, replace(settings, **changes), names)  # type: ignore[arg-type]
        hosts.append(host)
        host.start()
        return host

    yield run
    for host in hosts:
        host.join(SECONDS)
        assert not host.is_alive()


def finished(host: Host) -> Host:
    """Wait for a host."""
    host.join(SECONDS)
    assert not host.is_alive()
    return host


def dial(settings: Settings) -> socket.socket:
    """Connect to the first host, as soon as it listens."""
    return exchange._connect("127.0.0.1", replace(settings, host_seconds=SECONDS))


def admitted(settings: Settings) -> wire.Connection:
    """Connect as the second host, with the right secret and settings."""
    connection = wire.Connection(dial(settings), "127.0.0.1", SECONDS)
    secret = admission.secret_of(ProcessingJob(HOSTS), "")
    admission.introduce(connection, secret, 1, settings.fingerprint("source"))
    return connection


def test_two_hosts_decide_together(start: Start) -> None:
    """Each learns the sides of its pictures; shares are over both hosts' pictures."""
    first, second = start(0, train_ratio=Decimal("0.5")), start(1, train_ratio=Decimal("0.5"))
    sides = [side for host in (first, second) for _, side in finished(host).decisions.values()]
    assert (first.error, second.error) == (None, None)
    assert sorted(sides) == ["train"] * 12 + ["validation"] * 12


def test_strangers_do_not_disturb(start: Start, settings: Settings) -> None:
    """A silent connection, and one that sends garbage, beside the real host."""
    first = start(0, host_seconds=SECONDS)
    with dial(settings), dial(settings) as noisy:
        noisy.sendall(b"GET / HTTP/1.0\r\n\r\n")
        second = start(1, host_seconds=SECONDS)
        finished(second)
        finished(first)
    assert (first.error, second.error) == (None, None)


def test_a_missing_host_is_named(start: Start, settings: Settings) -> None:
    """A silent peer is not a host: the time is over, and the message says who did not report."""
    first = start(0)
    with dial(settings):
        finished(first)
    assert isinstance(first.error, AlgorithmError)
    assert "127.0.0.2 did not report within 2 s" in str(first.error)


def test_a_missing_first_host_is_named(start: Start) -> None:
    """Nobody listens there."""
    error = finished(start(1, host_seconds=0.5)).error
    assert isinstance(error, AlgorithmError)
    assert "127.0.0.1 did not answer on port" in str(error)


def test_other_settings_are_refused_on_both_hosts(start: Start) -> None:
    """Each says that the commands differ."""
    first, second = start(0), start(1, seed=9)
    for host in (first, second):
        assert isinstance(finished(host).error, ClientError)
        assert "different settings" in str(host.error)


def test_another_secret_is_refused(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is part of the secret, and both hosts end in words."""
    first = start(0)
    dial(first.settings).close()
    monkeypatch.setenv("SAGEMAKER_GLUONCV_HOST_SECRET", "other")
    second = start(1)
    assert "does not know the secret" in str(finished(second).error)
    assert "did not report" in str(finished(first).error)


HEAD = {"pictures": 1, "multi": False}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "127.0.0.2 closed the connection too early"),
        ([HEAD], "127.0.0.2 closed the connection too early"),
        ([{"pictures": "1", "multi": False}], "how many pictures"),
        ([{}], "how many pictures"),
        ([HEAD, {"number": 1}], "It should hold number, name"),
        ([HEAD, b"nonsense\n"], "A line from 127.0.0.2 cannot be understood"),
        ([HEAD, b'{"number": '], "breaks off in the middle"),
        ([HEAD, b"x" * 100_000 + b"\n"], "A line from 127.0.0.2 cannot be understood"),
    ],
    ids=["nothing", "no facts", "a count of another type", "no count", "columns", "no JSON", "cut", "long"],
)
def test_a_host_that_fails_is_named(start: Start, settings: Settings, lines: list[object], words: str) -> None:
    """Whatever an admitted host sends, or does not send, ends in an AlgorithmError that names it, at once."""
    first = start(0, host_seconds=SECONDS)
    with admitted(settings) as connection:
        for line in lines:
            connection._writer.write(line if isinstance(line, bytes) else wire.encode(line))  # type: ignore[arg-type]
        connection.flush()
    finished(first)
    assert isinstance(first.error, AlgorithmError)
    assert words in str(first.error)
    assert "127.0.0.2" in str(first.error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"number": 1}, "not of that host"),
        ({"number": "x"}, "not of that host"),
        ({"width": [1]}, "It should hold"),
        ({"width": 1 << 70}, "It should hold"),
    ],
)
def test_facts_are_checked(
    start: Start, settings: Settings, journal: Journal, changes: dict[str, object], words: str
) -> None:
    """A picture of another host, or values that are no columns, do not get into the journal."""
    fill(journal, [item("bird/1.jpg")], first=numbers_of(1)[0])
    (facts,) = journal.pictures.facts(numbers_of(1))
    first = start(0, host_seconds=SECONDS)
    with admitted(settings) as connection:
        connection.send(HEAD)
        connection.send({**vars(facts), **changes})
        connection.flush()
        finished(first)
    assert words in str(first.error)


def test_a_first_host_that_goes_away_is_named(start: Start, settings: Settings) -> None:
    """It admits this host, and closes before it has decided."""
    secret = admission.secret_of(ProcessingJob(HOSTS), "")
    with socket.create_server(("127.0.0.1", settings.host_port)) as server:
        second = start(1)
        connected, _ = server.accept()
        with wire.Connection(connected, "127.0.0.2", SECONDS) as connection:
            connection.send({"challenge": "c"})
            connection.flush()
            said = connection.receive()
            admission.welcome(connection, secret, admission.Greeting(1, said["settings"], said["challenge"]))
            assert connection.receive() == {"pictures": 12, "multi": False}
        finished(second)
    assert isinstance(second.error, AlgorithmError)
    assert "127.0.0.1" in str(second.error)
    assert "log of 127.0.0.1" in str(second.error)
