"""hyperparameters: every field by a table, then what they say together."""

import json
from dataclasses import FrozenInstanceError, dataclass, fields
from typing import Any

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.images import Preprocessing


@dataclass(frozen=True)
class Row:
    """What a hyperparameter is by default, what its texts mean, what is refused, and a likely typo."""

    default: Any
    good: dict[str, Any]
    bad: tuple[str, ...]
    typo: str


_NO_WHOLE = ("0", "-1", "1.5", "x", "", "nan", "inf", "1e999", "null", "[1]")
_NO_SHARE = ("-0.001", "1.001", "x", "", "nan", "inf", "1,5", "null")
TABLE = {
    "num_classes": Row(None, {"1": 1, "257": 257, "4.0": 4, " 4 ": 4, "1e3": 1000}, _NO_WHOLE, "num_class"),
    "num_training_samples": Row(None, {"1": 1, "15420": 15420}, _NO_WHOLE, "num_training_sample"),
    "num_layers": Row(
        18, {str(each): each for each in (18, 34, 50, 101, 152)}, ("0", "19", "200", "x", ""), "num_layer"
    ),
    "use_pretrained_model": Row(
        True,
        {"0": False, "1": True, "False": False, "True": True, "false": False, "true": True},
        ("2", "yes", "", "-1", "null"),
        "use_pretrained",
    ),
    "image_shape": Row(
        (3, 224, 224),
        {"3,224,224": (3, 224, 224), "3, 32, 64": (3, 32, 64), "[3,64,48]": (3, 64, 48), "(3,64,48)": (3, 64, 48)},
        ("", "224", "3,224", "1,224,224", "3,31,224", "3,224,31", "3,224,224,1", "3,x,224", "3;224;224", "3,-64,64"),
        "image_shapes",
    ),
    "resize": Row(None, {"224": 224, "256": 256}, ("0", "31", "x", "", "256.5"), "resise"),
    "mini_batch_size": Row(32, {"1": 1, "128": 128}, _NO_WHOLE, "minibatch_size"),
    "epochs": Row(30, {"1": 1, "200": 200}, _NO_WHOLE, "epoch"),
    "optimizer": Row("sgd", {"sgd": "sgd"}, ("", "SGD", "lamb", "0"), "optimiser"),
    "learning_rate": Row(0.1, {"0": 0.0, "1": 1.0, "1e-3": 0.001, "0.25": 0.25}, _NO_SHARE, "learningrate"),
    "momentum": Row(0.9, {"0": 0.0, "1": 1.0, "0.5": 0.5}, _NO_SHARE, "momentun"),
    "weight_decay": Row(0.0001, {"0": 0.0, "1": 1.0, "5e-4": 0.0005}, _NO_SHARE, "wight_decay"),
    "lr_scheduler_step": Row(
        (),
        {"10": (10,), "10,20": (10, 20), "20, 10": (10, 20), "[1,2]": (1, 2)},
        ("", "0", "-1", "10,", "1.5", "x", "10;20"),
        "lr_schedule_step",
    ),
    "lr_scheduler_factor": Row(0.1, {"0": 0.0, "1": 1.0, "0.5": 0.5}, _NO_SHARE, "lr_schedular_factor"),
    "augmentation_type": Row(
        None,
        {each: each for each in ("crop", "crop_color", "crop_color_transform")},
        ("", "flip", "Crop", "crop_colour", "null", "None"),
        "augmentation",
    ),
    "top_k": Row(None, {"2": 2, "5": 5}, ("0", "1", "-2", "2.5", "x", ""), "topk"),
}
GOOD = [(name, text, value) for name, row in TABLE.items() for text, value in row.good.items()]
BAD = [(name, text) for name, row in TABLE.items() for text in row.bad]


def test_table_has_every_hyperparameter() -> None:
    """A new hyperparameter needs a row here."""
    assert list(TABLE) == [each.name for each in fields(Hyperparameters)]


@pytest.mark.parametrize("name", TABLE)
def test_default(name: str) -> None:
    """What is not given has its documented default."""
    value = getattr(Hyperparameters.from_strings({}), name)
    assert value == TABLE[name].default
    assert type(value) is type(TABLE[name].default)


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
@pytest.mark.parametrize("quote", [str, json.dumps], ids=["plain", "quoted twice"])
def test_good_value(name: str, text: str, value: Any, quote: Any) -> None:
    """A good text becomes a typed value, JSON-quoted a second time or not."""
    read = getattr(Hyperparameters.from_strings({name: quote(text)}), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(("name", "text"), BAD)
@pytest.mark.parametrize("quote", [str, json.dumps], ids=["plain", "quoted twice"])
def test_bad_value(name: str, text: str, quote: Any) -> None:
    """A bad text is refused with the hyperparameter's name, the text and what it must be."""
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings({name: quote(text)})
    assert caught.value.what == f"hyperparameter {name} is {text.strip()!r}"
    assert caught.value.why.startswith("it must be ")
    assert "None" not in caught.value.why


@pytest.mark.parametrize("name", TABLE)
def test_misspelt_name(name: str) -> None:
    """A typo is refused, and the likely name given."""
    typo = TABLE[name].typo
    with pytest.raises(ClientError, match=rf"^hyperparameter {typo} is unknown\. Did you mean {name}\?"):
        Hyperparameters.from_strings({typo: "1"})


def test_name_that_resembles_none() -> None:
    """Where nothing is near, all names are listed."""
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings({"zzz": "1"})
    assert caught.value.what == "hyperparameter zzz is unknown"
    for name in TABLE:
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
    with pytest.raises(ClientError, match="hyperparameter epochs is"):
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
        "top_k is 5. it must be less than num_classes, 4",
        "resize is 100. it must be at least the larger side of image_shape, 224",
        "momentum is '2'",
    ):
        assert part in message


@pytest.mark.parametrize("given", [{"image_shape": "3,64,100", "resize": "99"}, {"resize": "223"}])
def test_resize_below_the_larger_side(given: dict[str, str]) -> None:
    """A crop cannot be larger than what it is cut from."""
    with pytest.raises(ClientError, match="hyperparameter resize is"):
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
        with pytest.raises(ClientError, match=rf"^hyperparameter top_k is {top_k}\. .*num_classes, 4"):
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
