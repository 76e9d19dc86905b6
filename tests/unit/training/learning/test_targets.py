"""targets: smoothing, weights and mixup by hand-made figures."""

import tracemalloc

import numpy as np
import pytest

from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.learning.targets import Targets, balanced, count_labels, positive_weights

LABELS = np.array([0, 2], np.float32)


def targets(weights: list[float] | None = None, **given: str) -> Targets:
    """Return the targets of a job with three classes and seed 1."""
    hp = Hyperparameters.from_strings({"num_classes": "3", **given})
    return Targets(hp, None if weights is None else np.array(weights, np.float32))


def test_plain_targets_are_one_hot() -> None:
    """Without wishes the target is 1 for the label."""
    assert targets().of(LABELS).tolist() == [[1, 0, 0], [0, 0, 1]]


def test_label_smoothing_spreads_a_share() -> None:
    """The share goes to all classes alike, and the target still sums to 1."""
    smooth = targets(label_smoothing="0.3").of(LABELS)
    assert smooth == pytest.approx(np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]))


def test_smoothing_of_several_labels_moves_each_towards_its_opposite() -> None:
    """Each label is a question of its own."""
    smooth = targets(label_smoothing="0.2", multi_label="1").of(np.array([[1, 0, 1]], np.float32))
    assert smooth == pytest.approx(np.array([[0.9, 0.1, 0.9]]))


def test_class_weights_multiply_the_loss_of_their_pictures() -> None:
    """A picture's target is multiplied by the weight of its class, and so is its loss."""
    assert targets([2, 1, 0.5]).of(LABELS).tolist() == [[2, 0, 0], [0, 0, 0.5]]


def test_balanced_weights() -> None:
    """Each class weighs the same in sum; one without pictures weighs no more than the limit."""
    counts = count_labels([(0,)] * 6 + [(1,)] * 2, 2, False)
    assert counts.tolist() == [6, 2]
    weights = balanced(counts)
    assert (weights * counts).tolist() == pytest.approx([4, 4])
    assert np.isfinite(balanced(np.array([5, 0]))).all()


def test_positive_weights_count_the_absent_for_each_present() -> None:
    """A label on one picture of four weighs three times; one that nobody has weighs 1."""
    counts = count_labels([(1, 0, 1), (0, 0, 1), (0, 0, 0), (0, 0, 0)], 3, True)
    assert counts.tolist() == [1, 0, 2]
    assert positive_weights(counts, 4).tolist() == [3, 1, 1]


def test_mixup_is_drawn_from_seed_epoch_and_batch() -> None:
    """The same batch is mixed the same way again; another one otherwise; the own share is the larger."""
    pixels = np.arange(8, dtype=np.float32).reshape(8, 1, 1, 1)
    plain = np.eye(8, dtype=np.float32)
    hp = {"mixup": "0.4", "num_classes": "8"}
    mixed, labels = targets(**hp).mixed(pixels, plain, 3, 5)
    again, _ = targets(**hp).mixed(pixels, plain, 3, 5)
    other, _ = targets(**hp).mixed(pixels, plain, 3, 6)
    assert mixed.tobytes() == again.tobytes()
    assert not np.array_equal(mixed, other)
    assert (labels.argmax(1) == np.arange(8)).all()
    assert labels.sum(1) == pytest.approx(np.ones(8))
    # Pixels and targets have the same shares.
    assert mixed.ravel() == pytest.approx(labels @ np.arange(8))
    assert mixed.dtype == labels.dtype == np.float32


def test_no_mixup_leaves_a_batch_as_it_is() -> None:
    """Off is off."""
    pixels = np.ones((2, 3, 1, 1), np.float32)
    assert targets().mixed(pixels, LABELS, 0, 0)[0] is pixels


@pytest.mark.parametrize("given", [{}, {"label_smoothing": "0.1"}])
def test_many_classes_take_no_square_of_memory(given: dict[str, str]) -> None:
    """Of 20,000 classes, the targets of four pictures take four rows of memory, not 20,000 (1.6 GB)."""
    classes = 20_000
    made = targets(**{"num_classes": str(classes), **given})
    tracemalloc.start()
    try:
        found = made.of(np.array([0, 5, classes - 1, 7], np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.argmax(1).tolist() == [0, 5, classes - 1, 7]
    assert found.sum(1) == pytest.approx(np.ones(4), abs=1e-3)
    assert peak < 5 * found.nbytes
