"""How many bad pictures a job bears."""

import logging

import pytest

from sagemaker_gluoncv_container.data.batches import SkippedPictures
from sagemaker_gluoncv_container.errors import ClientError


def test_each_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A picture that every epoch meets again is one."""
    skipped = SkippedPictures()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            skipped.add("train/a.jpg", "cut")
    assert (len(skipped), skipped.reasons) == (1, {"train/a.jpg": "cut"})
    assert [record.getMessage() for record in caplog.records] == ["Skipped train/a.jpg: cut"]


@pytest.mark.parametrize(
    ("bad", "total", "fraction", "fails"),
    [(1, 100, 0.01, False), (2, 100, 0.01, True), (1, 99, 0.01, True), (1, 100, 0.0, True), (99, 99, 1.0, False)],
)
def test_the_fraction(bad: int, total: int, fraction: float, fails: bool) -> None:
    """Just at the fraction is borne; above it the error says how many of how many, and names five."""
    skipped = SkippedPictures(fraction)
    names = [f"train/{number}.jpg" for number in range(bad)]
    for name in names:
        skipped.add(name, "cut")
    if not fails:
        skipped.check(names, total)
        return
    with pytest.raises(ClientError, match=f"{bad} of {total} pictures cannot be read.*train/0.jpg: cut"):
        skipped.check(names, total)


def test_no_pictures_at_all() -> None:
    """Nothing bad among nothing is no error."""
    SkippedPictures().check([], 0)
