"""The story of a preparation: list, inspect, decide, write, report."""

import errno
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import disk
from ..errors import ClientError
from . import exchange, reporting, scanning, shards
from .journal.store import JOURNAL, Journal
from .processing import ProcessingJob
from .references import References
from .settings import Settings

_CONNECTIONS = 16


def prepare(settings: Settings, job: ProcessingJob | None = None) -> dict[str, Any]:
    """Do all of it, or continue what was interrupted; return the summary, which is empty on all hosts but the first.

    Raises ClientError for what the user can fix, AlgorithmError if another host or this one's disk fails.
    """
    job = job or ProcessingJob()
    _refuse_finished(settings)
    with _writing(settings.out):
        return _prepared(settings, job)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Say what cannot be written, and how much room there is, instead of an OSError or SQLite's word for it."""
    try:
        with disk.writing("What was prepared", out):
            yield
    except sqlite3.OperationalError as error:
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        raise disk.failure(
            "What was prepared", out, OSError(errno.ENOSPC if full else errno.EIO, f"SQLite says: {error}")
        ) from error


def _prepared(settings: Settings, job: ProcessingJob) -> dict[str, Any]:
    references = References(settings.maps, max(settings.threads, _CONNECTIONS))
    with Journal(settings.work, settings.fingerprint()) as journal:
        scanning.list_source(journal, settings, references, job)
        scanning.scan(journal, settings, references)
        exchange.decide(journal, settings, job)
        shards.write(journal, settings, references, job.hosts)
        summary = reporting.write(journal, settings, references) if job.hosts.leads else {}
    # The journal goes first: a half deleted folder must not look like an interrupted preparation.
    (settings.work / JOURNAL).unlink()
    shutil.rmtree(settings.work)
    return summary


def _refuse_finished(settings: Settings) -> None:
    """Refuse to mix two preparations in one folder."""
    if not settings.work.exists() and settings.out.is_dir() and any(settings.out.iterdir()):
        do = "Give a new folder. With --like FOLDER, the pictures of an earlier preparation stay on their sides"
        raise ClientError(f"{settings.out} is not empty", "A preparation starts in an empty folder", do)


def as_text(summary: dict[str, Any]) -> str:
    """Return the summary for a person."""
    sides = ", ".join(f"{count} {side}" for side, count in summary["sides"].items() if count)
    lines = [f"{summary['found']} found, {summary['kept']} kept: {sides}"]
    lines += [
        f"  left out: {count:>7} {reason} ({reporting.REASONS[reason]})"
        for reason, count in sorted(summary["left_out_counts"].items())
    ]
    lines += [
        f"  fixed:    {count:>7} {kind} ({reporting.FIXES[kind]})" for kind, count in summary["fixed_counts"].items()
    ]
    lines += [f"  warning: {text}" for text in summary["warnings"]]
    if summary["classes"]:
        lines.append(f"  classes: {json.dumps(summary['classes'], ensure_ascii=False)}")
    return "\n".join(lines)
