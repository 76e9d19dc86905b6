"""A seed decides everything: order, augmentation, mixup, first weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container.data.recordio import Writer

COUNT, BATCH = 341, 32


def weights(base: Path, epoch: int) -> dict[str, Any]:
    """Return the weights of an epoch in a model directory."""
    loaded = mx.nd.load(str(base / "model" / f"image-classification-{epoch:04d}.params"))
    return {name: array.asnumpy() for name, array in loaded.items()}


def assert_bit_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Fail unless both hold the same bits."""
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name


def write_341(folder: Path, shards: int) -> None:
    """Write 341 pictures of 16 pixels, in this many .rec files."""
    names = list(CLASSES)
    writers = [Writer(folder / f"part-{shard}.rec") for shard in range(shards)]
    for number in range(COUNT):
        label = number % len(names)
        writers[number * shards // COUNT].write((float(label),), draw(names[label], number, 16, 16))
    for writer in writers:
        writer.__exit__(None, None, None)


@pytest.mark.parametrize("shards", [1, 2])
def test_denominators_are_exact_over_341_pictures(
    base: Path, run: Callable[..., list[str]], shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every figure is over exactly 341 pictures, in each epoch, however many files they lie in."""
    from sagemaker_gluoncv_container.training.learning.accuracy import Accuracy

    for channel in ("train", "validation"):
        for path in (base / "input" / "data" / channel).glob("pictures.*"):
            path.unlink()
        write_341(base / "input" / "data" / channel, shards)
    counted: list[tuple[int, int]] = []
    values = Accuracy.values

    def spied(self: Accuracy) -> dict[str, float]:
        counted.append((self.pictures, self.answers))
        return values(self)

    monkeypatch.setattr(Accuracy, "values", spied)
    lines = run(base, image_shape="3,16,16", mini_batch_size=str(BATCH), epochs="2")
    assert counted
    assert set(counted) == {(COUNT, COUNT)}
    shown = [float(line.rpartition("=")[2]) for line in lines if "-accuracy=" in line and line.startswith("Epoch")]
    assert len(shown) == 4
    assert all(abs(share * COUNT - round(share * COUNT)) < COUNT * 5e-7 for share in shown)


def test_two_runs_with_one_seed_end_bit_equal(new_base: Callable[[str], Path], start: Callable[..., Any]) -> None:
    """One seed, one thread: the same parameters to the last bit, after every epoch; another seed, other ones."""
    given = {"augmentation_type": "crop_color_transform", "mixup": "0.2", "checkpoint_frequency": "1"}
    bases = {name: new_base(name) for name in ("one", "again", "other")}
    jobs = [
        start(bases["one"], **given),
        start(bases["again"], **given),
        start(bases["other"], **given, seed="4"),
    ]
    assert [job.wait() for job in jobs] == [0, 0, 0], [job.log for job in jobs]
    for epoch in range(2):
        assert_bit_equal(weights(bases["one"], epoch), weights(bases["again"], epoch))
    changed = weights(bases["other"], 1)
    assert any(not np.array_equal(changed[name], array) for name, array in weights(bases["one"], 1).items())


def test_job_without_a_seed_is_one_with_seed_0(new_base: Callable[[str], Path], start: Callable[..., Any]) -> None:
    """What was not asked to differ does not."""
    bases = [new_base("none"), new_base("zero")]
    jobs = [start(bases[0], seed="", epochs="1"), start(bases[1], seed="0", epochs="1")]
    assert [job.wait() for job in jobs] == [0, 0], [job.log for job in jobs]
    assert_bit_equal(weights(bases[0], 0), weights(bases[1], 0))
