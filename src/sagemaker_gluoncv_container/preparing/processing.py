"""The SageMaker Processing job that a preparation is part of: its hosts, and which pictures are this host's.

Source of the files: "How Amazon SageMaker runs your processing container image" in the SageMaker developer guide:
/opt/ml/config/resourceconfig.json and processingjobconfig.json.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract import Paths
from ..errors import ClientError
from ..hosts import Hosts
from .references import is_s3
from .settings import Settings

_CONFIG = "processingjobconfig"
_SHARDED = "ShardedByS3Key"


@dataclass(frozen=True)
class ProcessingJob:
    """The hosts of the job, its inputs as (folder, distribution), and its name; on other machines, none of these."""

    hosts: Hosts = Hosts()
    inputs: tuple[tuple[str, str], ...] = ()
    name: str = ""

    @classmethod
    def from_platform(cls, paths: Paths) -> "ProcessingJob":
        """Return what the platform says. Raises ClientError if a file is not what the platform writes."""
        config = paths.read_processing_config(_CONFIG)
        inputs = config.get("ProcessingInputs") or []
        if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
            raise ClientError(f"ProcessingInputs in {_CONFIG}.json is {inputs!r}", "It must be a list of objects")
        name = config.get("ProcessingJobArn") or config.get("ProcessingJobName") or ""
        return cls(Hosts.from_platform(paths), tuple(map(_input, inputs)), str(name))

    def shares_out(self, settings: Settings, kind: str) -> bool:
        """Return whether every host sees the whole source, so that the hosts must divide it among them.

        The user's word counts first, then what the Processing job says of the folder. Else lists and S3 are whole on
        every host, and folders are sharded.
        """
        if self.hosts.alone:
            return False
        if settings.distribution:
            return settings.distribution == "replicated"
        for folder, distribution in self.inputs:
            if folder and distribution and Path(settings.source).is_relative_to(folder):
                return distribution != _SHARDED
        return kind not in ("folders", "rec") or is_s3(settings.source)

    def is_mine(self, name: str) -> bool:
        """Return whether this host has the picture of that name, where the hosts divide the source among them."""
        return zlib.crc32(name.encode("utf-8", "surrogateescape")) % len(self.hosts.names) == self.hosts.rank


def _input(each: dict[str, Any]) -> tuple[str, str]:
    source = each.get("S3Input") or {}
    return str(source.get("LocalPath") or ""), str(source.get("S3DataDistributionType") or "")
