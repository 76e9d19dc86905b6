"""Options: what they may be, and what makes two preparations the same."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing.settings import Settings, parse_bytes, parse_map, parse_per_class

SETTINGS = Settings("pictures", Path("out"))


def test_quotas() -> None:
    """Quotas are named, or one number for all; a class may have an equals sign in its name."""
    assert parse_per_class("flower=1200, car=1000") == {"flower": 1200, "car": 1000}
    assert parse_per_class("50") == {"*": 50}
    assert parse_per_class("a=b=3") == {"a=b": 3}
    assert parse_per_class("") == {}
    for text in ("flower", "flower=", "flower=-1", "flower=many"):
        with pytest.raises(ClientError, match="flower=1200"):
            parse_per_class(text)


def test_sizes() -> None:
    """Sizes have units of 1,024."""
    assert [parse_bytes(text) for text in ("500", "2KB", "256MB", "1 gb")] == [500, 2048, 256 << 20, 1 << 30]
    for text in ("", "MB", "0", "-1MB", "1.5GB", "2TB"):
        with pytest.raises(ClientError):
            parse_bytes(text)


def test_maps() -> None:
    """A map is an S3 prefix and a folder."""
    assert parse_map("s3://bucket/heap=/data") == ("s3://bucket/heap/", Path("/data"))
    for text in ("/data=s3://bucket", "s3://bucket", "s3://bucket="):
        with pytest.raises(ClientError, match="s3://bucket/prefix=/local/folder"):
            parse_map(text)


def test_ratios_add_up() -> None:
    """What is neither for training nor for testing is for validation, exactly."""
    settings = replace(SETTINGS, train_ratio=Decimal("0.7"), test_ratio=Decimal("0.1"))
    assert settings.ratios == {"test": Decimal("0.1"), "validation": Decimal("0.2"), "train": Decimal("0.7")}
    for train, test in (("0", "0.5"), ("0.9", "0.2"), ("1.1", "0")):
        with pytest.raises(ClientError, match="ratios"):
            replace(SETTINGS, train_ratio=Decimal(train), test_ratio=Decimal(test))


def test_every_fault_is_named_at_once() -> None:
    """Two contradictions are one error that names both."""
    with pytest.raises(ClientError, match=r"2 faults.*ratios.*--keep-bytes"):
        replace(SETTINGS, train_ratio=Decimal(0), keep_bytes=True, resize=256)


def test_the_fingerprint_is_of_the_result() -> None:
    """Where the result goes and how many threads make it does not change it; a seed does."""
    same = replace(SETTINGS, out=Path("elsewhere"), threads=9, progress=False, host_seconds=1.0)
    assert same.fingerprint() == SETTINGS.fingerprint()
    assert replace(SETTINGS, seed=1).fingerprint() != SETTINGS.fingerprint()
    assert replace(SETTINGS, source="x").fingerprint("source") == SETTINGS.fingerprint("source")
