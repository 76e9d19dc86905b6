"""Finds the model in a folder: at its root, in a folder inside, or in an archive.

Serving and the `model` channel of a training job look here, so that both take the same model. A model at the root comes
before a `model.tar.gz` there, that before anything below, and other archives come last. The scripts in `code` and the
junk that systems leave are ignored.
"""

import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from . import artifact, junk
from .artifact import Artifact
from .errors import ClientError, some

_PACKED = "model.tar.gz"
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
# Where SageMaker's frameworks keep the scripts that belong to a model.
_CODE = "code"
_SYMBOL = re.compile(r"(.+)-symbol\.json")
_WEIGHTS = re.compile(r"(.+)-\d{4,}\.params")
_OTHERS = {
    **dict.fromkeys((".pt", ".pth", ".safetensors"), "PyTorch"),
    **dict.fromkeys((".pb", ".h5", ".keras"), "TensorFlow"),
    ".onnx": "ONNX",
}
# An archive may have been packed once more, but hardly more often.
_MOST_ARCHIVES = 3
# More files are not looked at: a client of a multi-model endpoint may name any folder, "/" too.
_MOST_FILES = 10_000


@dataclass(frozen=True)
class _Candidate:
    """A folder that holds a model, or an archive that may."""

    path: Path
    depth: int

    @property
    def is_packed(self) -> bool:
        return self.path.name.lower().endswith(_ARCHIVES) and self.path.is_file()

    @property
    def rank(self) -> tuple[bool, int, bool]:
        """What comes first of several."""
        return self.is_packed and self.path.name.lower() != _PACKED, self.depth, self.is_packed


def load(folder: Path, override: Mapping[str, Any] | None = None) -> Artifact:
    """Return the model that a folder is served with: at its root, or in a lone folder inside.

    `override` replaces fields of the preprocessing. Raises ClientError that says what is there instead.
    """
    found = _first(folder)
    if found is None:
        raise _nothing(folder, folder)
    if found.is_packed:
        why = f"The file {found.path} is still packed"
        raise ClientError(f"{folder} holds no model", why, "Unpack it, and pack its files again without it")
    if not _is_lone(folder, found.path):
        do = "Move its files to the root of the archive"
        raise ClientError(f"{folder} holds no model", f"The model is deeper, in {found.path}", do)
    return artifact.load(found.path, override)


@contextmanager
def opened(folder: Path) -> Iterator[Artifact]:
    """Give the model in a folder or anywhere below it, unpacked if need be.

    Raises ClientError if there is none, if it is damaged or if there are several that come first. Messages name the
    files as the user knows them.
    """
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-model-") as temporary:
        # By temporary folder, the archive that is unpacked there.
        unpacked: dict[Path, Path] = {}
        try:
            yield artifact.load(_unpacked(folder, Path(temporary), unpacked))
        except ClientError as error:
            if not unpacked:
                raise
            raise ClientError(*(_as_known(part, unpacked) for part in (error.what, error.why, error.do))) from error


def _unpacked(folder: Path, temporary: Path, unpacked: dict[Path, Path]) -> Path:
    """Return the folder of the model in a folder; archives are unpacked, and noted in `unpacked`."""
    current = folder
    while (found := _first(current)) and found.is_packed and len(unpacked) < _MOST_ARCHIVES:
        current = temporary / str(len(unpacked))
        unpacked[current] = found.path
        try:
            with tarfile.open(found.path) as archive:
                _unpack(archive, current)
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise ClientError(f"{found.path} cannot be unpacked", str(error), "Give a model made by a job") from error
    if found is None or found.is_packed:
        raise _nothing(folder, current)
    return found.path


def _as_known(text: str, unpacked: Mapping[Path, Path]) -> str:
    for folder, archive in reversed(list(unpacked.items())):
        text = text.replace(str(folder), str(archive))
    return text


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Write an archive's files under a folder. Raises TarError for a path outside, a link or a device.

    The archive may come from anywhere, and the `filter` that would see to it is newer than Debian 12's Python 3.11.2.
    """
    folder.mkdir()
    for member in archive:
        target = (folder / member.name).resolve()
        if not target.is_relative_to(folder.resolve()) or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"It holds {member.name!r}, which is not a file within it")
        if source := archive.extractfile(member):
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
    # Only at its very end does gzip tell whether what came was right.
    while archive.fileobj and archive.fileobj.read(1 << 20):
        pass


def _first(folder: Path) -> _Candidate | None:
    """Return what comes first of the models in a folder. Raises ClientError if that is not clear."""
    if artifact.holds_model(folder):
        return _Candidate(folder, 0)
    found = sorted(_candidates(folder), key=lambda each: (each.rank, each.path))
    equals = [each.path.name if each.depth == 0 else str(each.path) for each in found if each.rank == found[0].rank]
    if len(equals) > 1:
        do = "Leave one, and remove the others"
        raise ClientError(f"{folder} holds {len(equals)} models", f"They are {some(equals)}", do)
    return found[0] if found else None


def _candidates(folder: Path) -> Iterator[_Candidate]:
    folders: set[Path] = set()
    for path in _files(folder):
        parts = path.relative_to(folder).parts
        if _CODE in parts[:-1]:
            continue
        if _SYMBOL.fullmatch(path.name) and path.parent not in folders and artifact.holds_model(path.parent):
            folders.add(path.parent)
            yield _Candidate(path.parent, len(parts) - 1)
        elif path.name.lower() == _PACKED or (path.name.lower().endswith(_ARCHIVES) and _packs_model(path)):
            yield _Candidate(path, len(parts) - 1)


def _files(folder: Path) -> Iterator[Path]:
    return islice(junk.files(folder), _MOST_FILES)


def _packs_model(path: Path) -> bool:
    try:
        with tarfile.open(path) as archive:
            return any(
                _SYMBOL.fullmatch(Path(member.name).name) and not junk.is_junk(member.name) for member in archive
            )
    except (tarfile.TarError, OSError, EOFError, zlib.error):
        return False


def _is_lone(folder: Path, inner: Path) -> bool:
    """Return whether a folder holds nothing but an inner folder, code and junk aside."""
    here = folder
    for part in inner.relative_to(folder).parts:
        if {each.name for each in here.iterdir() if not junk.is_junk(each.name)} - {_CODE} != {part}:
            return False
        here = here / part
    return True


def _nothing(folder: Path, looked: Path) -> ClientError:
    """Return the error of a folder without a model. It says what the files are in the folder that was `looked` into."""
    paths = [path.relative_to(looked) for path in _files(looked)] if looked.is_dir() else []
    hint, do = _hint([path for path in paths if _CODE not in path.parts[:-1]])
    found = some([str(path) for path in paths])
    why = f"{hint}Found: {found}. Expected: {artifact.EXPECTED}"
    return ClientError(f"{folder} holds no model", why, do)


def _hint(paths: list[Path]) -> tuple[str, str]:
    """Return what the files are, if that is known, and what to do about it."""
    symbols = {path.parent / match[1] for path in paths if (match := _SYMBOL.fullmatch(path.name))}
    weights = {path.parent / match[1]: path for path in paths if (match := _WEIGHTS.fullmatch(path.name))}
    known = {path for path in symbols | weights.keys() if path.name in artifact.PREFIXES}
    if foreign := sorted((symbols & weights.keys()) - known):
        name = foreign[0]
        return (
            f"{name}-symbol.json and {weights[name]} are a net that MXNet has exported under another name. ",
            f"Rename them to model-symbol.json and model-0000.params, and add model-shapes.json with the size of its "
            f"pictures, like {artifact.SHAPES_EXAMPLE}",
        )
    if alone := sorted(symbols - weights.keys()):
        return f"{alone[0]}-symbol.json is a net without weights. ", f"Add {alone[0]}-0000.params"
    if alone := sorted(path for path in paths if path.suffix == ".params" and path not in weights.values()):
        return f"{alone[0]} holds a net's weights without the net. ", "Save both with Gluon's export"
    if alone := sorted(weights.keys() - symbols):
        return f"{weights[alone[0]]} holds a net's weights without the net. ", f"Add {alone[0]}-symbol.json"
    if other := next((path for path in sorted(paths) if path.suffix.lower() in _OTHERS), None):
        return f"{other} looks like a model of {_OTHERS[other.suffix.lower()]}. ", "Give a model made by a training job"
    return "", "Give a model made by a training job"
