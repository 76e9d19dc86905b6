"""The four-class guide, end to end, with its own numbers."""

import re
from collections import Counter
from pathlib import Path

from support.prepared import Prepare, draw_folders, train

COUNTS = {"flower": 1200, "car": 1000, "bird": 1200, "plane": 300}
# The guide's folders hold more than it takes of them.
HEAP = {"flower": 1230, "car": 1000, "bird": 1210, "plane": 320}


def test_the_guides_numbers_come_out(prepare: Prepare, tmp_path: Path) -> None:
    """1200, 1000, 1200 and 300 at 0.9 are 3,330 pictures to train and 370 to validate, which train two epochs."""
    pictures = draw_folders(tmp_path / "pictures", HEAP)
    quotas = ",".join(f"{name}={count}" for name, count in COUNTS.items())
    prepared = prepare(pictures, "--per-class", quotas, "--train-ratio", "0.9", "--resize", "40")
    records = prepared.records()
    assert Counter(packed.side for packed in records) == {"train": 3330, "validation": 370}
    for side, ratio in (("train", 9), ("validation", 1)):
        counts = Counter(prepared.classes[int(each.labels[0])] for each in records if each.side == side)
        assert counts == {name: count * ratio // 10 for name, count in COUNTS.items()}
    assert prepared.left_out().keys() == {"not-chosen"}
    job = train(
        prepared, tmp_path / "job", epochs="2", num_classes="4", num_training_samples="3330", mini_batch_size="128"
    )
    assert len(re.findall(r"Epoch\[\d\] Validation-accuracy=", job.log)) == 2
