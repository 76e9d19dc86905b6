"""What a channel gives to training: samples, one picture with its labels each, however they are stored.

A Stored channel knows where all its pictures lie (File and FastFile mode); a Pipe (in `pipe`) sees them pass by.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import UnreadablePicture
from . import record_files, recordio
from .checks import Place, place


class Sample(Protocol):
    """One picture.

    `name` is what to call it in a message. `labels` are one class id; in a multi-label job as many 0 and 1 as there
    are classes.
    """

    @property
    def name(self) -> str:
        """The channel, and the record's number or the path."""

    @property
    def labels(self) -> tuple[float, ...]:
        """(class id,) or a vector of 0 and 1."""

    def read(self) -> bytes:
        """Return the encoded picture. Raises UnreadablePicture. Threads may call this."""


class Channel(Protocol):
    """The pictures of a channel."""

    def __len__(self) -> int:
        """Return the pictures an epoch; 0 if that is not known yet (a Pipe before its first epoch has ended)."""

    def epoch(self, epoch: int, random: np.random.Generator | None) -> Generator[Sample, None, None]:
        """Yield each sample once: in the channel's order, or in one that `random` draws.

        Close the generator if you leave it early. Raises ClientError.
        """


# There may be millions of samples: slots halve what they take.
@dataclass(frozen=True, slots=True)
class FileSample:
    """A picture that is a file."""

    name: str
    labels: tuple[float, ...]
    path: Path

    def labelled(self, labels: tuple[float, ...]) -> "FileSample":
        """Return the sample with other labels."""
        return self if labels == self.labels else replace(self, labels=labels)

    @property
    def place(self) -> Place:
        """Where the encoded picture lies. Raises OSError."""
        return Place(self.path, 0, self.path.stat().st_size)

    def read(self) -> bytes:
        """Return the encoded picture. Raises UnreadablePicture if the file cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadablePicture(f"{self.path} cannot be read", error.strerror or str(error)) from error


@dataclass(frozen=True, slots=True)
class RecordSample:
    """A picture in a .rec file."""

    name: str
    labels: tuple[float, ...]
    record: record_files.Record

    def labelled(self, labels: tuple[float, ...]) -> "RecordSample":
        """Return the sample with other labels."""
        return self if labels == self.labels else replace(self, labels=labels)

    @property
    def place(self) -> Place:
        """Where the encoded picture lies."""
        return place(self.record)

    def read(self) -> bytes:
        """Return the encoded picture. Raises UnreadablePicture or ClientError if the file cannot be read or changed."""
        # Opened each time: that costs next to nothing beside decoding, and nothing stays open.
        try:
            with self.record.path.open("rb", buffering=0) as file:
                payload = record_files.read_payload(file.fileno(), self.record.offset, self.record.size)
        except OSError as error:
            raise UnreadablePicture(f"{self.name} cannot be read", error.strerror or str(error)) from error
        return recordio.unpack(payload).data


@dataclass(frozen=True, slots=True)
class StreamedSample:
    """A picture that came through a pipe, and is in memory."""

    name: str
    labels: tuple[float, ...]
    data: bytes

    def read(self) -> bytes:
        """Return the encoded picture."""
        return self.data


class Stored:
    """A channel whose pictures lie where they can be read in any order."""

    def __init__(self, samples: Sequence[FileSample | RecordSample], local: bool = True) -> None:
        """`local` pictures are on this machine's disk, so reading some of them twice costs little."""
        self.samples, self.local = samples, local

    def __len__(self) -> int:
        return len(self.samples)

    def epoch(self, epoch: int, random: np.random.Generator | None) -> Generator[Sample, None, None]:
        """Yield each sample exactly once, in file order or truly shuffled."""
        order = np.arange(len(self.samples))
        if random is not None:
            random.shuffle(order)
        for index in order.tolist():
            yield self.samples[index]
