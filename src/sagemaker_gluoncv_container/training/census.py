"""Counts what the channels hold, and checks the hyperparameters against it before anything is computed."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..data.channel_config import TRAIN, ChannelConfig
from ..data.labels import Labelling, written
from ..data.samples import FileSample, RecordSample
from ..errors import ClientError, some
from .hyperparameters import RANGES, Counted, Hyperparameters

logger = logging.getLogger(__name__)

# One label is enough to believe in this many classes. Of more classes, one in ten must have a picture.
_BELIEVED_CLASSES, _LEAST_SEEN = 1000, 0.1
# How many names of classes are told: the one that is none may be any of them.
_MOST_CLASSES_NAMED = 20
_REMEDY = {
    False: "Label the classes 0, 1, 2 and so on. If pictures have several labels, set multi_label",
    True: "Give a 0 or 1 for each class, or class ids with label-format=class-id in the channel's content type",
}


@dataclass(frozen=True)
class Found:
    """The pictures of a channel in a folder, with labels as they are written there, and how to read the labels."""

    config: ChannelConfig
    samples: Sequence[FileSample | RecordSample]
    labelling: Labelling
    in_class_folders: bool = False


def counted(found: Mapping[str, Found], classes: Sequence[str], hyperparameters: Hyperparameters) -> Counted:
    """Return the hyperparameters with num_classes and num_training_samples, which are counted if not given.

    Raises ClientError if these, top_k or labels contradict each other, or if a number is neither given nor to be
    counted.
    """
    needed, faults = _classes_needed(found)
    if faults:
        raise ClientError.of(faults)
    if not hyperparameters.num_classes and needed > len(classes) and (stray := _stray(found, needed)):
        raise stray
    num_classes = hyperparameters.num_classes or max(needed, len(classes))
    samples = _training_samples(found, hyperparameters)
    faults += _uncounted(num_classes, samples)
    if faults:
        raise ClientError.of(faults)
    faults += _out_of_range(found, num_classes, needed)
    if classes and len(classes) != num_classes:
        where = "class folders in channel train" if _has_class_folders(found) else "names of classes"
        why = f"There are {len(classes)} {where}: {some(classes, _MOST_CLASSES_NAMED)}"
        faults.append(ClientError(f"Hyperparameter num_classes is {num_classes}", why, "Make them agree"))
    if hyperparameters.top_k and hyperparameters.top_k >= num_classes:
        what = f"Hyperparameter top_k is {hyperparameters.top_k}"
        faults.append(ClientError(what, f"It must be less than the number of classes, {num_classes}"))
    if faults:
        raise ClientError.of(faults)
    given = dataclasses.asdict(hyperparameters)
    return Counted(**{**given, "num_classes": num_classes, "num_training_samples": samples})


def _has_class_folders(found: Mapping[str, Found]) -> bool:
    return TRAIN in found and found[TRAIN].in_class_folders


def _uncounted(num_classes: int, samples: int) -> list[ClientError]:
    numbers = {"num_classes": num_classes, "num_training_samples": samples}
    return [
        ClientError(f"Hyperparameter {name} is not given", "It cannot be counted here", f"Set {name}")
        for name, number in numbers.items()
        if not number
    ]


def _training_samples(found: Mapping[str, Found], hyperparameters: Hyperparameters) -> int:
    """Return the number of training pictures: as counted here, or as given for a pipe; 0 if neither is known."""
    given = hyperparameters.num_training_samples
    if TRAIN not in found:
        return given or 0
    samples = len(found[TRAIN].samples)
    # Of a sharded channel this host has a part, and the hyperparameter may mean the whole.
    if given not in (None, samples) and not found[TRAIN].config.sharded:
        logger.warning(
            "Hyperparameter num_training_samples is %d, but the train channel holds %d pictures: using %d",
            given,
            samples,
            samples,
        )
    return samples


def _wrong(found: Found, check: Callable[[tuple[float, ...]], object]) -> tuple[list[str], str]:
    """Return what is labelled so that `check` raises ValueError, and the last reason."""
    wrong: list[str] = []
    reason = ""
    for sample in found.samples:
        try:
            check(sample.labels)
        except ValueError as error:
            reason = str(error)
            wrong.append(f"{sample.name} is labelled {written(sample.labels)}")
    return wrong, reason


def _classes_needed(found: Mapping[str, Found]) -> tuple[int, list[ClientError]]:
    """Return the least number of classes that the labels need, and a fault for each channel with a bad label."""
    needed, faults = 0, []
    for name, each in found.items():
        wrong, reason = _wrong(each, each.labelling.classes_needed)
        if wrong:
            what, why = f"Channel {name} has labels that are {reason}", f"{len(wrong)} of them: {some(wrong)}"
            faults.append(ClientError(what, why, _REMEDY[each.labelling.multi_label]))
        else:
            needed = max([needed, *(each.labelling.classes_needed(sample.labels) for sample in each.samples)])
    return needed, faults


def _stray(found: Mapping[str, Found], needed: int) -> ClientError | None:
    """Return a fault if so many classes cannot be meant. Then a label is a mistake, such as an id in its place."""
    if needed <= _BELIEVED_CLASSES:
        return None
    # A vector of 0 and 1 is as long as there are classes, whichever have pictures.
    listed = [(name, each) for name, each in found.items() if not each.labelling.is_multi_hot]
    labels = [(max(sample.labels), sample, name) for name, each in listed for sample in each.samples if sample.labels]
    seen = {label for _, each in listed for sample in each.samples for label in sample.labels}
    if not labels or len(seen) >= _LEAST_SEEN * needed:
        return None
    label, sample, name = max(labels, key=lambda each: each[0])
    if int(label) + 1 < needed:
        return None
    most = RANGES["num_classes"].high or needed
    what = f"Channel {name} has a label that would mean {needed if needed <= most else f'more than {most}'} classes"
    why = f"The label of {sample.name} is {written(sample.labels)}, but only {len(seen)} classes have pictures"
    do = "Fix the label" + (f", or set num_classes to {needed} if it is right" if needed <= most else "")
    return ClientError(what, why, do)


def _out_of_range(found: Mapping[str, Found], num_classes: int, needed: int) -> list[ClientError]:
    faults = []
    for name, each in found.items():
        wrong, reason = _wrong(each, lambda labels, of=each.labelling: of.read(labels, num_classes))  # type: ignore[misc]
        if wrong:
            why = f"Channel {name} has labels that are {reason}, {len(wrong)} of them: {some(wrong)}"
            do = f"Set num_classes to {needed}, or fix the labels"
            faults.append(ClientError(f"Hyperparameter num_classes is {num_classes}", why, do))
    return faults
