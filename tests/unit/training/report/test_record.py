"""record: what a report needs at least, and what it may leave out."""

import dataclasses

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.report.record import RunRecord


def test_what_may_be_left_out() -> None:
    """Pictures, counts and names of bad pictures are optional; that nobody looked for duplicates has to be said."""
    run = RunRecord({}, [], False, [], 0, np.zeros((0, 2), np.float32), np.zeros(0, np.float32), [])
    assert (run.picture, run.counts, run.skipped, run.duplicates) == (None, {}, (), ())


def test_a_record_stays_as_it_is() -> None:
    """What a report was made from cannot change under it, and two records are compared as objects, not by arrays."""
    run = RunRecord({}, [], False, [], 0, np.zeros((1, 2), np.float32), np.zeros(1, np.float32), ["a"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.kept_epoch = 1  # type: ignore[misc]
    assert run != dataclasses.replace(run)
