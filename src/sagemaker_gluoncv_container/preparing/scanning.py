"""Lists the source into the journal and inspects every picture, in threads; continues where it was interrupted."""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..decoding import turns
from . import sources
from .inspecting import Inspection, inspect
from .journal.rows import Location, Uninspected, numbers_of
from .journal.store import Journal
from .processing import ProcessingJob
from .progress import Progress
from .references import References, is_s3
from .settings import Settings

# Pictures between two commits: what an interruption costs at most.
_COMMIT = 256
# Pictures in progress per thread: enough to hide an uneven one.
_AHEAD = 4
# A download waits for the network most of its time.
_THREADS_TO_DOWNLOAD = 16
_Inspected = tuple[Inspection, bytes | None]
_Waiting = deque[tuple[int, "Future[_Inspected]"]]


def list_source(journal: Journal, settings: Settings, references: References, job: ProcessingJob) -> None:
    """Note every item of the source that is this host's, once. Raises ClientError if the source cannot be listed."""
    if journal.listed:
        return
    listing = sources.Listing(sources.kind_of(settings, references))
    items = _items_of_this_host(sources.read(settings, references, listing), listing.kind, settings, job)
    with journal.transaction():
        journal.pictures.replace_all(items, numbers_of(job.hosts.rank)[0])
        journal.listing = listing


def _items_of_this_host(
    items: Iterator[sources.Item], kind: str, settings: Settings, job: ProcessingJob
) -> Iterator[sources.Item]:
    if job.shares_out(settings, kind):
        return (item for item in items if job.is_mine(item.name))
    return items


def scan(journal: Journal, settings: Settings, references: References, encode: bool = True) -> None:
    """Inspect every picture that has not been inspected; with `encode`, spool what goes out.

    Raises ClientError if S3 refuses.
    """
    total, left = journal.pictures.count(), journal.pictures.count_uninspected()
    threads = max(settings.threads, _THREADS_TO_DOWNLOAD) if journal.pictures.any_remote() else settings.threads
    turns.expect(threads)
    with (
        ThreadPoolExecutor(threads, thread_name_prefix="inspect") as pool,
        Progress("Inspecting", total, total - left, settings.progress) as progress,
    ):
        waiting: _Waiting = deque()
        try:
            journal.begin()
            for count, picture in enumerate(journal.pictures.uninspected(), 1):
                waiting.append((picture.number, pool.submit(_examine, picture, settings, references, encode)))
                if len(waiting) > threads * _AHEAD:
                    _note_next(journal, settings, waiting, progress)
                if count % _COMMIT == 0:
                    journal.commit()
                    journal.begin()
            while waiting:
                _note_next(journal, settings, waiting, progress)
            journal.commit()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    journal.pictures.make_indices()


def read_picture(references: References, location: Location) -> bytes:
    """Return a picture's bytes as they are in the source. Raises OSError, or ClientError if S3 refuses altogether."""
    if location.in_record:
        return references.read_record(location.reference, location.offset, location.size)
    return references.read(location.reference)


def _examine(picture: Uninspected, settings: Settings, references: References, encode: bool) -> _Inspected:
    """Return what was seen, and the bytes to spool: those that were encoded again, or that were downloaded."""
    location = picture.location
    try:
        data = read_picture(references, location)
    except FileNotFoundError:
        return Inspection("missing", "there is no such file"), None
    except OSError as error:
        return Inspection("unreadable", error.strerror or str(error)), None
    seen = inspect(data, "" if location.in_record else picture.name, settings)
    if seen.reason or not encode:
        return seen, None
    remote = is_s3(references.local(location.reference))
    return seen, seen.encoded if seen.encoded is not None else data if remote else None


def _note_next(journal: Journal, settings: Settings, waiting: _Waiting, progress: Progress) -> None:
    number, future = waiting.popleft()
    seen, data = future.result()
    spooled, length = (None, seen.length) if data is None else (journal.append(data), len(data))
    journal.pictures.note(number, seen, order_key(settings.seed, seen.sha), spooled, length)
    progress.update()


def order_key(seed: int, sha: bytes) -> bytes:
    """Return where a picture stands in the order that a seed gives: 8 bytes of its content and the seed, no more."""
    return hashlib.blake2b(sha, digest_size=8, key=str(seed).encode()).digest()
