"""hyperparameters: every field by a table, then what they say together."""

from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters


def test_name_that_resembles_none() -> None:
    """Where nothing is near, all names are listed."""
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings({"zzz": "1"})
    assert caught.value.what == "Hyperparameter zzz is unknown"
    for name in (each.name for each in fields(Hyperparameters)):
        assert name in caught.value.do


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 3, 3),
        ("epochs", 3.0, 3),
        ("learning_rate", 0.01, 0.01),
        ("learning_rate", 1, 1.0),
        ("use_pretrained_model", False, False),
        ("use_pretrained_model", 1, True),
        ("image_shape", [3, 64, 48], (3, 64, 48)),
        ("lr_scheduler_step", 10, (10,)),
        ("lr_scheduler_step", [10, 20], (10, 20)),
    ],
)
def test_json_values(name: str, value: Any, expected: Any) -> None:
    """Files written by hand hold JSON's own numbers, booleans and lists."""
    assert getattr(Hyperparameters.from_strings({name: value}), name) == expected


@pytest.mark.parametrize("value", [None, {}, [], {"a": 1}, True])
def test_json_values_that_are_no_number(value: Any) -> None:
    """JSON of the wrong kind is refused as text would be."""
    with pytest.raises(ClientError, match="Hyperparameter epochs is"):
        Hyperparameters.from_strings({"epochs": value})


def test_platforms_own_are_passed_over() -> None:
    """The toolkit's and the tuner's keys are neither read nor refused."""
    given = {
        "sagemaker_program": '"train.py"',
        "sagemaker_container_log_level": "20",
        "sagemaker_region": "x",
        "_tuning_objective_metric": "validation:accuracy",
        "_kfold": "1",
    }
    assert Hyperparameters.from_strings(given) == Hyperparameters()


def test_every_fault_in_one_message() -> None:
    """A job need not fail once for each mistake."""
    given = {"epochs": "0", "learning_rat": "0.1", "top_k": "5", "num_classes": "4", "resize": "100", "momentum": "2"}
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings(given)
    message = str(caught.value)
    assert message.startswith("5 faults.")
    for part in (
        "epochs is '0'",
        "learning_rat is unknown. Did you mean learning_rate?",
        "top_k is 5. It must be less than num_classes, 4",
        "resize is 100. It must be at least the larger side of image_shape, 224",
        "momentum is '2'",
    ):
        assert part in message


@pytest.mark.parametrize("given", [{"image_shape": "3,64,100", "resize": "99"}, {"resize": "223"}])
def test_resize_below_the_larger_side(given: dict[str, str]) -> None:
    """A crop cannot be larger than what it is cut from."""
    with pytest.raises(ClientError, match="Hyperparameter resize is"):
        Hyperparameters.from_strings(given)


def test_resize_equal_to_the_larger_side() -> None:
    """The smallest resize is the larger side itself."""
    assert Hyperparameters.from_strings({"image_shape": "3,64,100", "resize": "100"}).resize == 100


def test_no_contradiction_with_a_value_that_cannot_be_read() -> None:
    """With an unreadable image_shape, nothing is said of a resize that may well suit it."""
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings({"image_shape": "3,64", "resize": "72"})
    assert "resize" not in str(caught.value)


@pytest.mark.parametrize(("top_k", "fits"), [("3", True), ("4", False), ("5", False)])
def test_top_k_and_num_classes(top_k: str, fits: bool) -> None:
    """The best k of k classes or less say nothing."""
    given = {"num_classes": "4", "top_k": top_k}
    if fits:
        assert Hyperparameters.from_strings(given).top_k == int(top_k)
    else:
        with pytest.raises(ClientError, match=rf"^Hyperparameter top_k is {top_k}\. .*num_classes, 4"):
            Hyperparameters.from_strings(given)


@pytest.mark.parametrize(
    ("given", "preprocessing"),
    [
        ({}, Preprocessing(224, 224, 256)),
        ({"image_shape": "3,64,48"}, Preprocessing(64, 48, 73)),
        ({"image_shape": "3,64,48", "resize": "64"}, Preprocessing(64, 48, 64)),
    ],
)
def test_preprocessing(given: dict[str, str], preprocessing: Preprocessing) -> None:
    """Height and width keep their order, and resize has the usual ratio unless given."""
    assert Hyperparameters.from_strings(given).preprocessing == preprocessing


def test_frozen() -> None:
    """Nobody changes a job's hyperparameters on the way."""
    with pytest.raises(FrozenInstanceError):
        Hyperparameters().epochs = 3  # type: ignore[misc]
