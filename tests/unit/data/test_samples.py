"""Samples that lie in files and records."""

from pathlib import Path

import numpy as np
import pytest

from sagemaker_gluoncv_container.data import record_files
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.data.samples import FileSample, RecordSample, Stored
from sagemaker_gluoncv_container.errors import ClientError, UnreadablePicture


def test_a_file(tmp_path: Path) -> None:
    """A file's bytes are read as they are; one that is gone is an unreadable picture."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    sample = FileSample("train/a.jpg", (1.0,), path)
    assert (sample.read(), sample.place.read()) == (b"picture", b"picture")
    path.unlink()
    with pytest.raises(UnreadablePicture, match=r"a.jpg cannot be read. No such file"):
        sample.read()


def test_a_record(tmp_path: Path) -> None:
    """A record's picture is read without its labels; a file that has changed since is an error."""
    path = tmp_path / "a.rec"
    with Writer(path) as writer:
        writer.write((1.0,), b"picture")
        writer.write((1.0, 0.0), b"other")
    samples = [RecordSample(record.name, record.labels, record) for record in record_files.scan(path)]
    assert [sample.read() for sample in samples] == [b"picture", b"other"]
    assert [sample.place.read() for sample in samples] == [b"picture", b"other"]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ClientError, match="it has changed since"):
        samples[1].read()
    path.unlink()
    with pytest.raises(UnreadablePicture, match="No such file"):
        samples[0].read()


def test_other_labels(tmp_path: Path) -> None:
    """A sample with other labels is the same picture; the same labels are the same sample."""
    sample = FileSample("a", (1.0,), tmp_path)
    assert sample.labelled((0.0, 1.0)) == FileSample("a", (0.0, 1.0), tmp_path)
    assert sample.labelled((1.0,)) is sample


def test_a_true_shuffle(tmp_path: Path) -> None:
    """Any picture may come at any place: each once, in the channel's order only if none is drawn."""
    samples = [FileSample(str(number), (0.0,), tmp_path) for number in range(500)]
    channel = Stored(samples)
    assert list(channel.epoch(0, None)) == samples
    order = [int(sample.name) for sample in channel.epoch(0, np.random.default_rng(3))]
    assert sorted(order) == list(range(500))
    assert abs(float(np.corrcoef(order, range(500))[0, 1])) < 0.1
