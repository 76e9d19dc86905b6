"""The journal's files: one process at a time, whole or not at all, and the same settings or none."""

from pathlib import Path

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.sources import Listing
from support.journals import fill, inspection, item, opened


def test_facts_survive(tmp_path: Path) -> None:
    """What is noted is there when the journal is opened again."""
    with opened(tmp_path) as journal:
        assert (journal.listed, journal.classes, journal.decided, journal.warnings) == (False, None, False, [])
        journal.listing = Listing("lst", True, True, ["a"])
        journal.classes = ["a", "b"]
        journal.warn("One.")
        journal.warn("Two.")
        journal.decided = True
    with opened(tmp_path) as journal:
        assert journal.listing == Listing("lst", True, True, ["a"])
        assert (journal.listed, journal.classes, journal.decided) == (True, ["a", "b"], True)
        assert journal.warnings == ["One.", "Two."]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    """The message says why and what to delete, and the lock is given up."""
    opened(tmp_path).__exit__(None, None, None)
    for _ in range(2):
        with pytest.raises(ClientError, match="other settings") as raised:
            opened(tmp_path, "others")
        assert str(tmp_path / "out" / ".prepare") in raised.value.do
    opened(tmp_path).__exit__(None, None, None)


def test_a_second_process_is_refused(journal: Journal, tmp_path: Path) -> None:
    """A journal that is open cannot be opened again."""
    with pytest.raises(ClientError, match="Another process"):
        opened(tmp_path)


def test_a_transaction_is_whole_or_nothing(journal: Journal) -> None:
    """What a block changed is gone if it raises, and stays if it does not."""

    def fail() -> None:
        with journal.transaction():
            journal.classes = ["a"]
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert journal.classes is None
    with journal.transaction():
        journal.classes = ["b"]
    assert journal.classes == ["b"]


def test_the_spool_forgets_what_was_not_noted(tmp_path: Path) -> None:
    """Bytes that no picture refers to, because the process died before, are cut off when it is opened again."""
    with opened(tmp_path) as journal:
        fill(journal, [item("bird/1.jpg")])
        at = journal.append(b"noted")
        journal.pictures.note(0, inspection("x"), b"key", at, 5)
        assert journal.append(b"lost") == 5
    with opened(tmp_path) as journal:
        assert journal.spooled(0, 5) == b"noted"
        assert journal.append(b"next") == 5
        assert journal.spooled(5, 4) == b"next"
