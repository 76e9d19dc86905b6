"""Progress: a bar on a terminal, lines in a log, nothing if nothing is wanted."""

import io
import sys

import pytest

from sagemaker_gluoncv_container.preparing.progress import Progress


class Terminal(io.StringIO):
    """A terminal, as far as a bar is concerned."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def shown(stream: io.StringIO, wanted: bool, log_seconds: float) -> str:
    """Return what counting from 2 to 5 of 5 writes to stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with Progress("Writing", 5, 2, wanted, log_seconds) as progress:
            for _ in range(3):
                progress.update()
    return stream.getvalue()


def test_a_bar_on_a_terminal() -> None:
    """It counts what an earlier run did, too."""
    text = shown(Terminal(), True, 0)
    assert "\r" in text
    assert "5/5" in text


def test_lines_in_a_file() -> None:
    """No carriage return and no bar; a line each so many seconds."""
    assert shown(io.StringIO(), True, 0).splitlines() == [f"Writing: {n} of 5 pictures" for n in (3, 4, 5)]
    assert shown(io.StringIO(), True, 60) == ""


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_nothing(stream: type[io.StringIO]) -> None:
    """With --no-progress nothing is written anywhere."""
    assert shown(stream(), False, 0) == ""
