"""Finds the job's channels and what lies in them, and checks the hyperparameters against the data."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from ..contract import Paths
from ..errors import ClientError
from ..hyperparameters import Hyperparameters
from ..recordio import Record, scan

CONTENT_TYPE = "application/x-recordio"
CLASSES_FILE = "classes.json"


@dataclass(frozen=True)
class Channels:
    """The pictures of a job. `classes` are their names in the order of the labels, empty if unknown."""

    train: list[Record]
    validation: list[Record]
    classes: tuple[str, ...] = ()


def read(paths: Paths, hyperparameters: Hyperparameters) -> tuple[Channels, Hyperparameters]:
    """Return the job's pictures, and the hyperparameters with what was inferred from them.

    Raises ClientError that names every fault of every channel.
    """
    faults: list[ClientError] = []
    config = paths.read_config("inputdataconfig")
    found: dict[str, list[Record]] = {}
    for name in ("train", "validation"):
        try:
            _check_config(name, config.get(name, {}))
            found[name] = _records(paths.channel(name))
        except ClientError as error:
            faults.append(error)
    if faults:
        raise ClientError.of(faults)
    channels = Channels(found["train"], found["validation"], _classes(paths.channel("train") / CLASSES_FILE))
    return channels, _with_counts(channels, hyperparameters)


def _check_config(name: str, config: dict[str, str]) -> None:
    mode, content_type = config.get("TrainingInputMode", "File"), config.get("ContentType") or CONTENT_TYPE
    if mode != "File":
        raise ClientError(f"channel {name} is in {mode} mode", "this image reads File mode", 'Set input_mode="File"')
    if content_type.split(";")[0].strip().lower() != CONTENT_TYPE:
        raise ClientError(f"channel {name} has content type {content_type}", f"this image reads {CONTENT_TYPE}")


def _records(folder: Path) -> list[Record]:
    if not folder.is_dir():
        raise ClientError(
            f"channel {folder.name} is missing", f"there is no {folder}", f"Give the job a {folder.name} channel"
        )
    files = sorted(folder.rglob("*.rec"))
    records = [record for path in files for record in scan(path)]
    if not files:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise ClientError(f"channel {folder.name} holds no .rec file", f"found in {folder}: {names}")
    if not records:
        why = f"{', '.join(path.name for path in files)} in {folder} holds no record"
        raise ClientError(
            f"channel {folder.name} is empty", why, "Make the .rec file again and see that pictures go in"
        )
    return records


def _classes(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        names = json.loads(path.read_text())
    except ValueError as error:
        raise ClientError(f"{path} is not JSON", str(error)) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ClientError(f"{path} is no list of names", 'it must be like ["bird", "car"], in the order of the labels')
    return tuple(names)


def _with_counts(channels: Channels, hyperparameters: Hyperparameters) -> Hyperparameters:
    """Check num_classes, num_training_samples, top_k and the labels against the data, or infer the first two."""
    faults: list[ClientError] = []
    records = [*channels.train, *channels.validation]
    for record in records:
        label = record.labels[0]
        if len(record.labels) != 1 or label < 0 or label != int(label):
            why = f"{record.name} is labelled {', '.join(f'{each:g}' for each in record.labels)}"
            do = "Label the classes 0, 1, 2 ..."
            raise ClientError("a label is not one whole number from 0", why, do)
    largest = max(records, key=lambda record: record.labels[0])
    needed = int(largest.labels[0]) + 1
    classes = hyperparameters.num_classes or max(needed, len(channels.classes))
    if needed > classes:
        why = f"{largest.name} is labelled {needed - 1}, and labels count from 0"
        faults.append(ClientError(f"hyperparameter num_classes is {classes}", why, f"Set num_classes to {needed}"))
    if channels.classes and len(channels.classes) != classes:
        why = f"{CLASSES_FILE} has {len(channels.classes)} names"
        faults.append(ClientError(f"num_classes is {classes}", why, "Make them agree"))
    samples = len(channels.train)
    if hyperparameters.num_training_samples not in (None, samples):
        what = f"hyperparameter num_training_samples is {hyperparameters.num_training_samples}"
        do = f"Set it to {samples}, or leave it out: it is counted"
        faults.append(ClientError(what, f"the train channel holds {samples} pictures", do))
    if hyperparameters.top_k and hyperparameters.top_k >= classes:
        what = f"hyperparameter top_k is {hyperparameters.top_k}"
        faults.append(ClientError(what, f"it must be less than the number of classes, {classes}"))
    if faults:
        raise ClientError.of(faults)
    return dataclasses.replace(hyperparameters, num_classes=classes, num_training_samples=samples)
