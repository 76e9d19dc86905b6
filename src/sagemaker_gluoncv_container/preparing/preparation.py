"""The story of a preparation: list, look, decide, write, report."""

import json
import shutil
from typing import Any

from ..errors import ClientError
from . import exchange as other_hosts
from . import reporting, scanning, shards
from .exchange import Hosts
from .journal import JOURNAL, Journal
from .references import References
from .settings import Settings

_CONNECTIONS = 16


def prepare(settings: Settings, hosts: Hosts | None = None) -> dict[str, Any]:
    """Do all of it, or go on with what was begun; return the summary, which on hosts other than the first is empty.

    Raises ClientError for what the user can mend.
    """
    hosts = hosts or Hosts()
    _refuse_finished(settings)
    references = References(settings.maps, max(settings.threads, _CONNECTIONS))
    with Journal(settings.work, settings.fingerprint()) as journal:
        scanning.list_source(journal, settings, references, hosts)
        scanning.scan(journal, settings, references)
        other_hosts.decide(journal, settings, hosts)
        shards.write(journal, settings, references, hosts)
        summary = reporting.write(journal, settings, references, hosts) if hosts.rank == 0 else {}
    # First what a new start would go on with: a half deleted folder must not look like half a preparation.
    (settings.work / JOURNAL).unlink()
    shutil.rmtree(settings.work)
    return summary


def _refuse_finished(settings: Settings) -> None:
    """Refuse to mix two preparations in one folder."""
    if not settings.work.exists() and settings.out.is_dir() and any(settings.out.iterdir()):
        do = "Give a new folder; with --like FOLDER what an earlier one split stays where it is"
        raise ClientError(f"{settings.out} is not empty", "a preparation starts in an empty folder", do)


def as_text(summary: dict[str, Any]) -> str:
    """Return the summary for a person."""
    sides = ", ".join(f"{count} {side}" for side, count in summary["sides"].items() if count)
    lines = [f"{summary['found']} found, {summary['kept']} kept: {sides}"]
    lines += [
        f"  left out: {count:>7} {reason} ({reporting.REASONS[reason]})"
        for reason, count in sorted(summary["left_out_counts"].items())
    ]
    lines += [f"  mended:   {count:>7} {kind}" for kind, count in sorted(summary["mended_counts"].items())]
    lines += [f"  warning: {text}" for text in summary["warnings"]]
    if summary["classes"]:
        lines.append(f"  classes: {json.dumps(summary['classes'], ensure_ascii=False)}")
    return "\n".join(lines)
