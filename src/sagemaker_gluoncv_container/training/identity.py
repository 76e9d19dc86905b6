"""What decides a job's result, in a few words each: a job goes on only from a checkpoint with all of it equal."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..artifact import Artifact
from ..data.samples import Channel, FileSample, RecordSample, Stored
from .channels import Channels
from .hyperparameters import Counted
from .model import base_weights

# What does not change what the net learns.
_MAY_CHANGE = ("max_seconds", "tensorboard", "kv_store", "max_bad_fraction")
# What an earlier model decides instead.
_OF_THE_NET = ("num_layers", "use_pretrained_model")
_DIGITS = 16


def identity(
    hyperparameters: Counted,
    channels: Channels,
    net: Mapping[str, tuple[int, ...]],
    earlier: Artifact | None,
    pretrained: Path,
) -> dict[str, Any]:
    """Return by name what must not change between the start of a job and a restart.

    `net` has the shapes of its parameters by name, `pretrained` is the folder of base weights. Raises ClientError if
    they are asked for and there are none.
    """
    ignored = _MAY_CHANGE + (_OF_THE_NET if earlier else ())
    values = {name: value for name, value in asdict(hyperparameters).items() if name not in ignored}
    return {
        **values,
        "the train channel": _pictures(channels.train),
        "the validation channel": _pictures(channels.validation),
        "the names of the classes": ", ".join(channels.classes),
        "the net": _shapes(net),
        "the model channel": _model(earlier) if earlier else "none",
        "the base weights": "none" if earlier else _base(hyperparameters, pretrained),
    }


def _pictures(channel: Channel) -> str:
    """Return a short text that changes with a channel's pictures, as far as they are known."""
    if not isinstance(channel, Stored):
        return f"a pipe of {len(channel)} pictures"
    digest = hashlib.sha256()
    for part in _parts(channel):
        digest.update(part.encode(errors="surrogateescape"))
    return f"{len(channel)} pictures, {digest.hexdigest()[:_DIGITS]}"


def _parts(channel: Stored) -> Iterator[str]:
    """Yield what is known of each picture. Of remote files not the size, which may be a request each."""
    for sample in channel.samples:
        yield f"{sample.name}\0{sample.labels}\0{_size(sample) if channel.local else ''}\n"


def _size(sample: FileSample | RecordSample) -> int | None:
    """Return the bytes of a picture, None if it cannot be read."""
    try:
        return sample.place.size
    except OSError:
        return None


def _shapes(net: Mapping[str, tuple[int, ...]]) -> str:
    """Return a short text that changes with the names and shapes of a net's parameters."""
    digest = hashlib.sha256("".join(f"{name}{net[name]}" for name in sorted(net)).encode())
    return f"{len(net)} parameters, {digest.hexdigest()[:_DIGITS]}"


def _model(earlier: Artifact) -> str:
    """Return a short text that changes with an earlier model's net, weights and preprocessing."""
    pre = earlier.description.preprocessing
    return f"{_digest(earlier.symbol, earlier.params)}, mean {pre.mean}, deviation {pre.deviation}"


def _base(hyperparameters: Counted, pretrained: Path) -> str:
    if not hyperparameters.use_pretrained_model:
        return "none"
    return _digest(base_weights.find(pretrained, base_weights.name(hyperparameters.num_layers)))


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:_DIGITS]
