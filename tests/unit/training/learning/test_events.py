"""events: event files, read back by a reader written from the formats' documents."""

import math
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.learning.events import EventLog

Message = dict[int, list[bytes]]
# Field numbers of TensorFlow's event.proto and summary.proto.
STEP, VERSION, SUMMARY = 2, 3, 5
VALUE, TAG, SIMPLE_VALUE, HISTOGRAM = 1, 1, 2, 5
MIN, MAX, NUM, SUM, SUM_SQUARES, LIMITS, BUCKETS = 1, 2, 3, 4, 5, 6, 7


def masked_crc(data: bytes) -> int:
    """Return TFRecord's checksum: CRC-32C, bit by bit, turned by 15 and shifted by a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a TFRecord file; every checksum has to be right."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        payload, rest = data[12 : 12 + length], data[12 + length :]
        assert struct.unpack("<I", data[8:12])[0] == masked_crc(data[:8])
        assert struct.unpack("<I", rest[:4])[0] == masked_crc(payload)
        yield payload
        data = rest[4:]


def varint(data: bytes) -> tuple[int, bytes]:
    """Return a number in protocol buffers' variable length, and what follows it."""
    end = next(place for place, byte in enumerate(data) if byte < 128) + 1
    return sum((byte & 127) << 7 * place for place, byte in enumerate(data[:end])), data[end:]


def message(data: bytes) -> Message:
    """Return the fields of a protocol buffer as they are encoded, varints as 8 bytes."""
    fields: Message = {}
    while data:
        key, data = varint(data)
        if key & 7 == 0:
            number, data = varint(data)
            value = struct.pack("<Q", number)
        else:
            length, data = {1: (8, data), 5: (4, data)}.get(key & 7) or varint(data)
            value, data = data[:length], data[length:]
        fields.setdefault(key >> 3, []).append(value)
    return fields


def events(directory: Path) -> list[Message]:
    """Return the events of the one file in a directory, but the first, which has the version."""
    [path] = directory.iterdir()
    assert path.name.startswith("events.out.tfevents.")
    first, *others = [message(record) for record in records(path.read_bytes())]
    assert first[VERSION] == [b"brain.Event:2"]
    return others


def value_of(event: Message) -> Message:
    """Return the one value of an event's summary."""
    [value] = message(event[SUMMARY][0])[VALUE]
    return message(value)


def doubles(data: bytes) -> list[float]:
    """Return packed doubles."""
    return [number for (number,) in struct.iter_unpack("<d", data)]


def histogram_of(directory: Path) -> dict[int, list[float]]:
    """Return the fields of the one histogram in a directory."""
    [event] = events(directory)
    return {field: doubles(data[0]) for field, data in message(value_of(event)[HISTOGRAM][0]).items()}


def test_checksum() -> None:
    """The reader's checksum is that of RFC 3720, appendix B.4: 32 zeros have CRC-32C 0x8A9136AA."""
    crc = (masked_crc(bytes(32)) - 0xA282EAD8) & 0xFFFFFFFF
    assert (crc << 15 | crc >> 17) & 0xFFFFFFFF == 0x8A9136AA


def test_scalars(tmp_path: Path) -> None:
    """Scalars are kept by tag and step, in order."""
    with EventLog(tmp_path / "output" / "tensorboard") as log:
        log.scalar("train/loss", 0.5, 3)
        log.scalar("learning_rate", np.float32(0.25), 400)
    found = events(tmp_path / "output" / "tensorboard")
    assert [struct.unpack("<Q", event[STEP][0])[0] for event in found] == [3, 400]
    assert [value_of(event)[TAG] for event in found] == [[b"train/loss"], [b"learning_rate"]]
    assert [struct.unpack("<f", value_of(event)[SIMPLE_VALUE][0])[0] for event in found] == [0.5, 0.25]


def test_scalars_that_are_not_finite(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """NaN is kept, and nobody is told of it in words that do not say where."""
    with EventLog(tmp_path) as log:
        log.scalar("loss", math.nan, 1)
    assert math.isnan(struct.unpack("<f", value_of(events(tmp_path)[0])[SIMPLE_VALUE][0])[0])
    assert capfd.readouterr().err == ""


def test_histograms(tmp_path: Path) -> None:
    """A histogram has the moments of its numbers, and buckets that hold all of them; infinity is left out."""
    with EventLog(tmp_path) as log:
        log.histogram("weights", np.array([[1, 2], [5, np.inf]], np.float32), 7)
    found = histogram_of(tmp_path)
    assert (found[MIN], found[MAX], found[NUM], found[SUM], found[SUM_SQUARES]) == ([1], [5], [3], [8], [30])
    assert len(found[LIMITS]) == len(found[BUCKETS]) == 64
    assert (found[BUCKETS][0], found[BUCKETS][16], found[BUCKETS][-1], sum(found[BUCKETS])) == (1, 1, 1, 3)
    assert found[LIMITS] == pytest.approx([1 + 4 / 64 * number for number in range(1, 65)])


@pytest.mark.parametrize("number", [0.0, 1e-40, 3e38, -1e30])
def test_histograms_of_any_size(tmp_path: Path, number: float) -> None:
    """Gradients that vanish or explode can be drawn too."""
    with EventLog(tmp_path) as log:
        log.histogram("gradients", np.array([number, number / 2], np.float32), 0)
    assert sum(histogram_of(tmp_path)[BUCKETS]) == 2


@pytest.mark.parametrize("values", [[], [math.nan, math.inf]])
def test_histograms_of_nothing(tmp_path: Path, values: list[float]) -> None:
    """Where no number is finite there is nothing to draw, and no error."""
    with EventLog(tmp_path) as log:
        log.histogram("gradients", np.array(values), 0)
    assert events(tmp_path) == []


def test_closing(tmp_path: Path) -> None:
    """A log closes once, however often it is asked to, and has then written everything."""
    log = EventLog(tmp_path)
    log.scalar("loss", 1.0, 1)
    log.close()
    assert len(events(tmp_path)) == 1
    log.close()


def test_closing_after_an_error(tmp_path: Path) -> None:
    """What was noted before an error is written."""

    def fail() -> None:
        with EventLog(tmp_path) as log:
            log.scalar("loss", 1.0, 1)
            raise KeyError

    pytest.raises(KeyError, fail)
    assert len(events(tmp_path)) == 1


def test_a_job_that_is_not_watched_does_not_pay() -> None:
    """tensorboardX is imported when a log is opened, not before."""
    script = "import sys, sagemaker_gluoncv_container.training.learning.events; print('tensorboardX' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.mark.parametrize("values", [1, 300])
def test_a_full_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, values: int
) -> None:
    """It costs the file and one line that names the folder and the free bytes; the job neither waits nor fails."""
    monkeypatch.setattr("time.time", lambda: 1234.0)
    (tmp_path / f"events.out.tfevents.0000001234.{socket.gethostname()}").symlink_to("/dev/full")
    with EventLog(tmp_path) as log:
        for step in range(values):
            log.histogram("weights", np.arange(3), step)
            log.scalar("loss", 1.0, step)
    [line] = caplog.messages
    assert re.match(rf"The event file cannot be written to {tmp_path}\. No space left on device\. [\d,]+ bytes", line)
    assert line.endswith("The job continues without it.")


def test_a_folder_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is in the way is named, and everything else goes on."""
    (tmp_path / "output").touch()
    with EventLog(tmp_path / "output" / "tensorboard") as log:
        log.scalar("loss", 1.0, 1)
    assert f"The event file cannot be written to {tmp_path / 'output' / 'tensorboard'}. Not a directory" in caplog.text


def test_what_is_noted_is_on_disk_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is killed loses ten seconds of events at most."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    log = EventLog(tmp_path)
    log.scalar("loss", 1.0, 1)
    now[0] = 11.0
    log.scalar("loss", 1.0, 2)
    assert len(events(tmp_path)) == 2
    log.close()
