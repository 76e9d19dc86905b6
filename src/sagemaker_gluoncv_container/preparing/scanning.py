"""Lists the source into the journal and looks at every picture, in threads, going on where it was interrupted."""

import hashlib
import json
import os
import sys
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from tqdm import tqdm

from . import sources
from .exchange import Hosts
from .journal import HOST_STEP, Journal
from .looking import Look, look
from .references import References, is_s3
from .settings import Settings

# Pictures between two commits: what an interruption costs at most.
_COMMIT = 256
# Pictures in the making a thread: enough to hide an uneven one.
_AHEAD = 4
# Of a log that is no terminal, seconds between two lines of progress.
_LOG_SECONDS = 15
# A download waits for the network most of its time.
_THREADS_TO_DOWNLOAD = 16
_ITEM = (
    "INSERT INTO pictures (number, name, reference, at, size, labels, looked, reason, detail, side) "
    "VALUES (?,?,?,?,?,?,?,?,?,?)"
)
_LOOK = (
    "UPDATE pictures SET looked=1, reason=?, detail=?, mended=?, bytes=?, sha=?, key=?, phash=?, width=?, height=?, "
    "spooled=?, length=? WHERE number=?"
)
_Waiting = tuple[int, "Future[tuple[Look, bytes | None]]"]


def list_source(journal: Journal, settings: Settings, references: References, hosts: Hosts) -> None:
    """Note every item of the source that is this host's, once. Raises ClientError if the source cannot be listed."""
    if journal.get("listed"):
        return
    listing = sources.Listing(sources.kind_of(settings, references))
    whole = hosts.each_has_all(settings, listing.kind)
    journal.run("BEGIN")
    journal.run("DELETE FROM pictures")
    first = hosts.rank * HOST_STEP
    items = (
        item
        for item in sources.read(settings, references, listing)
        if not whole or zlib.crc32(item.name.encode("utf-8", "surrogateescape")) % len(hosts.names) == hosts.rank
    )
    journal.run_many(_ITEM, ((first + number, *_row(item)) for number, item in enumerate(items)))
    journal.set("listed", {"numbered": listing.numbered, "multi": listing.multi, "names": listing.names})
    journal.commit()


def _row(item: sources.Item) -> tuple[object, ...]:
    labels = None if item.labels is None else json.dumps(item.labels)
    # A name that is no UTF-8 must not stop a preparation.
    name = os.fsencode(item.name).decode("utf-8", "backslashreplace")
    looked = int(item.reason is not None)
    return (
        name,
        item.reference.encode("utf-8", "surrogateescape"),
        item.offset,
        item.size,
        labels,
        looked,
        item.reason,
        item.detail,
        item.side,
    )


def scan(journal: Journal, settings: Settings, references: References, encode: bool = True) -> None:
    """Look at every picture that has not been looked at; with `encode`, spool what goes out.

    Raises ClientError if S3 refuses.
    """
    total = journal.one("SELECT count(*) FROM pictures")
    left = journal.one("SELECT count(*) FROM pictures WHERE looked = 0")
    remote = journal.one(
        "SELECT count(*) FROM pictures WHERE looked = 0 AND substr(reference, 1, 5) = CAST('s3://' AS BLOB)"
    )
    threads = max(settings.threads, _THREADS_TO_DOWNLOAD) if remote else settings.threads
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="look") as pool,
        progress("Looking", total, total - left, settings) as bar,
    ):
        waiting: deque[_Waiting] = deque()
        try:
            journal.run("BEGIN")
            for count, row in enumerate(_unlooked(journal), 1):
                waiting.append((row[0], pool.submit(_examine, row, settings, references, encode)))
                if len(waiting) > threads * _AHEAD:
                    _note(journal, settings, *waiting.popleft())
                    bar.update()
                if count % _COMMIT == 0:
                    journal.commit()
                    journal.run("BEGIN")
            while waiting:
                _note(journal, settings, *waiting.popleft())
                bar.update()
            journal.commit()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    journal.index()


def progress(what: str, total: int, done: int, settings: Settings) -> "tqdm[None]":
    """Return a progress bar with an estimate; where nobody sees a terminal, a line now and then."""
    terminal = sys.stderr.isatty()
    return tqdm(
        desc=what,
        total=total,
        initial=done,
        unit=" pictures",
        disable=not settings.progress,
        mininterval=0.2 if terminal else _LOG_SECONDS,
        maxinterval=10 if terminal else _LOG_SECONDS,
        ascii=not terminal,
    )


def _unlooked(journal: Journal) -> Iterator[tuple[int, str, bytes, int, int]]:
    """Yield (number, name, reference, at, size), a page at a time: rows change while they are read."""
    query = (
        "SELECT number, name, reference, at, size FROM pictures WHERE looked = 0 AND number > ? "
        "ORDER BY number LIMIT 512"
    )
    last = -1
    while True:
        page = list(journal.rows(query, last))
        if not page:
            return
        yield from page
        last = page[-1][0]


def read_picture(references: References, reference: bytes, at: int, size: int) -> bytes:
    """Return a picture's bytes as they are in the source. Raises OSError, or ClientError if S3 refuses altogether."""
    place = reference.decode("utf-8", "surrogateescape")
    return references.read(place) if at < 0 else references.read_record(place, at, size)


def _examine(
    row: tuple[int, str, bytes, int, int], settings: Settings, references: References, encode: bool
) -> tuple[Look, bytes | None]:
    """Return what was seen, and the bytes to spool: those that were made anew, or that came from afar."""
    _, name, reference, at, size = row
    try:
        data = read_picture(references, reference, at, size)
    except FileNotFoundError:
        return Look("missing", "there is no such file"), None
    except OSError as error:
        return Look("unreadable", str(error.strerror)), None
    seen = look(data, name if at < 0 else "", settings)
    if seen.reason or not encode:
        return seen, None
    far = is_s3(references.local(reference.decode("utf-8", "surrogateescape")))
    return seen, seen.encoded if seen.encoded is not None else data if far else None


def _note(journal: Journal, settings: Settings, number: int, future: "Future[tuple[Look, bytes | None]]") -> None:
    seen, data = future.result()
    spooled, length = (None, seen.length) if data is None else (journal.append(data), len(data))
    key = order_key(settings.seed, seen.sha)
    mended = json.dumps(seen.mended) if seen.mended else None
    facts = (seen.reason, seen.detail, mended, seen.length, seen.sha, key, seen.phash, seen.width, seen.height)
    journal.run(_LOOK, *facts, spooled, length, number)
    if seen.thumb:
        journal.run("INSERT OR REPLACE INTO thumbs VALUES (?, ?)", number, seen.thumb)


def order_key(seed: int, sha: bytes) -> bytes:
    """Return where a picture stands in the order that a seed gives: 8 bytes of its content and the seed, no more."""
    return hashlib.blake2b(sha, digest_size=8, key=str(seed).encode()).digest()
