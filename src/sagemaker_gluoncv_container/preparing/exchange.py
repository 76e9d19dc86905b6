"""Several hosts that prepare one source: each inspects and writes its own pictures, the first one decides for all.

Duplicates and shares are about all pictures. So the other hosts send the first one what they know of each picture (not
the pixels), and get the decisions back. `admission` says who may take part, `wire` what a line looks like.
"""

import socket
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, fields, replace
from typing import NoReturn, TypeVar

from ..contract import HOST_SECRET, Environment
from ..errors import AlgorithmError, ClientError
from . import addresses, admission, choosing
from .journal.rows import Decision, Facts, numbers_of
from .journal.store import Journal
from .processing import ProcessingJob
from .settings import Settings
from .wire import Connection, Message

_RETRY_SECONDS = 0.5
# A host that is sending pauses for no longer.
_SILENT_SECONDS = 60.0
Row = TypeVar("Row", Facts, Decision)


def decide(journal: Journal, settings: Settings, job: ProcessingJob) -> None:
    """Have every picture decided, over all hosts.

    Raises AlgorithmError if a host does not come or fails, ClientError if it has other settings.
    """
    if job.hosts.alone:
        choosing.decide(journal, settings)
        return
    secret = admission.secret_of(job, Environment().text(HOST_SECRET))
    if job.hosts.leads:
        _lead(journal, settings, job, secret)
    else:
        _follow(journal, settings, job, secret)


def _lead(journal: Journal, settings: Settings, job: ProcessingJob, secret: bytes) -> None:
    """Collect what the other hosts know, decide, and tell each of them."""
    until = time.monotonic() + settings.host_seconds
    with ExitStack() as stack:
        server = stack.enter_context(addresses.listen(job.hosts, settings.host_port, settings.host_seconds))
        reception = stack.enter_context(closing(admission.Reception(server, secret)))
        others: dict[int, Connection] = {}
        try:
            for connected, greeting in reception.hosts(until):
                peer = _name_of(job, greeting.rank)
                connection = stack.enter_context(
                    Connection(connected, peer, min(_SILENT_SECONDS, settings.host_seconds))
                )
                if greeting.settings != settings.fingerprint("source"):
                    _refuse_settings(connection)
                admission.welcome(connection, secret, greeting)
                _take(journal, connection, numbers_of(greeting.rank))
                others[greeting.rank] = connection
                if len(others) == len(job.hosts.names) - 1:
                    break
        except TimeoutError as error:
            missing = [name for rank, name in enumerate(job.hosts.names) if rank and rank not in others]
            what = f"{', '.join(missing)} did not report within {settings.host_seconds:.0f} s"
            raise AlgorithmError(what, do="See the log there; --host-seconds sets how long to wait") from error
        choosing.decide(journal, settings)
        for rank, connection in others.items():
            _tell(journal, connection, numbers_of(rank))


def _name_of(job: ProcessingJob, rank: object) -> str:
    if not isinstance(rank, int) or not 0 < rank < len(job.hosts.names):
        raise AlgorithmError(f"A host says that it is number {rank}", f"There are {len(job.hosts.names)} hosts")
    return job.hosts.names[rank]


def _refuse_settings(connection: Connection) -> NoReturn:
    why = "Two hosts have different settings or versions"
    admission.refuse(connection, why)
    raise ClientError(f"{connection.peer} cannot take part", why, "Start every host with the same command and image")


def _take(journal: Journal, connection: Connection, numbers: range) -> None:
    """Note what a host tells of its pictures, unless an interrupted run has decided already."""
    head = connection.receive()
    count, multi = head.get("pictures"), head.get("multi")
    if not isinstance(count, int) or not isinstance(multi, bool):
        raise connection.misunderstood("It should say how many pictures there are")
    told = (_row(connection, Facts, numbers) for _ in range(count))
    if journal.decided:
        for _ in told:
            continue
        return
    with journal.transaction():
        listing = journal.listing
        journal.listing = replace(listing, multi=listing.multi or multi)
        journal.pictures.replace_facts(numbers, told)


def _row(connection: Connection, kind: type[Row], numbers: range, message: Message | None = None) -> Row:
    """Return the next line as a row. Raises AlgorithmError if it is not one, or not about one of these pictures."""
    message = connection.receive() if message is None else message
    names = [each.name for each in fields(kind)]
    if list(message) != names or not all(map(_is_column, message.values())):
        raise connection.misunderstood(f"It should hold {', '.join(names)}")
    row = kind(**message)
    # A range looks for anything but a number by going through all of it.
    if not isinstance(row.number, int) or row.number not in numbers:
        raise connection.misunderstood(f"It is about picture {row.number}, which is not of that host")
    return row


def _is_column(value: object) -> bool:
    """Return whether SQLite can hold a value."""
    return value is None or isinstance(value, (str, bytes)) or (isinstance(value, int) and abs(value) < 1 << 63)


def _tell(journal: Journal, connection: Connection, numbers: range) -> None:
    for decision in journal.pictures.decisions(numbers):
        connection.send(asdict(decision))
    connection.send({"classes": journal.classes, "multi": journal.listing.multi})
    connection.flush()


def _follow(journal: Journal, settings: Settings, job: ProcessingJob, secret: bytes) -> None:
    """Send the first host what this one knows, and note what it decides."""
    numbers = numbers_of(job.hosts.rank)
    with Connection(_connect(job.hosts.first, settings), job.hosts.first, settings.host_seconds) as first:
        admission.introduce(first, secret, job.hosts.rank, settings.fingerprint("source"))
        first.send({"pictures": journal.pictures.count(), "multi": journal.listing.multi})
        for facts in journal.pictures.facts(numbers):
            first.send(asdict(facts))
        first.flush()
        with journal.transaction():
            end = _apply(journal, first, numbers)
            journal.classes = end["classes"]
            journal.listing = replace(journal.listing, multi=bool(end["multi"]))
            journal.decided = True


def _apply(journal: Journal, first: Connection, numbers: range) -> Message:
    """Note decisions until the last line, and return that."""
    while True:
        message = first.receive()
        if "classes" in message:
            if not isinstance(message["classes"], list) or "multi" not in message:
                raise first.misunderstood("It should be the names of the classes")
            return message
        journal.pictures.apply(_row(first, Decision, numbers, message))


def _connect(host: str, settings: Settings) -> socket.socket:
    """Return a connection to the first host, once its name resolves and it has inspected its own pictures."""
    until = time.monotonic() + settings.host_seconds
    while True:
        try:
            return socket.create_connection((host, settings.host_port), timeout=settings.host_seconds)
        except OSError as error:
            if time.monotonic() > until:
                what = f"{host} did not answer on port {settings.host_port} within {settings.host_seconds:.0f} s"
                raise AlgorithmError(what, error.strerror or str(error), f"See the log of {host}") from error
            time.sleep(_RETRY_SECONDS)
