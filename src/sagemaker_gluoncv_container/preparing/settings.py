"""What the user asked of a preparation, as one frozen object."""

import dataclasses
import hashlib
import json
import unicodedata
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import PIL

from .. import __version__
from ..errors import ClientError

SIDES = ("test", "validation", "train")
KINDS = ("folders", "lst", "csv", "manifest", "rec")
NEAR_DUPLICATES = ("leave-out", "keep", "ignore")
# In `per_class`, the name that stands for each class that is not named.
EVERY_CLASS = "*"
# Those that change how the work is done, and not its result.
_WITHOUT_EFFECT = ("out", "threads", "progress", "host_seconds", "host_port")
_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


@dataclass(frozen=True)
class Settings:
    """Every option of `prepare`; docs/preparing.md says what each means. Sizes are pixels or bytes, as named."""

    source: str
    out: Path
    kind: str | None = None
    root: str | None = None
    maps: tuple[tuple[str, Path], ...] = ()
    label_attribute: str | None = None
    least_confidence: float = 0.0
    only_human: bool = False
    train_ratio: Decimal = Decimal("0.9")
    test_ratio: Decimal = Decimal(0)
    seed: int = 0
    per_class: dict[str, int] = field(default_factory=dict)
    limit: int | None = None
    min_side: int = 32
    min_per_class: int = 2
    near_duplicates: str = "leave-out"
    resize: int | None = None
    quality: int = 95
    keep_bytes: bool = False
    shard_bytes: int = 256 << 20
    like: Path | None = None
    distribution: str | None = None
    threads: int = 2
    progress: bool = True
    host_seconds: float = 3600.0
    host_port: int = 7787

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.train_ratio <= 1 or self.test_ratio < 0 or self.train_ratio + self.test_ratio > 1:
            what = f"The ratios are {self.train_ratio} for train and {self.test_ratio} for test"
            why = "The train ratio must be over 0, and both together at most 1; the rest is for validation"
            faults.append(ClientError(what, why))
        if self.keep_bytes and self.resize is not None:
            why = "A picture cannot be scaled without encoding it again"
            faults.append(ClientError("Both --keep-bytes and --resize are given", why, "Drop one of them"))
        if faults:
            raise ClientError.of(faults)

    @property
    def ratios(self) -> dict[str, Decimal]:
        """The share of each side of the split."""
        validation = 1 - self.train_ratio - self.test_ratio
        return dict(zip(SIDES, (self.test_ratio, validation, self.train_ratio), strict=True))

    @property
    def work(self) -> Path:
        """Where the state of an unfinished preparation is."""
        return self.out / ".prepare"

    def described(self) -> dict[str, object]:
        """Return what decides the result, as JSON values."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        kept = {name: value for name, value in values.items() if name not in _WITHOUT_EFFECT}
        described: dict[str, object] = json.loads(json.dumps(kept, default=str))
        return described

    def fingerprint(self, *without: str) -> str:
        """Return a digest of all that decides the result, except some settings; the decoder's version is part of it."""
        described = {name: value for name, value in self.described().items() if name not in without}
        text = json.dumps([__version__, PIL.__version__, described], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def parse_per_class(text: str) -> dict[str, int]:
    """Return {"flower": 1200, ...} of "flower=1200,..."; a number alone is for every class, under EVERY_CLASS.

    Raises ClientError.
    """
    quotas: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, count = part.rpartition("=")
        if not count.isdecimal():
            why = "It must be like flower=1200,car=1000, or one number for every class"
            raise ClientError(f"Option --per-class has {part!r}", why)
        quotas[unicodedata.normalize("NFC", name.strip()) or EVERY_CLASS] = int(count)
    return quotas


def parse_bytes(text: str) -> int:
    """Return the bytes in "256MB", "1GB", "500000". Raises ClientError."""
    digits = text.upper().rstrip("KMGB ")
    unit = text.upper()[len(digits) :].strip()
    if not digits.isdecimal() or int(digits) == 0 or unit not in _UNITS:
        raise ClientError(f"{text!r} is not a size", "It must be like 256MB, in B, KB, MB or GB")
    return int(digits) * _UNITS[unit]


def parse_map(text: str) -> tuple[str, Path]:
    """Return the S3 prefix and the folder of "s3://bucket/prefix=folder". Raises ClientError."""
    prefix, _, folder = text.partition("=")
    if not prefix.startswith("s3://") or not folder:
        raise ClientError(f"Option --map has {text!r}", "It must be like s3://bucket/prefix=/local/folder")
    return prefix.rstrip("/") + "/", Path(folder)
