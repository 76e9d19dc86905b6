"""checkpoint: whole or absent, few, and only for the job that wrote it."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sagemaker_gluoncv_container import disk
from sagemaker_gluoncv_container.arrays import Arrays
from sagemaker_gluoncv_container.errors import AlgorithmError
from sagemaker_gluoncv_container.training.results.checkpoint import KEPT, Checkpoints, Damaged, Progress

JOB = {"learning_rate": 0.1, "epochs": 3}
# Writes checkpoints without end: whole ones only if every number of the array is the number of the batch.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints, Progress
checkpoints = Checkpoints(Path(sys.argv[1]), {"learning_rate": 0.1, "epochs": 3})
found = checkpoints.newest()
progress = found[0] if found else Progress()
print("ready", flush=True)
while True:
    progress.batch += 1
    if progress.batch % 5 == 0:
        progress.epoch, progress.batch = progress.epoch + 1, 0
        checkpoints.keep(progress.epoch, {"net/a": np.full(100_000, progress.epoch)})
        progress.kept = [progress.epoch]
    checkpoints.write(progress, {"net/a": np.full(300_000, 1000 * progress.epoch + progress.batch)})
"""


def arrays(value: float) -> Arrays:
    """Return something to write."""
    return {"net/weight": np.full((3, 4), value, np.float32), "file": np.arange(3)}


def written(folder: Path, batches: int) -> Checkpoints:
    """Return checkpoints of which this many were written, one a batch."""
    checkpoints = Checkpoints(folder, JOB)
    for batch in range(batches):
        checkpoints.write(Progress(epoch=2, batch=batch), arrays(batch))
    return checkpoints


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    """Progress and arrays are the same, dtype and bits, in another process's eyes."""
    progress = Progress(1, 5, [{"validation:accuracy": 0.5}], {"right": 3}, [0], {"train record 1": "cut"})
    checkpoints = Checkpoints(tmp_path, JOB)
    checkpoints.keep(0, arrays(8))
    checkpoints.write(progress, arrays(9))
    found = Checkpoints(tmp_path, JOB).newest()
    assert found is not None
    assert found[0] == progress
    assert found[1].keys() == arrays(9).keys()
    for name, array in arrays(9).items():
        assert found[1][name].dtype == array.dtype
        assert np.array_equal(found[1][name], array)
    assert np.array_equal(Checkpoints(tmp_path, JOB).kept(0)["net/weight"], arrays(8)["net/weight"])


def test_nothing_written_is_nothing_found(tmp_path: Path) -> None:
    """A new folder is made, and holds no checkpoint."""
    assert Checkpoints(tmp_path / "new", JOB).newest() is None


def test_few_are_kept(tmp_path: Path) -> None:
    """Only the newest two stay, whatever was written."""
    written(tmp_path, 12)
    assert len(list(tmp_path.iterdir())) == KEPT
    found = Checkpoints(tmp_path, JOB).newest()
    assert found is not None
    assert found[0].batch == 11


def test_kept_epochs_stay_as_long_as_a_checkpoint_needs_them(tmp_path: Path) -> None:
    """What only removed checkpoints named is removed with them, after a restart too."""
    for restart in (False, True):
        checkpoints = Checkpoints(tmp_path, JOB)
        if restart:
            checkpoints.newest()
        for epoch in range(1, 4):
            checkpoints.keep(epoch, arrays(epoch))
            checkpoints.write(Progress(epoch=epoch, kept=[epoch]), arrays(epoch))
    assert len(list(tmp_path.glob("epoch-*"))) == KEPT
    for epoch in (2, 3):
        assert checkpoints.kept(epoch)


@pytest.mark.parametrize("harm", ["cut", "flipped", "empty"])
def test_damaged_one_is_passed_over_for_the_older(tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not what was written is named in the log, and the one before it is used."""
    written(tmp_path, 3)
    newest = sorted(tmp_path.iterdir())[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes({"cut": bytes(data[:-9]), "flipped": bytes(data), "empty": b""}[harm])
    found = Checkpoints(tmp_path, JOB).newest()
    assert found is not None
    assert found[0].batch == 1
    assert newest.name in caplog.text
    # What follows is not taken for older than the damaged one.
    again = Checkpoints(tmp_path, JOB)
    again.write(Progress(epoch=2, batch=2), arrays(2))
    newer = again.newest()
    assert newer is not None
    assert newer[0].batch == 2


def test_checkpoint_whose_kept_epoch_is_damaged_is_passed_over(tmp_path: Path) -> None:
    """The model of the best epoch is as needed as the weights of the last."""
    checkpoints = Checkpoints(tmp_path, JOB)
    for epoch in (1, 2):
        checkpoints.keep(epoch, arrays(epoch))
        checkpoints.write(Progress(epoch=epoch, kept=[epoch]), arrays(epoch))
    next(tmp_path.glob("epoch-*-000002.state")).write_bytes(b"cut")
    with pytest.raises(Damaged):
        checkpoints.kept(2)
    found = Checkpoints(tmp_path, JOB).newest()
    assert found is not None
    assert found[0].epoch == 1


def test_files_of_the_sync_agent_are_no_checkpoints(tmp_path: Path) -> None:
    """Markers are passed over and left alone; what a killed job left unfinished is removed."""
    written(tmp_path, 2)
    name = sorted(tmp_path.iterdir())[-1].name
    markers = [tmp_path / f"{name}.sagemaker-uploading", tmp_path / f"{name}.sagemaker-uploaded"]
    for marker in markers:
        marker.touch()
    unfinished = tmp_path / f"{name.replace('00000001', '00000009')}.sagemaker-ignore"
    unfinished.write_bytes(b"half")
    checkpoints = Checkpoints(tmp_path, JOB)
    found = checkpoints.newest()
    assert found is not None
    assert found[0].batch == 1
    assert not unfinished.exists()
    checkpoints.write(Progress(epoch=3), arrays(3))
    assert all(marker.exists() for marker in markers)


def test_another_job_starts_from_the_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Other hyperparameters: nothing is found, the difference is named, the other job's files stay."""
    written(tmp_path, 2)
    before = sorted(tmp_path.iterdir())
    other = Checkpoints(tmp_path, {**JOB, "epochs": 9})
    assert other.newest() is None
    assert "epochs was 3, is 9" in caplog.text
    assert "learning_rate" not in caplog.text
    for batch in range(3):
        other.write(Progress(batch=batch), arrays(batch))
    assert set(before) < set(tmp_path.iterdir())


def test_sigkill_at_30_random_moments_leaves_a_whole_one(tmp_path: Path) -> None:
    """A writer that is killed 30 times goes on each time from a checkpoint that is whole and not older than before."""
    pick, last, in_writing = random.Random(4), (0, 0), 0
    for _ in range(30):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(pick.uniform(0.005, 0.12))
            writer.kill()
        in_writing += bool(list(tmp_path.glob("*.sagemaker-ignore")))
        checkpoints = Checkpoints(tmp_path, JOB)
        # The newest file of all, not one that damage made it fall back to.
        newest = max((path.name for path in tmp_path.glob("checkpoint-*.state")), default=None)
        found = checkpoints.newest()
        if found is None:
            assert newest is None
            continue
        progress, content = found
        assert newest is not None
        assert newest.endswith(f"{progress.epoch:06d}-{progress.batch:08d}.state")
        assert set(content["net/a"].tolist()) == {1000 * progress.epoch + progress.batch}
        for epoch in progress.kept:
            assert set(checkpoints.kept(epoch)["net/a"].tolist()) == {epoch}
        assert (progress.epoch, progress.batch) >= last
        last = progress.epoch, progress.batch
    assert last > (0, 0)
    # Else the moments were not those that this is about.
    assert in_writing > 0


def test_a_checkpoint_that_cannot_be_read_any_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another job's checkpoint that is damaged is said to be of no use, and stays."""
    written(tmp_path, 1)
    [path] = tmp_path.iterdir()
    path.write_bytes(b"cut")
    assert Checkpoints(tmp_path, {**JOB, "epochs": 9}).newest() is None
    assert f"the checkpoint {path.name} cannot be used: {path.name} is cut or damaged" in caplog.text
    assert path.exists()


def test_a_full_disk_leaves_nothing_half_done(tmp_path: Path) -> None:
    """What cannot be finished is removed, and the checkpoint before it is there; the next one may fit again."""
    checkpoints = written(tmp_path, 1)
    [first] = tmp_path.iterdir()
    unfinished = first.with_name(first.name.replace("00000000", "00000005") + ".sagemaker-ignore")
    unfinished.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.write(Progress(epoch=2, batch=5), arrays(5))
    assert list(tmp_path.iterdir()) == [first]
    checkpoints.write(Progress(epoch=2, batch=5), arrays(5))
    found = Checkpoints(tmp_path, JOB).newest()
    assert found is not None
    assert found[0].batch == 5


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Something in its place is an error with the folder's name before anything is computed."""
    (tmp_path / "checkpoints").touch()
    with pytest.raises(AlgorithmError, match=r"A checkpoint cannot be written to .*/checkpoints\. File exists"):
        Checkpoints(tmp_path / "checkpoints", JOB)


@pytest.mark.parametrize(("free", "fits"), [(11_000, True), (10_999, False)])
def test_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free: int, fits: bool
) -> None:
    """Checkpoints that will not fit cost a warning before training: three of them and two kept epochs."""
    monkeypatch.setattr(disk, "free_bytes", lambda _: free)
    Checkpoints(tmp_path, JOB).check_room(1000)
    assert (caplog.messages == []) == fits
    if not fits:
        assert f"A checkpoint does not fit into {tmp_path}. 10,999 bytes" in caplog.text
        assert "an interrupted job starts from the beginning" in caplog.text
