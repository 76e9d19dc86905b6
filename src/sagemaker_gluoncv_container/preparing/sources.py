"""Lists what a source holds: class folders, `.lst`, CSV, Ground Truth manifests, `.rec` files.

Formats: `.lst` is `index TAB label [TAB label ...] TAB path` (MXNet's im2rec); a CSV has columns path and label, with
or without a header; manifests are Ground Truth's (manifests.py).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from .. import formats, junk
from ..data import classes, lists, manifests, record_files
from ..data.labels import written
from ..data.naming import class_name
from ..errors import ClientError
from . import tables
from .references import References, is_s3
from .settings import KINDS, Settings

_PICTURE_SUFFIXES = {*formats.SUFFIXES, *formats.UNREAD_SUFFIXES}
_SUFFIX_KINDS = {
    ".lst": "lst",
    ".csv": "csv",
    ".tsv": "csv",
    ".manifest": "manifest",
    ".jsonl": "manifest",
    ".rec": "rec",
}


@dataclass(frozen=True)
class Item:
    """One picture of a source. `labels` is None if it has none; with a `reason` it is left out without inspection."""

    name: str
    reference: str
    labels: tuple[str, ...] | None
    reason: str | None = None
    detail: str = ""
    offset: int = -1
    size: int = -1
    side: str | None = None


@dataclass
class Listing:
    """What a source is.

    kind      one of settings.KINDS
    numbered  whether its labels are the numbers that go into the records
    names     what the numbers stand for; of class folders the folders, which may be empty
    multi     whether a picture can have several labels
    """

    kind: str
    numbered: bool = False
    multi: bool = False
    names: list[str] = field(default_factory=list)

    def title(self, label: str) -> str:
        """Return what to call a label: a number with its name, if it has one."""
        if self.numbered and int(label) < len(self.names):
            return f"{label} {self.names[int(label)]}"
        return label


def printable(name: str) -> str:
    """Return a name that can be printed and stored: bytes that are not UTF-8 are written as \\xff."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def kind_of(settings: Settings, references: References) -> str:
    """Return which of KINDS the source is. Raises ClientError if there is no such source."""
    place = references.local(settings.source)
    suffix = formats.suffix(PurePosixPath(place))
    if settings.kind:
        return settings.kind
    if suffix in _SUFFIX_KINDS:
        return _SUFFIX_KINDS[suffix]
    if is_s3(place):
        return "folders"
    path = Path(place)
    if not path.is_dir():
        do = f"Give a folder of class folders, or a file that ends in one of {', '.join(_SUFFIX_KINDS)}"
        raise ClientError(f"The source {settings.source} is neither a folder nor a list", do=do)
    if any(each.suffix == ".rec" for each in junk.files(path)):
        return "rec"
    kinds = {_SUFFIX_KINDS.get(formats.suffix(each)) for each in path.iterdir() if not junk.is_junk(each.name)}
    # A channel of Processing is a folder, even where it is one list.
    return str(kinds.pop()) if len(kinds) == 1 and None not in kinds else "folders"


def read(settings: Settings, references: References, listing: Listing) -> Iterator[Item]:
    """Yield every item; `listing.multi` and `.names` are complete when the last has come. Raises ClientError."""
    assert listing.kind in KINDS
    listing.numbered = listing.kind in ("lst", "rec")
    if listing.kind == "folders":
        yield from _folders(settings, references, listing)
    elif listing.kind == "rec":
        yield from _records(settings, listing)
    else:
        for file in _files(settings, references, listing.kind):
            data = _bytes(file, references)
            root = settings.root or file.rpartition("/")[0] or "."
            if listing.numbered:
                listing.names = listing.names or list(classes.read(Path(file).parent))
            if listing.kind == "lst":
                yield from _lst(data, file, root, references, listing)
            elif listing.kind == "csv":
                yield from _csv(_text(data, file), file, root, references)
            else:
                yield from _manifest(_text(data, file), file, settings, references, listing)


def _files(settings: Settings, references: References, kind: str) -> list[str]:
    """Return the list files of a source that is one, or a folder of them."""
    place = references.local(settings.source)
    if is_s3(place) or not Path(place).is_dir():
        return [place]
    suffixes = {suffix for suffix, of in _SUFFIX_KINDS.items() if of == kind}
    return [str(path) for path in junk.files(Path(place)) if formats.suffix(path) in suffixes]


def _bytes(file: str, references: References) -> bytes:
    try:
        return references.read(file)
    except OSError as error:
        raise ClientError(f"{file} cannot be read", error.strerror or str(error)) from error


def _text(data: bytes, file: str) -> str:
    text = lists.decode(data, file)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ClientError(f"{file} is not UTF-8", f"Character {error.start} is not", "Save it as UTF-8") from error
    return text


def _folders(settings: Settings, references: References, listing: Listing) -> Iterator[Item]:
    """A picture's class is the first folder of its path under the source; folders may be empty."""
    place = references.local(settings.source)
    if not is_s3(place):
        found = [each for each in Path(place).iterdir() if each.is_dir() and not junk.is_junk(each.name)]
        for folder in found:
            _check_readable(folder)
        listing.names = sorted({printable(class_name(each.name)) for each in found})
    for name, reference in references.walk(settings.source):
        path = PurePosixPath(name)
        if junk.is_junk(path) or (path.suffix and formats.suffix(path) not in _PICTURE_SUFFIXES):
            yield Item(name, reference, None, "other-file", "its name is not that of a picture")
        elif len(path.parts) == 1:
            yield Item(name, reference, None, "unlabelled", "it is not in a class folder")
        else:
            yield Item(name, reference, (class_name(path.parts[0]),))


def _check_readable(folder: Path) -> None:
    """Raise ClientError if a folder cannot be listed: walking would pass over it without a word."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        do = "Give this user the right to read it"
        raise ClientError(
            f"Folder {printable(str(folder))} cannot be read", error.strerror or str(error), do
        ) from error


def _lst(data: bytes, file: str, root: str, references: References, listing: Listing) -> Iterator[Item]:
    for line in lists.read(data, file):
        yield Item(line.path, references.find(root, line.path), numbers(line.labels, f"Line {line.number}", listing))


def numbers(values: tuple[float, ...], where: str, listing: Listing) -> tuple[str, ...]:
    """Return the classes of a record's labels: one class id, or a 0 or 1 a class. Raises ClientError."""
    if len(values) > 1:
        listing.multi = True
        if set(values) <= {0.0, 1.0}:
            return tuple(str(index) for index, value in enumerate(values) if value)
    elif values[0] >= 0 and values[0] == int(values[0]):
        return (str(int(values[0])),)
    why = "Labels are one whole number from 0, or a 0 or 1 for each class"
    raise ClientError(f"{where} is labelled {written(values)}", why)


def _csv(text: str, file: str, root: str, references: References) -> Iterator[Item]:
    for row in tables.read(text, file, lambda path: references.exists(root, path)):
        reference = references.find(root, row.path)
        if row.label:
            yield Item(row.path, reference, (class_name(row.label),))
        else:
            yield Item(row.path, reference, None, "unlabelled", "its label is empty")


def _manifest(text: str, file: str, settings: Settings, references: References, listing: Listing) -> Iterator[Item]:
    attribute = settings.label_attribute
    root = settings.root or file.rpartition("/")[0] or "."
    for number, line in lists.lines(text):
        entry = manifests.parse(line, f"{file} line {number}")
        attribute = attribute or manifests.label_attribute(entry)
        label = manifests.label(entry, attribute, f"{file} line {number}")
        listing.multi = listing.multi or label.multi
        reason, detail = label.refusal(settings.least_confidence, settings.only_human)
        named = label.classes and tuple(map(class_name, label.classes))
        yield Item(entry["source-ref"], references.find(root, entry["source-ref"]), named, reason, detail)


def _records(settings: Settings, listing: Listing) -> Iterator[Item]:
    source = Path(settings.source)
    folder = source if source.is_dir() else source.parent
    listing.names = list(classes.read(folder) or classes.read(folder / "train"))
    files = [each for each in junk.files(source) if each.suffix == ".rec"] if source.is_dir() else [source]
    for path in files:
        name = path.relative_to(folder).as_posix()
        for record in record_files.scan(path):
            labels = numbers(record.labels, record.name, listing)
            side = name.split("/")[0] if "/" in name else ""
            yield Item(f"{name}#{record.number}", str(path), labels, None, "", record.offset, record.size, side)
