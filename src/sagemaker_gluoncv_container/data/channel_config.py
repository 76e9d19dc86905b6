"""How the platform gives a channel: its part of inputdataconfig.json, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from .. import formats
from ..errors import ClientError
from .labels import FORMATS, MULTI_HOT

FILE, FAST_FILE, PIPE = "File", "FastFile", "Pipe"
RECORDIO = "application/x-recordio"
TRAIN, VALIDATION, LST = "train", "validation", "_lst"
# An earlier model to start from.
MODEL = "model"


@dataclass(frozen=True)
class ChannelConfig:
    """A channel as the job describes it. `content_type` is None if the job does not say."""

    name: str
    mode: str = FILE
    content_type: str | None = None
    label_format: str = MULTI_HOT
    sharded: bool = False
    wrapped: bool = False


def read(name: str, given: Mapping[str, Any], faults: list[ClientError]) -> ChannelConfig:
    """Return a channel's configuration; what is wrong with it is added to `faults`."""
    header = Message()
    header["Content-Type"] = given.get("ContentType") or RECORDIO
    config = ChannelConfig(
        name,
        given.get("TrainingInputMode") or FILE,
        header.get_content_type() if given.get("ContentType") else None,
        str(header.get_param("label-format", MULTI_HOT)).lower(),
        given.get("S3DistributionType") == "ShardedByS3Key",
        given.get("RecordWrapperType") == "RecordIO",
    )
    faults += _faults(config, given)
    return config


def _faults(config: ChannelConfig, given: Mapping[str, Any]) -> list[ClientError]:
    faults = []
    channel = f"Channel {config.name}"
    if config.mode not in (FILE, FAST_FILE, PIPE):
        faults.append(ClientError(f"{channel} is in {config.mode} mode", "This image reads File, FastFile and Pipe"))
    if config.content_type not in (None, RECORDIO, *formats.ALL_CONTENT_TYPES):
        why = f"This image reads {', '.join((RECORDIO, *formats.CONTENT_TYPES))}"
        faults.append(ClientError(f"{channel} has content type {given['ContentType']}", why))
    if config.label_format not in FORMATS:
        why = f"It must be one of {', '.join(FORMATS)}"
        faults.append(ClientError(f"{channel} has label-format {config.label_format}", why))
    if config.mode == PIPE and config.name.endswith(LST):
        faults.append(ClientError(f"{channel} is in Pipe mode", "A list is read as a file", "Use File mode"))
    elif config.mode == PIPE and config.content_type in formats.ALL_CONTENT_TYPES and not config.wrapped:
        why = "Files that come through a pipe have neither names nor labels"
        do = "Use File or FastFile mode, `.rec` files, or an augmented manifest with RecordWrapperType RecordIO"
        faults.append(ClientError(f"{channel} has content type {config.content_type} in Pipe mode", why, do))
    return faults
