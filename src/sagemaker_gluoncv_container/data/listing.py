"""Finds the pictures of a channel that lies in a folder: .rec files, files with a list, or a folder a class.

Labels are as they are written there; `labels` says what they mean.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from .. import formats, junk
from ..errors import ClientError, some
from . import lists, manifests, naming, record_files
from .channel_config import FAST_FILE, ChannelConfig
from .samples import FileSample, RecordSample

logger = logging.getLogger(__name__)


def files(folder: Path) -> list[Path]:
    """Return the files below a folder that are not junk, sorted."""
    return sorted(junk.files(folder))


def _name(config: ChannelConfig, path: Path | str) -> str:
    """Return what to call a file in messages; bytes of its name that are no UTF-8 could not be printed."""
    return f"{config.name}/{os.fsencode(path).decode(errors='replace')}"


def has_records(folder: Path) -> bool:
    """Return whether a folder holds .rec files."""
    return any(formats.suffix(path) == ".rec" for path in junk.files(folder))


def has_pictures(folder: Path) -> bool:
    """Return whether a folder holds files that are pictures by their names."""
    return any(formats.is_picture_name(path) for path in files(folder))


def from_records(folder: Path, config: ChannelConfig) -> list[RecordSample]:
    """Return the pictures of all .rec files below a folder; no .idx is needed.

    Raises ClientError if there is none, or if a file is cut or damaged.
    """
    found = [path for path in files(folder) if formats.suffix(path) == ".rec"]
    if not found:
        _refuse_manifest(files(folder), config)
        names = some(sorted(path.name for path in folder.iterdir()))
        raise ClientError(f"Channel {config.name} holds no `.rec` file", f"Found in {folder}: {names}")
    # In FastFile mode a read is a request: one pass in large ones, not one for the head of each record.
    block = {"block": record_files.REMOTE_BLOCK_BYTES} if config.mode == FAST_FILE else {}
    samples = [
        RecordSample(f"{_name(config, path.relative_to(folder))} record {record.number}", record.labels, record)
        for path in found
        for record in record_files.scan(path, **block)
    ]
    if not samples:
        why = f"{some([path.name for path in found])} in {folder} holds no record"
        do = "Make the `.rec` file again and check that pictures go in"
        raise ClientError(f"Channel {config.name} is empty", why, do)
    return samples


def _pictures(folder: Path, config: ChannelConfig) -> list[Path]:
    found: list[Path] = []
    others: list[Path] = []
    for path in files(folder):
        (found if formats.is_picture_name(path) else others).append(path)
    names = [str(path.relative_to(folder)) for path in others]
    unread = [str(path.relative_to(folder)) for path in others if formats.suffix(path) in formats.UNREAD_SUFFIXES]
    if not found:
        _refuse_manifest(others, config)
        why = f"Found in {folder}: {some(names)}; names of pictures end in {', '.join(formats.SUFFIXES)}"
        do = "Its content type must say what it holds: application/x-recordio or application/x-image"
        raise ClientError(f"Channel {config.name} holds no picture", why, formats.UNREAD if unread else do)
    if unread:
        logger.warning(
            "Channel %s: skipped %d pictures: %s. %s", config.name, len(unread), some(unread), formats.UNREAD
        )
    if len(others) > len(unread):
        rest = [name for name in names if name not in set(unread)]
        logger.info("Channel %s: skipped what is not a picture by its name: %s", config.name, some(rest))
    return found


def _refuse_manifest(found: Sequence[Path], config: ChannelConfig) -> None:
    """Raise ClientError if what lies in place of pictures is an augmented manifest, which names them."""
    named = next((path for path in found if manifests.is_manifest(path)), None)
    if named:
        raise ClientError(
            f"Channel {config.name} holds an augmented manifest, {named.name}, in {config.mode} mode",
            "The pictures that it names come only through a pipe",
            'Give the channel TrainingInputMode Pipe, S3DataType AugmentedManifestFile, AttributeNames ["source-ref", '
            '"class"] and RecordWrapperType RecordIO',
        )


def from_folders(
    folder: Path, config: ChannelConfig, classes: Sequence[str]
) -> tuple[list[FileSample], tuple[str, ...]]:
    """Return the pictures in the folders of their classes, and the classes: those given, else the folders sorted.

    Raises ClientError if there are no pictures, or some that are in no folder, or in one that is not a class.
    """
    paths = _pictures(folder, config)
    names = [naming.class_name(path.relative_to(folder).parts[0]) for path in paths]
    loose = [path.name for path in paths if path.parent == folder]
    if loose:
        why = f"Without a list each must be in the folder of its class; these are not: {some(loose)}"
        do = f"Move them, or give the job a channel {config.name}_lst"
        raise ClientError(f"Channel {config.name} holds pictures without a label", why, do)
    known = tuple(classes) or tuple(sorted(set(names)))
    label = {naming.class_name(name): (float(number),) for number, name in enumerate(known)}
    strangers = sorted(set(names) - set(label))
    if strangers:
        why = f"The classes are {some(known)}"
        raise ClientError(f"Channel {config.name} has folders that are not classes: {some(strangers)}", why)
    samples = [
        FileSample(_name(config, path.relative_to(folder)), label[name], path)
        for name, path in zip(names, paths, strict=True)
    ]
    return samples, known


def from_list(folder: Path, list_folder: Path, config: ChannelConfig) -> list[FileSample]:
    """Return the pictures that the .lst file in `list_folder` names: index TAB label(s) TAB path below `folder`.

    Raises ClientError if there is not one .lst file, if lines are of another form, or if pictures are missing; but
    of a sharded channel the missing ones are on other hosts.
    """
    there = naming.Files(folder, files(folder))
    samples: list[FileSample] = []
    missing: list[str] = []
    file = _list_file(list_folder)
    for line in lists.read(file.read_bytes(), str(file)):
        path = there.find(line.path)
        if path is None:
            missing.append(line.path)
        else:
            samples.append(FileSample(_name(config, path.relative_to(folder)), line.labels, path))
    if missing and not config.sharded:
        names = some([_name(config, path) for path in missing])
        why = f"{len(missing)} of its {len(samples) + len(missing)} pictures are not there: {names}"
        do = (
            "Paths must count from the channel's folder"
            if any(map(naming.is_absolute, missing))
            else "Correct the list"
        )
        raise ClientError(f"Channel {config.name} lacks pictures of {list_folder.name}", why, do)
    if not samples:
        why = f"None of the {len(missing)} pictures that {list_folder.name} names is there"
        raise ClientError(f"Channel {config.name} is empty", why, "Paths count from the channel's folder")
    logger.info("Channel %s: %d files, %d pictures in the list", config.name, len(there), len(samples))
    return samples


def _list_file(folder: Path) -> Path:
    found = [path for path in files(folder) if formats.suffix(path) == ".lst"]
    if len(found) != 1:
        why = f"There must be one `.lst` file in {folder}; found: {some([path.name for path in found])}"
        raise ClientError(f"Channel {folder.name} holds {len(found)} lists", why)
    return found[0]
