"""What the tests of data share."""

from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data.recordio import MAGIC_BYTES, Writer


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """Return a file of four records: plain, of three parts, with twelve labels, plain and padded."""
    path = tmp_path / "whole.rec"
    with Writer(path) as writer:
        writer.write((1.0,), b"1234")
        writer.write((2.0,), b"head" + MAGIC_BYTES + b"mid" + MAGIC_BYTES * 2 + b"tail")
        writer.write((0.0,) * 12, b"x")
        writer.write((3.0,), b"12345")
    return path
