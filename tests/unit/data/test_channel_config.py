"""A channel's part of inputdataconfig.json."""

import pytest

from sagemaker_gluoncv_container.data import channel_config
from sagemaker_gluoncv_container.data.channel_config import ChannelConfig
from sagemaker_gluoncv_container.errors import ClientError


def test_what_is_not_said() -> None:
    """An empty description, as local mode may give, is File mode, fully replicated, of a content to be found out."""
    faults: list[ClientError] = []
    assert channel_config.read("train", {}, faults) == ChannelConfig(
        "train", "File", None, "multi-hot", sharded=False, wrapped=False
    )
    assert not faults


@pytest.mark.parametrize(
    ("content_type", "kind", "label_format"),
    [
        ("application/x-recordio", "application/x-recordio", "multi-hot"),
        ("Application/X-RecordIO", "application/x-recordio", "multi-hot"),
        ("application/x-recordio; label-format=class-id", "application/x-recordio", "class-id"),
        ('application/x-recordio;label-format="Class-ID"', "application/x-recordio", "class-id"),
        ("application/x-image; label-format=multi-hot", "application/x-image", "multi-hot"),
        ("image/png", "image/png", "multi-hot"),
    ],
)
def test_content_types(content_type: str, kind: str, label_format: str) -> None:
    """Content types are read without regard to case, with the label format as a parameter."""
    faults: list[ClientError] = []
    config = channel_config.read("train", {"ContentType": content_type}, faults)
    assert (config.content_type, config.label_format, faults) == (kind, label_format, [])


def test_all_that_is_said() -> None:
    """The platform's own words for mode, distribution and wrapping are understood; None is a word, too."""
    given = {"TrainingInputMode": "Pipe", "S3DistributionType": "ShardedByS3Key", "RecordWrapperType": "RecordIO"}
    config = channel_config.read("train", given, [])
    assert (config.mode, config.sharded, config.wrapped) == ("Pipe", True, True)
    given = {"S3DistributionType": "FullyReplicated", "RecordWrapperType": "None", "CompressionType": "None"}
    config = channel_config.read("train", given, [])
    assert (config.mode, config.sharded, config.wrapped) == ("File", False, False)


@pytest.mark.parametrize("content_type", ["text/csv", "recordio", "application/x-recordio-protobuf", ""])
def test_content_types_that_are_not_known(content_type: str) -> None:
    """Anything else is a fault that quotes it; no content type at all is none."""
    faults: list[ClientError] = []
    channel_config.read("train", {"ContentType": content_type}, faults)
    assert [content_type in str(fault) for fault in faults] == ([True] if content_type else [])
