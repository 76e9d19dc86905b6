"""What a report is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...arrays import Floats


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A finished job, with what its kept model answers on the validation pictures.

    `probabilities` is float32 (n, classes). `labels` is float32: (n,) class numbers or, with `multi_label`,
    (n, classes) of 0 and 1. `names` tells people which picture row i is; `picture(i)` gives its encoded bytes.
    `classes` are the classes' names in the order of the outputs, empty if unknown.
    `history` has one dict per epoch: `epoch` and any of `train:accuracy`, `train:loss`, `validation:accuracy`,
    `learning_rate`, `seconds` and so on. All of them are drawn, train and validation in one chart.
    `counts` has the pictures of each class, in the order of the outputs, by channel: {"train": [75, 75]}.
    `skipped` are (name, reason) of pictures that could not be read; `duplicates` are (name in train, name in
    validation) of pictures with the same bytes in both channels, None if nobody looked for them.
    `job` is the job's name, `date` when it ended (UTC), `image_version` what made the report; each "" if unknown.
    """

    settings: Mapping[str, Any]
    classes: Sequence[str]
    multi_label: bool
    history: Sequence[Mapping[str, float]]
    kept_epoch: int
    probabilities: Floats
    labels: Floats
    names: Sequence[str]
    picture: Callable[[int], bytes] | None = None
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    skipped: Sequence[tuple[str, str]] = ()
    duplicates: Sequence[tuple[str, str]] | None = ()
    job: str = ""
    date: str = ""
    image_version: str = ""
