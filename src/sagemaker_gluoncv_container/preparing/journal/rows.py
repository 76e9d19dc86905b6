"""What the journal's methods take and return: one dataclass for each kind of row."""

from dataclasses import dataclass

# A host numbers its pictures from its rank times this, so that the pictures of all hosts fit into one table.
HOST_STEP = 1 << 40


def numbers_of(rank: int) -> range:
    """Return the numbers that a host's pictures can have."""
    return range(rank * HOST_STEP, (rank + 1) * HOST_STEP)


@dataclass(frozen=True)
class Location:
    """Where a picture is in the source. `offset` and `size` are of a record's payload, bytes; -1 for a whole file."""

    reference: str
    offset: int = -1
    size: int = -1

    @property
    def in_record(self) -> bool:
        """Whether the picture is in a .rec file."""
        return self.offset >= 0


@dataclass(frozen=True)
class Uninspected:
    """A picture that is listed and has yet to be inspected."""

    number: int
    name: str
    location: Location


@dataclass(frozen=True)
class KeptPicture:
    """A picture that goes out. `labels` are JSON; `spooled` is where its bytes begin in the spool, None: not there."""

    number: int
    name: str
    labels: str
    sha: bytes
    location: Location
    spooled: int | None
    length: int


@dataclass(frozen=True)
class Candidate:
    """A picture that may be a duplicate. `labels` are JSON; `key` is its place in the order that the seed gives."""

    number: int
    name: str
    labels: str
    key: bytes
    pixels: int
    side: str | None
    sha: bytes


@dataclass(frozen=True)
class UnitMember:
    """A picture, the unit that it is split with, and the side that an earlier preparation gave the unit, if any."""

    unit: bytes
    number: int
    known_side: str | None


@dataclass(frozen=True)
class LeftOut:
    """A picture that was left out; `resembles` names another one, for duplicates. No location: on another host."""

    number: int
    name: str
    detail: str
    resembles: str
    location: Location | None


@dataclass(frozen=True)
class ClassCount:
    """How many pictures of a class have the same fate: a reason ("" if kept) and a side ("" if left out)."""

    name: str
    reason: str
    side: str
    count: int


@dataclass(frozen=True)
class PackedRow:
    """What pictures.csv says of a kept picture; sizes in pixels and bytes."""

    name: str
    side: str
    labels: str
    sha: bytes
    width: int
    height: int
    length: int


@dataclass(frozen=True)
class Facts:
    """What a host tells the first one about a picture. Named and ordered as the columns are; `thumb` may be missing."""

    number: int
    name: str
    labels: str | None
    inspected: int
    reason: str | None
    detail: str | None
    fixes: str | None
    source_bytes: int | None
    sha: bytes | None
    key: bytes | None
    phash: int | None
    width: int | None
    height: int | None
    length: int | None
    thumb: bytes | None


@dataclass(frozen=True)
class Decision:
    """What the first host decides about a picture. Named and ordered as the columns are."""

    number: int
    reason: str | None
    detail: str | None
    resembles: str | None
    unit: bytes | None
    stratum: str | None
    side: str | None
