"""The fixtures of the tests of `prepare`."""

from pathlib import Path

import pytest

from support.prepared import Prepare, Prepared, invoke


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Return a call that runs the command in this process and gives what came out."""
    runs = iter(range(100))

    def run(source: Path | str, *options: str, exit_code: int = 0) -> Prepared:
        out = tmp_path / f"out-{next(runs)}"
        result = invoke("prepare", str(source), str(out), "--no-progress", "--threads", "2", *options)
        assert result.exit_code == exit_code, result.output
        return Prepared(out)

    return run
