"""Counts what the channels hold, and checks the hyperparameters against it before anything is computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..data.channel_config import TRAIN, ChannelConfig
from ..data.labels import Labelling, written
from ..data.samples import FileSample, RecordSample
from ..errors import ClientError, some
from .hyperparameters import Hyperparameters

_REMEDY = {
    False: "Label the classes 0, 1, 2 ...; if pictures have several labels, set multi_label",
    True: "Give a 0 or 1 for each class, or class ids with label-format=class-id in the channel's content type",
}


@dataclass(frozen=True)
class Found:
    """The pictures of a channel that lies in a folder, labels as they are written there, and how to read those."""

    config: ChannelConfig
    samples: Sequence[FileSample | RecordSample]
    labelling: Labelling


def with_counts(
    found: Mapping[str, Found], classes: Sequence[str], hyperparameters: Hyperparameters
) -> Hyperparameters:
    """Return the hyperparameters with num_classes and num_training_samples, which are inferred if not given.

    Raises ClientError if these, top_k or labels contradict each other.
    """
    needed, faults = _classes_needed(found)
    if faults:
        raise ClientError.of(faults)
    num_classes = hyperparameters.num_classes or max(needed, len(classes))
    faults += _out_of_range(found, num_classes, needed)
    if classes and len(classes) != num_classes:
        why = f"there are {len(classes)} names of classes: {some(classes)}"
        faults.append(ClientError(f"num_classes is {num_classes}", why, "Make them agree"))
    samples, contradictions = _training_samples(found, hyperparameters)
    faults += contradictions
    if hyperparameters.top_k and hyperparameters.top_k >= num_classes:
        what = f"hyperparameter top_k is {hyperparameters.top_k}"
        faults.append(ClientError(what, f"it must be less than the number of classes, {num_classes}"))
    if faults:
        raise ClientError.of(faults)
    return replace(hyperparameters, num_classes=num_classes, num_training_samples=samples)


def _training_samples(
    found: Mapping[str, Found], hyperparameters: Hyperparameters
) -> tuple[int | None, list[ClientError]]:
    given = hyperparameters.num_training_samples
    if TRAIN not in found:
        return given, []
    samples = len(found[TRAIN].samples)
    # Of a sharded channel this host has a part, and the hyperparameter may mean the whole.
    if given in (None, samples) or found[TRAIN].config.sharded:
        return samples, []
    what, why = f"hyperparameter num_training_samples is {given}", f"the train channel holds {samples} pictures"
    return samples, [ClientError(what, why, f"Set it to {samples}, or leave it out: it is counted")]


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
    """Return the least number of classes that the labels need, and a fault for each channel with what is no label."""
    needed, faults = 0, []
    for name, each in found.items():
        wrong, reason = _wrong(each, each.labelling.classes_needed)
        if wrong:
            what, why = f"channel {name} has labels that are {reason}", f"{len(wrong)} of them: {some(wrong)}"
            faults.append(ClientError(what, why, _REMEDY[each.labelling.multi_label]))
        else:
            needed = max([needed, *(each.labelling.classes_needed(sample.labels) for sample in each.samples)])
    return needed, faults


def _out_of_range(found: Mapping[str, Found], num_classes: int, needed: int) -> list[ClientError]:
    faults = []
    for name, each in found.items():
        wrong, reason = _wrong(each, lambda labels, of=each.labelling: of.read(labels, num_classes))  # type: ignore[misc]
        if wrong:
            why = f"channel {name} has labels that are {reason}, {len(wrong)} of them: {some(wrong)}"
            do = f"Set num_classes to {needed}, or mend the labels"
            faults.append(ClientError(f"hyperparameter num_classes is {num_classes}", why, do))
    return faults
