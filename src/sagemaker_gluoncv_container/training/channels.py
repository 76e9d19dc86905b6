"""Finds the job's channels and their pictures, and checks the hyperparameters against the data."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import formats
from ..contract import Paths
from ..data import channel_config, checks, listing
from ..data.channel_config import FAST_FILE, LST, PIPE, RECORDIO, TRAIN, VALIDATION, ChannelConfig
from ..data.checks import Finding, Group
from ..data.classes import read as read_classes
from ..data.labels import CLASS_ID, Labelling
from ..data.pipe import Pipe
from ..data.samples import Channel, Stored
from ..ending import Ends, never
from ..errors import ClientError
from .census import Found, counted
from .hyperparameters import Counted, Hyperparameters

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Channels:
    """The pictures of a job.

    `classes` are their names in the order of the labels, empty if unknown. `duplicates` are (name in train, name in
    validation) of equal pictures, None if that is not known.
    """

    train: Channel
    validation: Channel
    classes: tuple[str, ...] = ()
    duplicates: list[tuple[str, str]] | None = None


def read(paths: Paths, hyperparameters: Hyperparameters, ends: Ends = never) -> tuple[Channels, Counted]:
    """Return the job's channels, and the hyperparameters with what was counted in them.

    While a pipe is silent, `ends` is asked whether to wait on.
    Raises ClientError that names every fault of every channel.
    """
    faults: list[ClientError] = []
    given = paths.read_config("inputdataconfig")
    configs = _configs(paths, given, faults)
    faults += _unknowable(configs, hyperparameters)
    found, classes = _look(paths, configs, hyperparameters, faults)
    if faults:
        raise ClientError.of(faults)
    settled = counted(found, classes, hyperparameters)
    channels = {
        name: _stored(found[name], settled.num_classes) if name in found else _pipe(paths, configs[name], settled, ends)
        for name in (TRAIN, VALIDATION)
    }
    duplicates = _check(channels, classes or tuple(map(str, range(settled.num_classes))), settled.multi_label)
    return Channels(channels[TRAIN], channels[VALIDATION], classes, duplicates), settled


def _check(channels: Mapping[str, Channel], classes: Sequence[str], multi_label: bool) -> list[tuple[str, str]] | None:
    """Log what is odd about the channels; return (name in train, name in validation) of equal pictures, if known.

    In FastFile mode looking at the pictures would fetch them, and a pipe can be read only once.
    """
    stored = {name: channel for name, channel in channels.items() if isinstance(channel, Stored)}
    _warn(checks.of_labels({name: channel.samples for name, channel in stored.items()}, classes, multi_label))
    local = {name: channel.samples for name, channel in stored.items() if channel.local}
    findings, groups = checks.of_pictures(local)
    _warn(findings)
    if groups is None:
        logger.info(
            "Equal pictures were not looked for, because that takes long here: `sagemaker-gluoncv prepare --check` does"
        )
    return _in_both(groups) if groups is not None and len(local) == len(channels) else None


def _warn(findings: Iterable[Finding]) -> None:
    for finding in findings:
        logger.warning("In the data: %s (%s)", finding.text, finding.kind)


def _in_both(groups: Iterable[Group]) -> list[tuple[str, str]]:
    """Return (name in train, name in validation) of each validation picture that is in train too."""
    pairs = []
    for group in groups:
        train = next((sample.name for channel, sample in group if channel == TRAIN), None)
        if train is not None:
            pairs += [(train, sample.name) for channel, sample in group if channel == VALIDATION]
    return pairs


def in_folder(folder: Path, num_classes: int, classes: tuple[str, ...] = (), multi_label: bool = False) -> Stored:
    """Return the pictures of one channel outside of a job: .rec files, or a folder for each of the classes.

    Raises ClientError.
    """
    config = ChannelConfig(folder.name)
    if listing.has_records(folder) or not listing.has_pictures(folder):
        found = Found(config, listing.from_records(folder, config), Labelling(multi_label, config.label_format))
    else:
        samples, _ = listing.from_folders(folder, config, classes)
        found = Found(config, samples, Labelling(multi_label, CLASS_ID))
    try:
        return _stored(found, num_classes)
    except ValueError as error:
        raise ClientError(f"Channel {folder} has a label that the model does not know", f"It is {error}") from error


def _configs(paths: Paths, given: Mapping[str, Any], faults: list[ClientError]) -> dict[str, ChannelConfig]:
    """Return the configuration of each channel; those with lists only if the job has them."""
    lists = [name + LST for name in (TRAIN, VALIDATION) if name + LST in given or paths.channel(name + LST).is_dir()]
    configs = {name: channel_config.read(name, given.get(name, {}), faults) for name in (TRAIN, VALIDATION, *lists)}
    for name in lists:
        of = configs[name.removesuffix(LST)]
        if of.mode == PIPE or of.content_type == RECORDIO:
            how = f"is in {of.mode} mode" if of.mode == PIPE else f"has content type {of.content_type}"
            do = f"Leave out {name}, or give {of.name} as files with content type application/x-image"
            faults.append(ClientError(f"Channel {of.name} {how} and has a list, {name}", "A list names files", do))
    if len(lists) == 1:
        missing = ({TRAIN + LST, VALIDATION + LST} - set(lists)).pop()
        if configs[missing.removesuffix(LST)].content_type in formats.ALL_CONTENT_TYPES:
            do = f"Give the job a {missing} channel too"
            faults.append(ClientError(f"Channel {missing} is missing", f"There is a {lists[0]}", do))
    return configs


def _unknowable(configs: Mapping[str, ChannelConfig], hyperparameters: Hyperparameters) -> list[ClientError]:
    """Return a fault for each hyperparameter that must be given because a pipe cannot be looked into beforehand."""
    piped = [name for name in (TRAIN, VALIDATION) if configs[name].mode == PIPE]
    needed = ["num_classes"] * bool(piped) + ["num_training_samples"] * (TRAIN in piped)
    return [
        ClientError(
            f"Hyperparameter {name} is not given",
            f"It cannot be counted in a channel in Pipe mode ({', '.join(piped)})",
            f"Set {name}, or use File or FastFile mode",
        )
        for name in needed
        if getattr(hyperparameters, name) is None
    ]


def _look(
    paths: Paths, configs: Mapping[str, ChannelConfig], hyperparameters: Hyperparameters, faults: list[ClientError]
) -> tuple[dict[str, Found], tuple[str, ...]]:
    """Return the pictures of the channels in folders, and the names of the classes; faults are added.

    Where the configuration has faults, the contents of the channels are not looked at.
    """
    classes: tuple[str, ...] = ()
    found: dict[str, Found] = {}
    sound = not faults
    for name in (TRAIN, VALIDATION):
        try:
            if name == TRAIN:
                classes = read_classes(paths.channel(TRAIN))
            if configs[name].mode == PIPE:
                continue
            _folder(paths, name)
            if sound:
                found[name], classes = _find(paths, configs, name, hyperparameters, classes)
        except ClientError as error:
            faults.append(error)
    return found, classes


def _labelling(config: ChannelConfig, hyperparameters: Hyperparameters) -> Labelling:
    return Labelling(hyperparameters.multi_label, config.label_format)


def _folder(paths: Paths, name: str) -> Path:
    folder = paths.channel(name)
    if not folder.is_dir():
        raise ClientError(f"Channel {name} is missing", f"There is no {folder}", f"Give the job a {name} channel")
    return folder


def _find(
    paths: Paths,
    configs: Mapping[str, ChannelConfig],
    name: str,
    hyperparameters: Hyperparameters,
    classes: tuple[str, ...],
) -> tuple[Found, tuple[str, ...]]:
    """Return the pictures of a channel, and the names of the classes as far as they are known now."""
    config, folder = configs[name], paths.channel(name)
    labelling = _labelling(config, hyperparameters)
    if config.content_type == RECORDIO or (config.content_type is None and _is_recordio(folder, name + LST in configs)):
        return Found(config, listing.from_records(folder, config), labelling), classes
    if name + LST in configs:
        return Found(config, listing.from_list(folder, _folder(paths, name + LST), config), labelling), classes
    samples, classes = listing.from_folders(folder, config, classes)
    return Found(config, samples, Labelling(labelling.multi_label, CLASS_ID), in_class_folders=True), classes


def _is_recordio(folder: Path, has_list: bool) -> bool:
    """Return whether a channel whose content type is not given is RecordIO, as by default, and not pictures."""
    return not has_list and (listing.has_records(folder) or not listing.has_pictures(folder))


def _stored(found: Found, num_classes: int) -> Stored:
    labelling = found.labelling
    samples = [sample.labelled(labelling.read(sample.labels, num_classes)) for sample in found.samples]
    return Stored(samples, local=found.config.mode != FAST_FILE)


def _pipe(paths: Paths, config: ChannelConfig, hyperparameters: Counted, ends: Ends) -> Pipe:
    name = config.name
    return Pipe(
        lambda number: paths.channel(f"{name}_{number}"),
        name,
        _labelling(config, hyperparameters),
        hyperparameters.num_classes,
        hyperparameters.num_training_samples if name == TRAIN and not config.sharded else 0,
        config.wrapped,
        ends,
    )
