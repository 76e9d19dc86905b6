"""Every hyperparameter by a table: default, good, bad, quoted twice, misspelt, documented; then all together."""

import json
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.hyperparameters import LAYERS, RANGES, SMALL_LAYERS, Hyperparameters

DOCS = Path(__file__).resolve().parents[2] / "docs" / "hyperparameters.md"


@dataclass(frozen=True)
class Row:
    """What it is by default, what its texts mean, what is refused, a likely typo, and what must be given beside it."""

    default: Any
    good: dict[str, Any]
    bad: tuple[str, ...]
    typo: str
    beside: dict[str, str] = field(default_factory=dict)


_NO_WHOLE = ("0", "-1", "1.5", "x", "", "nan", "inf", "1e999", "null", "[1]")
_NO_SHARE = ("-0.001", "1.001", "x", "", "nan", "inf", "1,5", "null")
_FLAGS = {"0": False, "1": True, "False": False, "True": True, "false": False, "true": True}
_FLAGS |= {"0.0": False, "1.0": True, "FALSE": False, "TRUE": True, " 1 ": True}
_NO_FLAG = ("2", "yes", "", "-1", "null")
_SMALL = {"num_layers": "20"}


def _share(default: float, typo: str) -> Row:
    return Row(default, {"0": 0.0, "1": 1.0, "0.25": 0.25, "1e-3": 0.001, " 0.1 ": 0.1, ".5": 0.5}, _NO_SHARE, typo)


def _choice(default: str | None, choices: tuple[str, ...], typo: str, **beside: str) -> Row:
    good = {text: each for each in choices for text in (each, each.upper(), each.capitalize(), f" {each} ")}
    none = () if "none" in choices else ("None", "none")
    return Row(default, good, ("", "x", "null", "nil", "0", choices[-1][:-1], *none), typo, beside)


TABLE = {
    "num_classes": Row(
        None, {"1": 1, "257": 257, "4.0": 4, " 4 ": 4, "1e3": 1000}, (*_NO_WHOLE, "1000001"), "num_class"
    ),
    "num_training_samples": Row(None, {"1": 1, "15420": 15420}, _NO_WHOLE, "num_training_sample"),
    "num_layers": Row(
        18,
        {text: each for each in (*LAYERS, *SMALL_LAYERS) for text in (str(each), f"{each}.0", f" {each} ")},
        ("0", "19", "18.5", "x", "", "18,34", "nan", "inf"),
        "num_layer",
    ),
    "use_pretrained_model": Row(True, _FLAGS, _NO_FLAG, "use_pretrained"),
    "image_shape": Row(
        (3, 224, 224),
        {
            "3,224,224": (3, 224, 224),
            "3, 32, 64": (3, 32, 64),
            "[3,64,48]": (3, 64, 48),
            "(3,64,48)": (3, 64, 48),
            "3,28,28": (3, 28, 28),
            "3.0, 224.0, 224.0": (3, 224, 224),
            "3,224,224,": (3, 224, 224),
            "[ 3, 224, 224 ]": (3, 224, 224),
            '["3", "224", "224"]': (3, 224, 224),
            "3 224 224": (3, 224, 224),
            "3x224x224": (3, 224, 224),
        },
        ("", "224", "3,224", "1,224,224", "3,7,224", "3,224,7", "3,224,224,1", "3,x,224", "3;224;224", "3,-64,64"),
        "image_shapes",
        _SMALL,
    ),
    "resize": Row(None, {"224": 224, "256": 256}, ("0", "7", "x", "", "256.5"), "resise"),
    "mini_batch_size": Row(32, {"1": 1, "128": 128}, _NO_WHOLE, "minibatch_size"),
    "epochs": Row(30, {"1": 1, "200": 200}, _NO_WHOLE, "epoch"),
    "optimizer": _choice("sgd", ("sgd", "adam", "rmsprop", "nag"), "optimiser"),
    "learning_rate": _share(0.1, "learningrate"),
    "momentum": _share(0.9, "momentun"),
    "weight_decay": _share(0.0001, "wight_decay"),
    "beta_1": _share(0.9, "beta1"),
    "beta_2": _share(0.999, "beta2"),
    "eps": _share(1e-8, "epsi"),
    "gamma": _share(0.9, "gama"),
    "lr_scheduler_step": Row(
        (),
        {"10": (10,), "10,20": (10, 20), "20, 10": (10, 20), "[1,2]": (1, 2)}
        | {"10,": (10,), "10,20,": (10, 20), "10.0,20.0": (10, 20), "10.0": (10,), "[10.0, 20]": (10, 20)}
        | {"(10, 20)": (10, 20), "10 20": (10, 20), " 10,20 ": (10, 20)},
        ("", "0", "-1", ",", "10,,20", "1.5", "x", "10;20", "10,nan", "1e999"),
        "lr_schedule_step",
    ),
    "lr_scheduler_factor": _share(0.1, "lr_schedular_factor"),
    "augmentation_type": _choice(None, ("crop", "crop_color", "crop_color_transform"), "augmentation"),
    "top_k": Row(None, {"2": 2, "5": 5}, ("0", "1", "-2", "2.5", "x", ""), "topk"),
    "early_stopping": Row(False, _FLAGS, _NO_FLAG, "early_stoping"),
    "early_stopping_min_epochs": Row(10, {"1": 1, "20": 20}, _NO_WHOLE, "early_stopping_min_epoch"),
    "early_stopping_patience": Row(5, {"1": 1, "20": 20}, _NO_WHOLE, "early_stopping_patients"),
    "early_stopping_tolerance": _share(0.0, "early_stopping_tolerence"),
    "checkpoint_frequency": Row(None, {"1": 1, "30": 30}, _NO_WHOLE, "checkpoint_freq"),
    "kv_store": _choice(None, ("dist_sync", "dist_async"), "kvstore"),
    "precision_dtype": _choice("float32", ("float32", "float16"), "precision_type"),
    "multi_label": Row(False, _FLAGS, _NO_FLAG, "multilabel"),
    "use_weighted_loss": Row(False, _FLAGS, _NO_FLAG, "weighted_loss"),
    "lr_scheduler": _choice(None, ("cosine",), "lr_schedule"),
    "warmup_epochs": Row(0, {"0": 0, "5": 5}, ("-1", "1.5", "x", "", "nan", "null"), "warm_up_epochs"),
    "label_smoothing": _share(0.0, "label_smooth"),
    "mixup": Row(0.0, {"0": 0.0, "0.2": 0.2, "10": 10.0}, ("-0.1", "11", "x", "", "nan", "null"), "mix_up"),
    "class_weights": _choice(None, ("balanced",), "class_weight"),
    "freeze": _choice("none", ("none", "stage1", "stage2", "stage3", "stage4", "backbone"), "freese"),
    "seed": Row(0, {"0": 0, "2147483647": 2147483647}, ("-1", "2147483648", "0.5", "x", "", "null"), "sead"),
    "max_seconds": Row(
        None, {"1": 1.0, "3600": 3600.0, "0.5e3": 500.0}, ("0", "-1", "x", "", "nan", "inf"), "max_second"
    ),
    "max_bad_fraction": _share(0.01, "max_bad_fractions"),
    "tensorboard": Row(False, _FLAGS, _NO_FLAG, "tensor_board"),
}
GOOD = [(name, text, value) for name, row in TABLE.items() for text, value in row.good.items()]
BAD = [(name, text) for name, row in TABLE.items() for text in row.bad]
QUOTES = pytest.mark.parametrize("quote", [str, json.dumps], ids=["plain", "quoted twice"])


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
@QUOTES
def test_good_value(name: str, text: str, value: Any, quote: Any) -> None:
    """A good text becomes a typed value, JSON-quoted a second time or not."""
    read = getattr(Hyperparameters.from_strings({**TABLE[name].beside, name: quote(text)}), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(("name", "text"), BAD)
@QUOTES
def test_bad_value(name: str, text: str, quote: Any) -> None:
    """A bad text is refused with the hyperparameter's name, the text and what it must be."""
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings({**TABLE[name].beside, name: quote(text)})
    assert caught.value.what == f"Hyperparameter {name} is {text.strip()!r}"
    assert caught.value.why.startswith("It must be ")
    assert "None" not in caught.value.why


@pytest.mark.parametrize("name", TABLE)
def test_misspelt_name(name: str) -> None:
    """A typo is refused, and the likely name given."""
    typo = TABLE[name].typo
    with pytest.raises(ClientError, match=rf"^Hyperparameter {typo} is unknown\. Did you mean {name}\?"):
        Hyperparameters.from_strings({typo: "1"})


@pytest.mark.parametrize("name", TABLE)
def test_documented(name: str) -> None:
    """The documents have a row for it, with its default."""
    rows = [
        line for line in DOCS.read_text().splitlines() if line.startswith("| `") and f"`{name}`" in line.split("|")[1]
    ]
    assert len(rows) == 1
    place = [each.strip(" `") for each in rows[0].split("|")[1].split(",")].index(name)
    row, default = TABLE[name], rows[0].split("|")[2].strip()
    if isinstance(row.default, bool):
        assert default.split()[0] in (str(row.default), str(int(row.default)))
    elif isinstance(row.default, float):
        assert float(default.split(", ")[place]) == row.default
    elif row.default not in (None, ()):
        assert default.split()[0] == (
            ",".join(map(str, row.default)) if isinstance(row.default, tuple) else str(row.default)
        )


@pytest.mark.parametrize("name", TABLE)
def test_documented_values(name: str) -> None:
    """What the documents say of its values is what a message says, word by word."""
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{name}` |"))
    assert row.split("|")[3].strip() == RANGES[name].expected


def test_documents_name_nothing_else() -> None:
    """What the documents list can be given."""
    names = {
        name
        for line in DOCS.read_text().splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert names == TABLE.keys()


def test_200_layers() -> None:
    """The built-in's deepest net starts from random weights, and the message says that it has to."""
    assert not Hyperparameters.from_strings({"num_layers": "200"}).use_pretrained_model
    with pytest.raises(ClientError, match="There are no base weights for num_layers 200"):
        Hyperparameters.from_strings({"num_layers": "200", "use_pretrained_model": "1"})


@pytest.mark.parametrize(
    "given",
    [
        {"image_shape": "3,28,28"},
        {"image_shape": "3,8,31", "num_layers": "50"},
        {"num_layers": "20", "freeze": "stage4"},
        {"num_layers": "56", "use_pretrained_model": "1"},
        {"num_layers": "200", "use_pretrained_model": "1"},
    ],
    ids=str,
)
def test_num_layers_has_no_say_beside_an_earlier_model(given: dict[str, str]) -> None:
    """What only the net of num_layers forbids is allowed to a job that trains another net further."""
    with pytest.raises(ClientError, match="num_layers"):
        Hyperparameters.from_strings(given)
    Hyperparameters.from_strings(given, earlier_model=True)


def test_an_earlier_model_excuses_nothing_else() -> None:
    """Contradictions that have nothing to do with the net are faults beside an earlier model, too."""
    with pytest.raises(ClientError, match="resize is 100"):
        Hyperparameters.from_strings({"resize": "100"}, earlier_model=True)


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("image_shape", {"image_shape": "3,28,28"}, "at least 32 pixels with num_layers 18"),
        ("resize", {"resize": "200"}, "larger side of image_shape, 224"),
        (
            "use_pretrained_model",
            {"use_pretrained_model": "1", "num_layers": "56"},
            "no base weights for num_layers 56",
        ),
        ("freeze", {"freeze": "stage4", "num_layers": "20"}, "three stages"),
        ("top_k", {"top_k": "4", "num_classes": "4"}, "less than num_classes, 4"),
        ("top_k", {"top_k": "2", "multi_label": "1"}, "multi_label is 1"),
        ("class_weights", {"class_weights": "balanced", "multi_label": "1"}, "use_weighted_loss does this"),
        ("checkpoint_frequency", {"checkpoint_frequency": "6", "epochs": "5"}, "at most epochs, 5"),
        ("warmup_epochs", {"warmup_epochs": "5", "epochs": "5"}, "less than epochs, 5"),
        ("lr_scheduler", {"lr_scheduler": "cosine", "lr_scheduler_step": "3"}, "another schedule"),
    ],
)
def test_contradictions(name: str, given: dict[str, str], why: str) -> None:
    """Two values that forbid each other are refused, and the message says what the other one is."""
    with pytest.raises(ClientError, match=f"^Hyperparameter {name} is .*{why}"):
        Hyperparameters.from_strings(given)


def test_nothing_is_said_beside_a_value_that_cannot_be_read() -> None:
    """A fault is not followed by contradictions with the default that took its place."""
    with pytest.raises(ClientError) as caught:
        Hyperparameters.from_strings({"epochs": "x", "warmup_epochs": "40", "checkpoint_frequency": "40"})
    assert caught.value.what == "Hyperparameter epochs is 'x'"


def test_booleans_and_lists_as_hyperparameters() -> None:
    """A complaint about the built-in: it refuses True and [10, 20] as the SDK writes them."""
    for true in ("True", "true", '"True"', True):
        assert Hyperparameters.from_strings({"early_stopping": true}).early_stopping is True
    for steps in ("[10, 20]", "10,20", '"10,20"', '"[10, 20]"', [10, 20]):
        assert Hyperparameters.from_strings({"lr_scheduler_step": steps}).lr_scheduler_step == (10, 20)
    assert Hyperparameters.from_strings({"image_shape": [3, 224, 224]}).image_shape == (3, 224, 224)


def test_small_nets_start_from_random_weights() -> None:
    """There are no base weights of them, and to say nothing about it is no fault."""
    assert not Hyperparameters.from_strings({"num_layers": "20"}).use_pretrained_model
