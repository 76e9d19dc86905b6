"""What the tests of `prepare`'s modules share: an open journal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.preparing.journal.store import Journal
from support.journals import opened


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return an empty journal in OUT/.prepare."""
    with opened(tmp_path) as journal:
        yield journal
