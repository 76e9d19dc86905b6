"""artifact: what a model directory holds, at every moment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
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
