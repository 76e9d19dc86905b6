"""model_folder: which model is found, for serving and for the `model` channel, and what the errors say."""

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import artifact, model_folder
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.images import Preprocessing

Put = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder, as an endpoint or a channel has it."""
    path = tmp_path / "given"
    path.mkdir()
    return path


def save(directory: Path, epoch: int = 1) -> Path:
    """Write a model whose epoch says which it is."""
    description = Description(epoch, 2, Preprocessing(64, 48, 72))
    artifact.save(directory, '{"nodes": []}', lambda path: path.write_text("weights"), description)
    return directory


def pack(path: Path, folder: Path, root: str = "") -> None:
    """Write an archive of a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for each in folder.iterdir():
            archive.add(each, f"{root}{each.name}")


def packed(path: Path, epoch: int = 1, root: str = "") -> None:
    """Write an archive of a model."""
    made = save(path.parent.parent / "made" / f"{epoch}", epoch)
    pack(path, made, root)
    shutil.rmtree(made.parent)


def opened(folder: Path) -> int:
    """Return the epoch of the model that is found in a folder, wherever it lies."""
    with model_folder.opened(folder) as found:
        assert found.params.read_text() == "weights"
        return found.description.epoch


JUNK = (
    "._model.tar.gz",
    "__MACOSX/model-symbol.json",
    ".ipynb_checkpoints/x-symbol.json",
    "@eaDir/a.tar.gz",
    ".DS_Store",
)


@pytest.mark.parametrize("name", JUNK)
@pytest.mark.parametrize("where", ["", "inner/"])
def test_junk_is_no_model(folder: Path, name: str, where: str) -> None:
    """What systems leave is neither a model nor in the way of one, for serving and for training."""
    save(folder / where, 3)
    for path in (folder / name, folder / where / name):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk")
    assert opened(folder) == 3
    assert model_folder.load(folder).description.epoch == 3


def test_at_the_root(folder: Path) -> None:
    """A model at the root comes before everything else, packed or below."""
    save(folder, 1)
    save(folder / "checkpoints", 2)
    packed(folder / "model.tar.gz", 3)
    packed(folder / "backup.tar.gz", 4)
    assert opened(folder) == 1
    assert model_folder.load(folder).description.epoch == 1


def test_packed_model_before_what_lies_below(folder: Path) -> None:
    """model.tar.gz at the root comes before models in folders, and before other archives."""
    packed(folder / "model.tar.gz", 3)
    packed(folder / "a.tar.gz", 4)
    save(folder / "a", 2)
    assert opened(folder) == 3


def test_other_archives_come_last(folder: Path) -> None:
    """A model in a folder comes before an archive of another name; and such an archive is taken if it is all."""
    packed(folder / "a.tar.gz", 4)
    assert opened(folder) == 4
    save(folder / "a" / "b", 2)
    assert opened(folder) == 2


@pytest.mark.parametrize("name", ["code/sourcedir.tar.gz", "sourcedir.tar.gz", "deep/er/sourcedir.tar.gz"])
def test_archive_of_something_else(folder: Path, name: str) -> None:
    """An archive without a model is ignored, wherever it is."""
    save(folder / "model", 5)
    scripts = folder.parent / "scripts"
    scripts.mkdir()
    (scripts / "inference.py").touch()
    pack(folder / name, scripts)
    assert opened(folder) == 5


@pytest.mark.parametrize("name", ["code/old-symbol.json", "code/model-symbol.json"])
def test_code_is_no_model(folder: Path, name: str) -> None:
    """What lies among the user's scripts does not count."""
    save(folder / "code", 9)
    (folder / name).touch()
    save(folder / "m", 5)
    assert opened(folder) == 5
    assert model_folder.load(folder).description.epoch == 5


@pytest.mark.parametrize("root", ["", "./", "model/", "job-1/output/"])
def test_folders_in_an_archive(folder: Path, root: str) -> None:
    """A model may be in a folder of the archive."""
    packed(folder / "model.tar.gz", 6, root)
    assert opened(folder) == 6


def test_archive_in_an_archive(folder: Path) -> None:
    """An archive that was packed once more is unpacked twice."""
    packed(folder / "x" / "model.tar.gz", 7)
    pack(folder.parent / "outer.tar.gz", folder / "x")
    shutil.rmtree(folder / "x")
    (folder.parent / "outer.tar.gz").rename(folder / "model.tar.gz")
    assert opened(folder) == 7


def test_nothing_is_left_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was unpacked is gone afterwards, and the folder is as it was."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    packed(folder / "model.tar.gz")
    with model_folder.opened(folder) as found:
        assert found.directory.is_relative_to(temporary)
    assert not list(temporary.iterdir())
    assert [path.name for path in folder.iterdir()] == ["model.tar.gz"]


@pytest.mark.parametrize("kind", ["folders", "archives", "deeper folders"])
def test_several_models(folder: Path, kind: str) -> None:
    """Of several that are equally likely none is taken, and all are named."""
    if kind == "archives":
        packed(folder / "one.tar.gz")
        packed(folder / "two.tgz")
    else:
        below = "x/" if kind == "deeper folders" else ""
        save(folder / f"{below}one")
        save(folder / f"{below}two")
    with (
        pytest.raises(ClientError, match=r"holds 2 models. They are .*one.*two") as caught,
        model_folder.opened(folder),
    ):
        pass
    assert caught.value.what == f"{folder} holds 2 models"
    with pytest.raises(ClientError):
        model_folder.load(folder)


@pytest.mark.parametrize("inner", ["model", "a/b/c"])
def test_serving_enters_lone_folders(folder: Path, inner: str) -> None:
    """An archive that was made of the folder instead of its files is served, with scripts and junk beside it or not."""
    save(folder / inner, 8)
    assert model_folder.load(folder).description.epoch == 8
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").touch()
    (folder / ".DS_Store").touch()
    assert model_folder.load(folder).description.epoch == 8


@pytest.mark.parametrize("beside", ["notes.txt", "other/notes.txt"])
def test_serving_enters_no_other_folders(folder: Path, beside: str) -> None:
    """Where something else lies beside the folder the message says where the model is."""
    save(folder / "model")
    (folder / beside).parent.mkdir(exist_ok=True)
    (folder / beside).touch()
    with pytest.raises(ClientError) as caught:
        model_folder.load(folder)
    assert caught.value.what == f"{folder} holds no model"
    assert caught.value.why == f"The model is deeper, in {folder / 'model'}"


def test_serving_unpacks_nothing(folder: Path) -> None:
    """A model that is still packed is named, with what to do."""
    packed(folder / "model.tar.gz")
    with pytest.raises(ClientError) as caught:
        model_folder.load(folder)
    assert caught.value.why == f"The file {folder / 'model.tar.gz'} is still packed"
    assert "Unpack it" in caught.value.do


@pytest.mark.parametrize(
    ("files", "hint"),
    [
        (
            ["net-symbol.json", "net-0000.params"],
            "net-symbol.json and net-0000.params are a net that MXNet has exported",
        ),
        (
            ["x/a-symbol.json", "x/a-0012.params"],
            "x/a-symbol.json and x/a-0012.params are a net that MXNet has exported",
        ),
        (["resnet18.params"], "resnet18.params holds a net's weights without the net"),
        (["model-0000.params"], "model-0000.params holds a net's weights without the net"),
        (["image-classification-symbol.json"], "image-classification-symbol.json is a net without weights"),
        (["net-symbol.json"], "net-symbol.json is a net without weights"),
        (["model.pth"], "model.pth looks like a model of PyTorch"),
        (["1/saved_model.pb"], "1/saved_model.pb looks like a model of TensorFlow"),
        (["net.onnx"], "net.onnx looks like a model of ONNX"),
        (["readme.txt"], "Found: readme.txt. Expected: image-classification-symbol.json with "),
        ([], "Found: nothing. Expected: "),
    ],
    ids=str,
)
def test_what_else_lies_there(folder: Path, files: list[str], hint: str) -> None:
    """Other exports are named for what they are; the message lists what was found and what was expected."""
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    for find in (lambda: model_folder.load(folder), lambda: model_folder.opened(folder).__enter__()):
        with pytest.raises(ClientError) as caught:
            find()
        assert caught.value.what == f"{folder} holds no model"
        assert hint in caught.value.why
        assert f"Found: {', '.join(sorted(files)) or 'nothing'}." in caught.value.why


def test_folder_that_is_missing(folder: Path) -> None:
    """No folder is as good as an empty one."""
    with pytest.raises(ClientError, match="Found: nothing"):
        model_folder.load(folder / "model")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00cut"])
def test_damaged_archive(folder: Path, content: bytes) -> None:
    """An archive that cannot be unpacked is named."""
    (folder / "model.tar.gz").write_bytes(content)
    with pytest.raises(ClientError) as caught, model_folder.opened(folder):
        pass
    assert caught.value.what == f"{folder / 'model.tar.gz'} cannot be unpacked"


def test_cut_archive(folder: Path) -> None:
    """Random weights do not shrink, so a part of the archive is a part of the weights."""
    made = save(folder.parent / "made")
    (made / "image-classification-0001.params").write_bytes(os.urandom(100_000))
    pack(folder / "model.tar.gz", made)
    whole = (folder / "model.tar.gz").read_bytes()
    (folder / "model.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClientError, match="cannot be unpacked"), model_folder.opened(folder):
        pass
    broken = bytearray(whole)
    broken[len(whole) // 2 : len(whole) // 2 + 100] = bytes(100)
    (folder / "model.tar.gz").write_bytes(broken)
    with pytest.raises(ClientError, match="cannot be unpacked"), model_folder.opened(folder):
        pass


@pytest.mark.parametrize("kind", ["above", "absolute", "link", "device"])
def test_evil_archive(folder: Path, kind: str) -> None:
    """An archive cannot write outside of its folder, nor link there."""
    entry = tarfile.TarInfo({"above": "../outside", "absolute": str(folder.parent / "outside")}.get(kind, "inside"))
    if kind in ("link", "device"):
        entry.type, entry.linkname = (tarfile.SYMTYPE, "/etc") if kind == "link" else (tarfile.CHRTYPE, "")
    entry.size = 4 if entry.isfile() else 0
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(ClientError, match="is not a file within it"), model_folder.opened(folder):
        pass
    assert not (folder.parent / "outside").exists()


def test_messages_name_the_users_files(folder: Path) -> None:
    """What is wrong within an archive is told with the archive's name, not with that of a temporary folder."""
    made = save(folder.parent / "made" / "m")
    (made / "sagemaker-gluoncv.json").write_text("{")
    pack(folder / "model.tar.gz", made, "m/")
    with pytest.raises(ClientError) as caught, model_folder.opened(folder):
        pass
    assert caught.value.what == f"{folder / 'model.tar.gz'}/m/sagemaker-gluoncv.json is damaged"
    packed(folder / "model.tar.gz")
    with pytest.raises(ClientError) as caught, model_folder.opened(folder) as found:
        raise ClientError(f"{found.params} is odd", "Why", "Do")
    assert caught.value.what == f"{folder / 'model.tar.gz'}/image-classification-0001.params is odd"


def test_overridden_preprocessing(folder: Path) -> None:
    """Serving can replace fields of the preprocessing."""
    save(folder / "model")
    assert model_folder.load(folder, {"resize": 100}).description.preprocessing.resize == 100


def test_a_folder_of_something_else_is_not_searched_to_its_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many files the search ends, as if there were no more: any folder may be named, "/" too."""
    for number in range(20):
        (folder / f"{number:02}.txt").touch()
    save(folder / "deep" / "model")
    with pytest.raises(ClientError, match="The model is deeper"):
        model_folder.load(folder)
    monkeypatch.setattr(model_folder, "_MOST_FILES", 10)
    with pytest.raises(ClientError, match="Found: 00.txt.*and 5 more"):
        model_folder.load(folder)
