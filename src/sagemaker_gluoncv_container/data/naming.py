"""What names of classes and paths of pictures mean, however a system writes them.

macOS decomposes letters with accents where Linux and Windows do not, Windows separates folders by backslashes, and a
list that was made on another machine may hold that machine's whole paths.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

_ROOT = re.compile(r"(?:[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]+:/)?/+")


def class_name(text: str) -> str:
    """Return a class's name in one Unicode form, NFC: two forms look alike and mean the same class."""
    return unicodedata.normalize("NFC", text)


def is_absolute(path: str) -> bool:
    """Return whether a path begins at the root of a machine, a drive or a store: `/a`, `C:\\a`, `s3://b/a`."""
    return _ROOT.match(path.replace("\\", "/")) is not None


def spellings(path: str) -> Iterator[str]:
    """Yield a path as it is written, then in the other ways that it may be meant: slashes, encoding, Unicode form."""
    seen = {path: None}
    for text in (path, _decoded(path)):
        slashed = text.replace("\\", "/")
        seen |= dict.fromkeys((text, slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD"))))
    yield from seen


def _decoded(path: str) -> str:
    """Return a path whose bytes are not UTF-8 in Windows' western encoding, which is what they are then."""
    data = os.fsencode(path) if any("\udc80" <= each <= "\udcff" for each in path) else b""
    return data.decode("cp1252", "ignore") or path


class Files:
    """The files of a folder, found by the paths that a list names them by."""

    def __init__(self, folder: Path, files: Iterable[Path]) -> None:
        self._folder = folder
        self._there = {str(path) for path in files}
        # The part of whole paths, on the machine that wrote them, that this folder stands for.
        self._root: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self._there)

    # Not needed where all paths are written as they are, which may be millions.
    @cached_property
    def _alike(self) -> dict[str, set[str]]:
        alike: dict[str, set[str]] = {}
        for each in self._there:
            key = _key(os.path.relpath(each, self._folder))
            alike.setdefault(key, set()).add(each)
            alike.setdefault(key.casefold(), set()).add(each)
        return alike

    def find(self, path: str) -> Path | None:
        """Return the file that is meant; None if there is none, or more than one.

        A whole path of another machine is meant from this folder on, if one beginning fits all of them.
        """
        exact = self._folder / path
        if str(exact) in self._there:
            return exact
        found = (self._like(each) for each in spellings(path))
        return next(filter(None, found), None) or self._below_root(path)

    def _like(self, path: str) -> Path | None:
        for key in (_key(path), _key(path).casefold()):
            alike = self._alike.get(key, set())
            if alike:
                return Path(next(iter(alike))) if len(alike) == 1 else None
        return None

    def _below_root(self, path: str) -> Path | None:
        parts = PurePosixPath(_ROOT.sub("/", path.replace("\\", "/"), count=1)).parts
        named = parts and parts[0] == self._folder.name
        if not is_absolute(path) and not named:
            return None
        if self._root is not None:
            fits = parts[: len(self._root)] == tuple(self._root)
            return self._like("/".join(parts[len(self._root) :])) if fits else None
        for dropped in range(1, len(parts) if is_absolute(path) else 2):
            if found := self._like("/".join(parts[dropped:])):
                self._root = parts[:dropped]
                return found
        return None


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", str(PurePosixPath(path)))
