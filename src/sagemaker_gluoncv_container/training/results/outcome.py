"""The end of a job: from the loop's figures to the report."""

import dataclasses
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ... import __version__, contract, disk
from ...data.batches import SkippedPictures
from ...data.samples import Channel, Stored
from .. import report
from ..channels import Channels
from ..hyperparameters import Counted
from ..learning.targets import count_labels
from .checkpoint import Progress
from .kept import KeptModels

logger = logging.getLogger(__name__)


def write_report(
    directory: Path,
    hyperparameters: Counted,
    channels: Channels,
    progress: Progress,
    kept: KeptModels,
    skipped: SkippedPictures,
) -> None:
    """Write report.html and metrics.json about the kept model; nothing if no epoch was validated.

    A full disk costs the report, not the job.
    """
    answers, best = kept.answers, kept.best(progress.history)
    if answers is None or best is None:
        return
    record = report.RunRecord(
        settings=dataclasses.asdict(hyperparameters),
        classes=channels.classes,
        multi_label=hyperparameters.multi_label,
        history=progress.history,
        kept_epoch=best,
        probabilities=answers.probabilities,
        labels=answers.labels,
        names=answers.names,
        picture=_pictures(channels.validation, answers.names),
        counts=_counts(channels, hyperparameters),
        skipped=sorted(skipped.reasons.items()),
        duplicates=channels.duplicates,
        job=contract.job_name(),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        image_version=__version__,
    )
    try:
        report.write(directory, record)
    except OSError as error:
        logger.error("%s The job ends without it.", disk.failure("The report", directory, error))


def _pictures(validation: Channel, names: list[str]) -> Callable[[int], bytes] | None:
    """Return a function from an answer's place to its encoded picture; None for a pipe, which is gone by now."""
    if not isinstance(validation, Stored):
        return None
    by_name = {sample.name: sample for sample in validation.samples}
    return lambda number: by_name[names[number]].read()


def _counts(channels: Channels, hyperparameters: Counted) -> dict[str, list[int]]:
    """Return how many pictures each class has, for the channels that can be counted."""
    listed = {
        name: channel
        for name, channel in (("train", channels.train), ("validation", channels.validation))
        if isinstance(channel, Stored)
    }
    classes, many = hyperparameters.num_classes, hyperparameters.multi_label
    return {
        name: count_labels((sample.labels for sample in channel.samples), classes, many).tolist()
        for name, channel in listed.items()
    }
