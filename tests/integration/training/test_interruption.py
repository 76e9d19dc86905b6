"""A job that is interrupted ends as if it had not been."""

import json
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import pytest

# One compute thread and one seed: the uninterrupted job is the measure.
GIVEN = {
    "mini_batch_size": "2",
    "epochs": "3",
    "checkpoint_frequency": "1",
    "augmentation_type": "crop",
    "mixup": "0.2",
    "lr_scheduler": "cosine",
    "top_k": "2",
}
BATCHES = 40


def weights(base: Path) -> dict[str, bytes]:
    """Return the bits of the weights of all epochs in a model directory."""
    found = {}
    for path in sorted((base / "model").glob("*.params")):
        found |= {f"{path.name} {name}": array.asnumpy().tobytes() for name, array in mx.nd.load(str(path)).items()}
    return found


def figures(base: Path) -> list[Any]:
    """Return what the report says of each epoch, but for the times."""
    history = json.loads((base / "output" / "data" / "metrics.json").read_text())["history"]
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in history]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_sigterm_in_mid_epoch_then_restart_is_bit_equal(
    new_base: Callable[[str], Path], start: Callable[..., Any], optimizer: str
) -> None:
    """SIGTERM ends the job well within 120 s; after the restart all epochs are those of the uninterrupted job."""
    whole, broken = new_base("whole"), new_base("broken")
    (broken / "checkpoints").mkdir()
    uninterrupted = start(whole, **GIVEN, optimizer=optimizer)
    job = start(broken, **GIVEN, optimizer=optimizer)
    job.wait_for_log("Epoch[1] Batch [20]")
    asked = time.monotonic()
    job.process.send_signal(signal.SIGTERM)
    assert job.wait() == 0, job.log
    assert time.monotonic() - asked < 60
    assert "Asked to stop" in job.log
    assert (broken / "model" / "image-classification-0000.params").exists()

    # A new machine: of the old one only the checkpoints come back.
    for path in (broken / "model").iterdir():
        path.unlink()
    again = start(broken, **GIVEN, optimizer=optimizer)
    line = again.wait_for_log("Going on from a checkpoint")
    found = re.search(r"epoch (\d+), batch (\d+)", line)
    assert found
    assert int(found[1]) == 1
    assert 20 < int(found[2]) < BATCHES
    assert again.wait() == 0, again.log
    assert uninterrupted.wait() == 0, uninterrupted.log
    assert len({name.split()[0] for name in weights(whole)}) == 3
    assert weights(broken) == weights(whole)
    assert figures(broken) == figures(whole)


def test_sigkill_at_random_moments_then_restarts_end_bit_equal(
    new_base: Callable[[str], Path], start: Callable[..., Any]
) -> None:
    """Killed twice without warning, the job goes on each time and ends with the uninterrupted job's weights."""
    whole, broken = new_base("whole"), new_base("broken")
    (broken / "checkpoints").mkdir()
    uninterrupted = start(whole, **GIVEN)
    pick = random.Random(7)
    for epoch in range(2):
        job = start(broken, **GIVEN)
        job.wait_for_log(f"Epoch[{epoch}] Validation-accuracy")
        time.sleep(pick.uniform(0, 0.3))
        job.kill()
    last = start(broken, **GIVEN)
    assert last.wait() == 0, last.log
    assert uninterrupted.wait() == 0, uninterrupted.log
    assert weights(broken) == weights(whole)


def test_restart_of_a_finished_job_keeps_its_model(new_base: Callable[[str], Path], start: Callable[..., Any]) -> None:
    """A job that is started again after its last epoch trains no more and gives the same model and report."""
    base = new_base("ml")
    (base / "checkpoints").mkdir()
    assert start(base).wait() == 0
    before, report = weights(base), figures(base)
    for folder in ("model", "output/data"):
        for path in (base / folder).iterdir():
            path.unlink()
    again = start(base)
    assert again.wait() == 0
    assert "Batch" not in again.log
    assert weights(base) == before
    assert figures(base) == report


def test_checkpoint_of_another_job_is_not_gone_on_from(base: Path, run: Callable[..., list[str]]) -> None:
    """Other hyperparameters in the same folder of checkpoints: the job starts from the beginning and says why."""
    (base / "checkpoints").mkdir()
    run(base, epochs="1")
    lines = run(base, epochs="1", learning_rate="0.02")
    assert any("Starting from the beginning" in line and "learning_rate was 0.01, is 0.02" in line for line in lines)
    assert not any("Going on from" in line for line in lines)


def test_max_seconds_ends_in_time_with_a_model(base: Path, run: Callable[..., list[str]]) -> None:
    """The job ends by itself before the limit, and keeps the best epoch that it had."""
    began = time.monotonic()
    lines = run(base, epochs="10000", max_seconds="6")
    assert time.monotonic() - began < 12
    assert any("max_seconds are over" in line for line in lines)
    assert list((base / "model").glob("*.params"))


def test_checkpoints_go_where_the_configuration_says(base: Path, run: Callable[..., list[str]]) -> None:
    """LocalPath of checkpointconfig.json is followed, moved with the root of the tree; two checkpoints stay."""
    (base / "input" / "config" / "checkpointconfig.json").write_text('{"LocalPath": "/opt/ml/elsewhere"}')
    run(base, epochs="4")
    assert len(list((base / "elsewhere").glob("checkpoint-*.state"))) == 2
    assert not (base / "checkpoints").exists()


def test_job_without_a_place_for_checkpoints_writes_none(base: Path, run: Callable[..., list[str]]) -> None:
    """A job that was not given a folder for checkpoints pays nothing for them."""
    run(base, epochs="1")
    assert not (base / "checkpoints").exists()


def test_long_epoch_has_checkpoints_in_between(
    base: Path, run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many seconds without a checkpoint one is written in mid-epoch: here, after each of ten batches."""
    from sagemaker_gluoncv_container.training.learning import loop
    from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints, Progress

    (base / "checkpoints").mkdir()
    monkeypatch.setattr(loop, "_SECONDS_PER_CHECKPOINT", 0)
    written: list[tuple[int, int]] = []
    write = Checkpoints.write

    def noted(self: Checkpoints, progress: Progress, arrays: Any) -> None:
        written.append((progress.epoch, progress.batch))
        write(self, progress, arrays)

    monkeypatch.setattr(Checkpoints, "write", noted)
    run(base, epochs="1")
    assert written == [*((0, batch) for batch in range(1, 11)), (1, 0)]


def test_full_disk_costs_the_checkpoint_and_not_the_job(
    base: Path, run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that cannot be written is an error in the log; the job goes on to its end."""
    from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (base / "checkpoints").mkdir()
    monkeypatch.setattr(Checkpoints, "write", full)
    lines = run(base)
    assert any("The checkpoint cannot be written" in line and "No space left" in line for line in lines)
    assert list((base / "model").glob("*.params"))
