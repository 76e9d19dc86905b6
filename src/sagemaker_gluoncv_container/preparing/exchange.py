"""Several hosts that prepare one source: each looks at and writes its own pictures, the first decides for all.

Duplicates and shares are over all pictures, so the others send the first what they know of each picture (not the
pixels), over TCP, and get the decisions back. Source of the files: "How Amazon SageMaker runs your processing container
image" in the SageMaker developer guide: /opt/ml/config/resourceconfig.json and processingjobconfig.json.
"""

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from ..contract import Paths
from ..errors import AlgorithmError, ClientError
from . import choosing
from .journal import HOST_STEP, Journal
from .settings import Settings

_RETRY_SECONDS = 0.5
_FACTS = "number, name, labels, looked, reason, detail, mended, bytes, sha, key, phash, width, height, length, thumb"
_COLUMNS = _FACTS.removesuffix(", thumb")
_DECISIONS = "number, reason, detail, resembles, unit, stratum, side"


@dataclass(frozen=True)
class Hosts:
    """The hosts of the job, and which of them this is. `inputs` are (folder, distribution) of a Processing job."""

    names: tuple[str, ...] = ("",)
    rank: int = 0
    inputs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_platform(cls, paths: Paths) -> "Hosts":
        """Return the hosts that the platform names; one without a name on any other machine."""
        resources = _read(paths.base / "config" / "resourceconfig.json") or paths.read_config("resourceconfig")
        names = tuple(sorted(resources.get("hosts", []))) or ("",)
        rank = names.index(resources["current_host"]) if len(names) > 1 else 0
        job = _read(paths.base / "config" / "processingjobconfig.json")
        inputs = [each.get("S3Input") or {} for each in job.get("ProcessingInputs") or []]
        return cls(
            names,
            rank,
            tuple((each.get("LocalPath", ""), each.get("S3DataDistributionType", "")) for each in inputs),
        )

    @property
    def alone(self) -> bool:
        """Whether there is no other host."""
        return len(self.names) == 1

    def each_has_all(self, settings: Settings, kind: str) -> bool:
        """Return whether every host sees the whole source, so that they must share it out.

        As the user says, else as the Processing job says of the folder, else: lists and S3 are whole, folders sharded.
        """
        if self.alone:
            return False
        if settings.distribution:
            return settings.distribution == "replicated"
        for folder, distribution in self.inputs:
            if folder and distribution and Path(settings.source).is_relative_to(folder):
                return distribution != "ShardedByS3Key"
        return kind not in ("folders", "rec") or settings.source.startswith("s3://")


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text())
    return value if isinstance(value, dict) else {}


def decide(journal: Journal, settings: Settings, hosts: Hosts) -> None:
    """Have every picture decided, over all hosts. Raises ClientError if a host does not come or is unlike this one."""
    if hosts.alone:
        choosing.decide(journal, settings)
    elif hosts.rank == 0:
        _lead(journal, settings, hosts)
    else:
        _follow(journal, settings, hosts)


def _lead(journal: Journal, settings: Settings, hosts: Hosts) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("", settings.host_port)))
        server.settimeout(settings.host_seconds)
        others: dict[int, TextIO] = {}
        while len(others) < len(hosts.names) - 1:
            try:
                connection = stack.enter_context(server.accept()[0])
            except TimeoutError as error:
                missing = [name for rank, name in enumerate(hosts.names) if rank and rank not in others]
                why = f"{', '.join(missing)} did not report within {settings.host_seconds:.0f} s"
                raise AlgorithmError("a host is missing", why, "See that host's log") from error
            lines: TextIO = stack.enter_context(connection.makefile("rw", encoding="utf-8"))
            rank = _take(journal, settings, lines)
            others[rank] = lines
        choosing.decide(journal, settings)
        for rank, lines in others.items():
            for row in _rows_of(journal, _DECISIONS, "pictures", rank):
                lines.write(json.dumps([_packed(value) for value in row]) + "\n")
            lines.write(json.dumps({"classes": journal.get("classes"), "multi": journal.get("listed")["multi"]}) + "\n")
            lines.flush()


def _take(journal: Journal, settings: Settings, lines: TextIO) -> int:
    """Note what a host tells; return its rank."""
    told = json.loads(lines.readline())
    if told["settings"] != settings.fingerprint("source"):
        raise ClientError("two hosts have different settings", do="Start every host with the same command")
    rank: int = told["rank"]
    if journal.get("decided"):
        for _ in range(told["rows"]):
            lines.readline()
        return rank
    journal.run("BEGIN")
    listed, first = journal.get("listed"), rank * HOST_STEP
    journal.set("listed", {**listed, "multi": listed["multi"] or told["listed"]["multi"]})
    journal.run("DELETE FROM pictures WHERE number BETWEEN ? AND ?", first, first + HOST_STEP - 1)
    for _ in range(told["rows"]):
        *row, thumb = (_unpacked(value) for value in json.loads(lines.readline()))
        journal.run(f"INSERT INTO pictures ({_COLUMNS}) VALUES ({','.join('?' * len(row))})", *row)
        if thumb is not None:
            journal.run("INSERT OR REPLACE INTO thumbs VALUES (?, ?)", row[0], thumb)
    journal.commit()
    return rank


def _follow(journal: Journal, settings: Settings, hosts: Hosts) -> None:
    with ExitStack() as stack:
        connection = stack.enter_context(_connect(hosts.names[0], settings.host_port, settings.host_seconds))
        lines = stack.enter_context(connection.makefile("rw", encoding="utf-8"))
        rows = journal.one("SELECT count(*) FROM pictures")
        told = {
            "settings": settings.fingerprint("source"),
            "rank": hosts.rank,
            "rows": rows,
            "listed": journal.get("listed"),
        }
        lines.write(json.dumps(told) + "\n")
        for row in _rows_of(journal, _FACTS, "pictures LEFT JOIN thumbs USING (number)", hosts.rank):
            lines.write(json.dumps([_packed(value) for value in row]) + "\n")
        lines.flush()
        journal.run("BEGIN")
        for line in lines:
            answer = json.loads(line)
            if isinstance(answer, dict):
                journal.set("classes", answer["classes"])
                journal.set("listed", {**journal.get("listed"), "multi": answer["multi"]})
                journal.set("decided", True)
                journal.commit()
                return
            number, *decision = (_unpacked(value) for value in answer)
            names = _DECISIONS.removeprefix("number, ").split(", ")
            changes = ", ".join(f"{name} = ?" for name in names)
            journal.run(f"UPDATE pictures SET {changes} WHERE number = ?", *decision, number)
        raise AlgorithmError(f"{hosts.names[0]} ended before it had decided", do="See that host's log")


def _connect(host: str, port: int, seconds: float) -> socket.socket:
    """Return a connection to the first host, once its name resolves and it has looked at its own pictures."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=seconds)
        except OSError as error:
            if time.monotonic() > deadline:
                raise AlgorithmError(f"{host} does not answer", str(error), "See that host's log") from error
            time.sleep(_RETRY_SECONDS)
        else:
            return connection


def _rows_of(journal: Journal, columns: str, table: str, rank: int) -> Iterator[tuple[Any, ...]]:
    first = rank * HOST_STEP
    query = f"SELECT {columns} FROM {table} WHERE number BETWEEN ? AND ? ORDER BY number"
    yield from journal.rows(query, first, first + HOST_STEP - 1)


def _packed(value: Any) -> Any:
    return {"b": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _unpacked(value: Any) -> Any:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value
