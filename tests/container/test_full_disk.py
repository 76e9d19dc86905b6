"""Promise: a disk that is full or read-only is named, with its free bytes; it costs no more than it has to."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from draw_pictures import write_channel

from support.containers import USER, Container, started, write_tree

SMALL = {
    "num_layers": "20",
    "use_pretrained_model": "0",
    "image_shape": "3,32,32",
    "mini_batch_size": "4",
    "learning_rate": "0.01",
    "epochs": "1",
}
# Few pictures on one thread: it is not about learning.
ALONE = ("--env", "OMP_NUM_THREADS=1")
FREE = r"[\d,]+ bytes \([\d.]+ \w+\) are free there"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return channels of eight and four drawn pictures."""
    folder = tmp_path_factory.mktemp("few")
    write_channel(folder / "train", 2, 0)
    write_channel(folder / "validation", 1, 60)
    return {name: folder / name for name in ("train", "validation")}


@contextmanager
def job(base: Path, channels: Mapping[str, Path], folder: str, *mount: str, **changes: str) -> Iterator[Container]:
    """Run a small job in whose tree a folder is mounted in another way; give its container when it has ended."""
    flags = write_tree(base, {**SMALL, **changes}, channels)
    volume = next((each for each in flags if each.endswith(f":/opt/ml/{folder}")), None)
    if volume:
        place = flags.index(volume)
        del flags[place - 1 : place + 1]
    with started("train", *flags, *mount, *ALONE, *USER) as container:
        container.wait()
        yield container


def ended(container: Container) -> int:
    """Return the exit code of a container that has ended."""
    return int(container.inspect("{{.State.ExitCode}}"))


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        (("--tmpfs", "/opt/ml/model:size=1m,mode=1777"), rf"The model does not fit into /opt/ml/model\. {FREE}"),
        (
            ("--tmpfs", "/opt/ml/model:ro"),
            rf"The model cannot be written to /opt/ml/model\. Read-only file system\. {FREE}",
        ),
    ],
    ids=["full", "read-only"],
)
def test_a_model_that_cannot_be_kept(tmp_path: Path, few: Mapping[str, Path], mount: tuple[str, ...], why: str) -> None:
    """The job fails before its first epoch, with the folder and the free bytes in FailureReason, and no traceback."""
    with job(tmp_path, few, "model", *mount) as container:
        assert ended(container) == 2, container.log
        assert "Epoch[0]" not in container.log
        assert "Traceback" not in container.log
    failure = (tmp_path / "output" / "failure").read_text()
    assert re.match(rf"ClientError: {why}", failure), failure


def test_checkpoints_that_do_not_fit(tmp_path: Path, few: Mapping[str, Path]) -> None:
    """The job warns before training, says it when one fails, and ends well with its model."""
    with job(tmp_path, few, "checkpoints", "--tmpfs", "/opt/ml/checkpoints:size=1m,mode=1777") as container:
        assert ended(container) == 0, container.log
        log = container.log
    assert re.search(rf"WARNING\] A checkpoint does not fit into /opt/ml/checkpoints\. {FREE}", log), log
    assert re.search(
        rf"ERROR\] The checkpoint cannot be written to /opt/ml/checkpoints\. No space left.* {FREE}", log
    ), log
    assert list((tmp_path / "model").glob("*.params"))


def test_a_report_that_does_not_fit(tmp_path: Path, few: Mapping[str, Path]) -> None:
    """The job says so and ends well with its model."""
    with job(tmp_path, few, "", "--tmpfs", "/opt/ml/output/data:size=4k,mode=1777") as container:
        assert ended(container) == 0, container.log
        log = container.log
    assert re.search(rf"ERROR\] The report cannot be written to /opt/ml/output/data\. No space left.* {FREE}", log), log
    assert list((tmp_path / "model").glob("*.params"))


def test_event_files_that_do_not_fit(tmp_path: Path, few: Mapping[str, Path]) -> None:
    """The job neither waits nor fails."""
    mount = ("--tmpfs", "/opt/ml/output/tensorboard:size=4k,mode=1777")
    with job(tmp_path, few, "", *mount, tensorboard="1") as container:
        assert ended(container) == 0, container.log
        log = container.log
    assert re.search(rf"ERROR\] The event file cannot be written to /opt/ml/output/tensorboard\. .* {FREE}", log), log
