"""artifact: what a model directory holds, at every moment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description, Quantization
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.images import Preprocessing

SYMBOL = '{"nodes": []}'
FILES = ["image-classification-symbol.json", "model-shapes.json", "sagemaker-gluoncv.json"]


def describe(epoch: int) -> Description:
    """Return a description in which every field differs from its default."""
    return Description(epoch, 2, Preprocessing(64, 48, 72), ("cat", "dög"), {"validation:accuracy": 1 / 3})


def save(directory: Path, epoch: int) -> None:
    """Save an artifact whose weights say which epoch they are of."""
    artifact.save(directory, SYMBOL, lambda path: path.write_text(f"weights of {epoch}"), describe(epoch))


def names(directory: Path) -> list[str]:
    """Return the names of a directory's files, hidden ones too."""
    return sorted(path.name for path in directory.iterdir())


def test_round_trip(tmp_path: Path) -> None:
    """What was saved is loaded, to the last bit of its figures, into a directory that need not exist."""
    directory = tmp_path / "a" / "model"
    save(directory, 7)
    loaded = artifact.load(directory)
    assert loaded.description == describe(7)
    assert loaded.symbol.read_text() == SYMBOL
    assert loaded.params.read_text() == "weights of 7"


def test_defaults_round_trip(tmp_path: Path) -> None:
    """Unknown classes and missing figures stay unknown and missing."""
    description = Description(0, 5, Preprocessing(32, 32, 37))
    artifact.save(tmp_path, SYMBOL, lambda path: path.touch(), description)
    assert artifact.load(tmp_path).description == description


def test_files_are_the_built_ins(tmp_path: Path) -> None:
    """Names and the shapes file are those that users of the built-in algorithm know."""
    save(tmp_path, 12)
    assert names(tmp_path) == sorted([*FILES, "image-classification-0012.params"])
    assert json.loads((tmp_path / "model-shapes.json").read_text()) == [{"name": "data", "shape": [1, 3, 64, 48]}]


def test_a_better_epoch_takes_the_place(tmp_path: Path) -> None:
    """Only the last epoch that was saved is kept, and files of others are left alone."""
    (tmp_path / "notes.txt").touch()
    for epoch in (0, 3, 10_000):
        save(tmp_path, epoch)
    assert names(tmp_path) == sorted([*FILES, "image-classification-10000.params", "notes.txt"])
    assert artifact.load(tmp_path).params.read_text() == "weights of 10000"


def test_weights_that_cannot_be_written(tmp_path: Path) -> None:
    """An error in the middle of the weights leaves the earlier model as it was."""
    save(tmp_path, 1)

    def write(path: Path) -> None:
        path.write_text("half of the wei")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        artifact.save(tmp_path, SYMBOL, write, describe(2))
    loaded = artifact.load(tmp_path)
    assert (loaded.description.epoch, loaded.params.read_text()) == (1, "weights of 1")


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int, after: bool) -> Callable[[], int]:
    """Let the step-th change of the directory be the last, done or not; return a function that counts them."""
    count = 0

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any) -> Any:
            nonlocal count
            count += 1
            if count == step and not after:
                raise Killed
            result = change(*arguments)
            if count == step and after:
                raise Killed
            return result

        return changed

    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    return lambda: count


def test_changes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second save changes the directory in the five places where the next test kills it."""
    save(tmp_path, 1)
    count = kill_at(monkeypatch, 0, after=False)
    save(tmp_path, 2)
    assert count() == 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("epochs", [(1, 2), (9999, 10_000), (5, 0)], ids=str)
def test_killed_between_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: tuple[int, int], step: int, after: bool
) -> None:
    """Wherever a job is killed, a model can be loaded, whose description and weights are of one epoch."""
    first, second = epochs
    save(tmp_path, first)
    with monkeypatch.context() as patched:
        kill_at(patched, step, after)
        with pytest.raises(Killed):
            save(tmp_path, second)
    loaded = artifact.load(tmp_path)
    assert loaded.description.epoch in epochs
    assert loaded.params.read_text() == f"weights of {loaded.description.epoch}"
    save(tmp_path, 20_000)
    assert names(tmp_path)[-4:] == sorted([*FILES, "image-classification-20000.params"])


@pytest.mark.parametrize("step", range(1, 5))
def test_killed_in_the_first_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """A directory that was never finished is no model, and says what it lacks."""
    with monkeypatch.context() as patched:
        kill_at(patched, step, after=False)
        with pytest.raises(Killed):
            save(tmp_path, 0)
    with pytest.raises(ClientError, match="holds no model"):
        artifact.load(tmp_path)


FOREIGN = {
    "nothing": [],
    "PyTorch's": ["model.pth", "code"],
    "TensorFlow's": ["saved_model.pb"],
    "without weights": ["image-classification-symbol.json", "sagemaker-gluoncv.json"],
    "without a symbol": ["image-classification-0010.params", "sagemaker-gluoncv.json"],
    "not extracted": ["model.tar.gz"],
}


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_directory(tmp_path: Path, files: list[str]) -> None:
    """The error lists what was found and what was expected."""
    save(tmp_path / "good", 10)
    directory = tmp_path / "model"
    directory.mkdir()
    for name in files:
        good = tmp_path / "good" / name
        (directory / name).write_text(good.read_text() if good.exists() else "")
    with pytest.raises(ClientError) as caught:
        artifact.load(directory)
    assert caught.value.what == f"{directory} holds no model"
    assert f"Found: {', '.join(sorted(files)) or 'nothing'}." in caught.value.why
    for name in ("image-classification-", ".params", "image-classification-symbol.json", "sagemaker-gluoncv.json"):
        assert name in caught.value.why.split("Expected: ")[1]


def test_directory_that_is_missing(tmp_path: Path) -> None:
    """No directory is as good as an empty one."""
    with pytest.raises(ClientError, match="Found: nothing"):
        artifact.load(tmp_path / "model")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_format_version(tmp_path: Path, version: Any) -> None:
    """A model of another format says which, and which can be read."""
    save(tmp_path, 1)
    path = tmp_path / "sagemaker-gluoncv.json"
    path.write_text(json.dumps({"format_version": version, "something": "new"}))
    with pytest.raises(ClientError, match=rf"Its format_version is {version}, and this image reads 1\."):
        artifact.load(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "3",
        lambda text: text.replace('"epoch"', '"epoche"'),
        lambda text: text.replace('"classes"', '"class"'),
        lambda text: text.replace('"preprocessing"', '"processing"'),
        lambda text: text.replace('"resize"', '"size"'),
    ],
    ids=[
        "empty",
        "cut",
        "a list",
        "a number",
        "an unknown field",
        "no classes",
        "no preprocessing",
        "a wrong preprocessing",
    ],
)
def test_damaged_description(tmp_path: Path, damage: Callable[[str], str]) -> None:
    """A description that cannot be read is named."""
    save(tmp_path, 1)
    path = tmp_path / "sagemaker-gluoncv.json"
    path.write_text(damage(path.read_text()))
    with pytest.raises(ClientError, match=r"sagemaker-gluoncv\.json is damaged"):
        artifact.load(tmp_path)


def change(path: Path, **changes: Any) -> None:
    """Replace fields of a JSON file; those of an inner object are written as `outer__inner`."""
    content = json.loads(path.read_text())
    for name, value in changes.items():
        *outer, inner = name.split("__")
        target = content
        for each in outer:
            target = target[each]
        target[inner] = value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epoch": -1}, "epoch"),
        ({"epoch": "7"}, "epoch"),
        ({"epoch": 1.5}, "epoch"),
        ({"epoch": True}, "epoch"),
        ({"num_classes": 0}, "num_classes"),
        ({"num_classes": 10**30}, "num_classes"),
        ({"num_classes": [2]}, "num_classes"),
        ({"preprocessing": []}, "preprocessing"),
        ({"preprocessing__height": "x"}, "preprocessing.height"),
        ({"preprocessing__height": -64}, "preprocessing.height"),
        ({"preprocessing__width": 0}, "preprocessing.width"),
        ({"preprocessing__width": 10**9}, "preprocessing.width"),
        ({"preprocessing__resize": 1e300}, "preprocessing.resize"),
        ({"preprocessing__mean": [0, 0]}, "preprocessing.mean"),
        ({"preprocessing__mean": [0, 0, None]}, "preprocessing.mean[2]"),
        ({"preprocessing__deviation": [1, 0, 1]}, "preprocessing.deviation[1]"),
        ({"preprocessing__extra": 1}, "preprocessing.extra"),
        ({"classes": "cat"}, "classes"),
        ({"classes": ["cat", 2]}, "classes[1]"),
        ({"classes": ["cat"]}, "classes"),
        ({"metrics": [1]}, "metrics"),
        ({"metrics": {"validation:accuracy": "high"}}, "metrics['validation:accuracy']"),
        ({"note": "mine"}, "note"),
    ],
    ids=str,
)
def test_wrong_field_of_the_description(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    """A field of the wrong type or size is found when the model is loaded, and named with its file."""
    save(tmp_path, 1)
    path = tmp_path / "sagemaker-gluoncv.json"
    change(path, **changes)
    with pytest.raises(ClientError) as caught:
        artifact.load(tmp_path)
    assert caught.value.what == f"{path} is damaged"
    assert f"field {field} " in caught.value.why or f"field {field}," in caught.value.why


def quantized(directory: Path, params: str = "image-classification-0001.params") -> Path:
    """Write a model and how it is computed in int8; return the latter's path."""
    save(directory, 1)
    artifact.save_quantization(directory, Quantization(params, {"conv0": (-1.5, 2.0)}, 100, 0.9, 0.89, 0.99))
    return directory / "image-classification-int8.json"


@pytest.mark.parametrize(
    ("labels", "text"),
    [(None, "97.22% of 12 validation pictures"), (36, "97.22% of 36 labels on 12 validation pictures")],
)
def test_what_is_said_of_int8(tmp_path: Path, labels: int | None, text: str) -> None:
    """Pictures are not counted as labels; where each has several, both numbers are given, after loading too."""
    save(tmp_path, 1)
    made = Quantization("image-classification-0001.params", {}, 12, 0.9, 0.89, 35 / 36, labels=labels)
    artifact.save_quantization(tmp_path, made)
    assert str(artifact.load(tmp_path).quantization).endswith(f"the same answer for {text}")


def test_quantization_round_trip(tmp_path: Path) -> None:
    """What was saved of int8 is loaded with the model; that of other weights or another version counts for nothing."""
    path = quantized(tmp_path)
    assert artifact.load(tmp_path).quantization == Quantization(
        "image-classification-0001.params", {"conv0": (-1.5, 2.0)}, 100, 0.9, 0.89, 0.99
    )
    quantized(tmp_path, "image-classification-0002.params")
    assert artifact.load(tmp_path).quantization is None
    path.write_text(json.dumps({"format_version": 1, "anything": [1]}))
    assert artifact.load(tmp_path).quantization is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ranges": []}, "ranges"),
        ({"ranges__conv0": [1]}, "ranges['conv0']"),
        ({"ranges__conv0": [1, "x"]}, "ranges['conv0'][1]"),
        ({"ranges__conv0": [0, 10**400]}, "ranges['conv0'][1]"),
        ({"pictures": -1}, "pictures"),
        ({"agreement": 1.5}, "agreement"),
        ({"accuracy_int8": None}, "accuracy_int8"),
        ({"params": 3}, "params"),
        ({"refused": True}, "refused"),
    ],
    ids=str,
)
def test_wrong_field_of_the_quantization(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    """A damaged file of int8 is named, with its field and what to do."""
    path = quantized(tmp_path)
    change(path, **changes)
    with pytest.raises(ClientError) as caught:
        artifact.load(tmp_path)
    assert caught.value.what == f"{path} is damaged"
    assert f"field {field} is" in caught.value.why
    assert "sagemaker-gluoncv quantize" in caught.value.do


def foreign(directory: Path, shapes: Any) -> Path:
    """Write a model of AWS's MXNet images; return the path of its shapes."""
    (directory / "model-symbol.json").write_text("{}")
    (directory / "model-0000.params").touch()
    path = directory / "model-shapes.json"
    path.write_text(shapes if isinstance(shapes, str) else json.dumps(shapes))
    return path


@pytest.mark.parametrize(
    "shapes",
    [
        [{"name": "data", "shape": [1, 3, 64, 48]}],
        [{"data_name": "data", "data_shape": [8, 3, 64, 48], "dtype": "float32"}],
        [{"name": "data", "shape": [0, 3.0, 64.0, 48.0]}],
        [{"name": "softmax_label", "shape": [1]}, {"name": "data", "shape": [1, 3, 64, 48]}],
        [{"name": "input", "shape": [1, 3, 64, 48]}, {"name": "label", "shape": [1]}],
    ],
    ids=str,
)
def test_foreign_shapes(tmp_path: Path, shapes: Any) -> None:
    """The shapes file of others is read in both of its forms."""
    foreign(tmp_path, shapes)
    assert artifact.load(tmp_path).description.preprocessing == Preprocessing(64, 48, None)


@pytest.mark.parametrize(
    "shapes",
    [
        "[" * 100_000,
        "{",
        {},
        [],
        [{}],
        ["data"],
        [{"shape": "1,3,64,48"}],
        [{"shape": [3, 64, 48]}],
        [{"shape": [1, 3, -64, 48]}],
        [{"shape": [1, 3, 64, 0]}],
        [{"shape": [1, 3, 64, 10**9]}],
        [{"shape": [1, 64, 48, 3]}],
        [{"shape": [1, 3, 64, None]}],
    ],
    ids=lambda shapes: str(shapes)[:30],
)
def test_wrong_shapes(tmp_path: Path, shapes: Any) -> None:
    """A shapes file without the size of RGB pictures is named, with an example of a right one."""
    path = foreign(tmp_path, shapes)
    with pytest.raises(ClientError) as caught:
        artifact.load(tmp_path)
    assert str(path) in str(caught.value)
    assert '"shape": [1, 3, 224, 224]' in caught.value.do


def test_missing_shapes(tmp_path: Path) -> None:
    """Without the file, the message says which it would be."""
    path = foreign(tmp_path, [])
    path.unlink()
    with pytest.raises(ClientError, match=rf"There is no {path}\."):
        artifact.load(tmp_path)


@pytest.mark.parametrize("override", [{"resize": "x"}, {"height": -1}, {"hight": 3}, {"mean": [1]}], ids=str)
def test_wrong_override(tmp_path: Path, override: dict[str, Any]) -> None:
    """What replaces fields of the preprocessing is checked as they are."""
    save(tmp_path, 1)
    with pytest.raises(ClientError, match=f"(?s)The preprocessing .* is wrong.*{next(iter(override))}"):
        artifact.load(tmp_path, override)


def test_holds_model(tmp_path: Path) -> None:
    """A net with weights is a model, whatever is in the files."""
    assert not artifact.holds_model(tmp_path)
    (tmp_path / "model-symbol.json").touch()
    assert not artifact.holds_model(tmp_path)
    (tmp_path / "model-0000.params").touch()
    assert artifact.holds_model(tmp_path)
