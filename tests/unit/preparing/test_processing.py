"""The Processing job: its files, and who has which pictures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.hosts import Hosts
from sagemaker_gluoncv_container.preparing.processing import ProcessingJob
from sagemaker_gluoncv_container.preparing.settings import Settings

SETTINGS = Settings("/opt/ml/processing/input", Path("out"))
TWO = ProcessingJob(Hosts(("algo-1", "algo-2")))


def job(base: Path, **config: Any) -> ProcessingJob:
    """Write what the platform writes, and read it."""
    (base / "config").mkdir()
    resources = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"], "network_interface_name": "eth0"}
    (base / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    (base / "config" / "processingjobconfig.json").write_text(json.dumps(config))
    return ProcessingJob.from_platform(Paths(base))


def test_what_the_platform_says(tmp_path: Path) -> None:
    """Hosts, inputs and the job's ARN; inputs of other kinds say nothing of pictures."""
    source = {"LocalPath": "/opt/ml/processing/input", "S3DataDistributionType": "ShardedByS3Key"}
    inputs = [{"InputName": "pictures", "S3Input": source}, {"InputName": "table", "DatasetDefinition": {}}]
    read = job(tmp_path, ProcessingJobArn="arn:job", ProcessingJobName="job", ProcessingInputs=inputs)
    assert read.hosts == Hosts(("algo-1", "algo-2"), 1, "eth0")
    assert read.inputs == (("/opt/ml/processing/input", "ShardedByS3Key"), ("", ""))
    assert read.name == "arn:job"
    assert not read.shares_out(SETTINGS, "folders")


def test_a_laptop_has_no_job(tmp_path: Path) -> None:
    """Without the files there is one host, which has everything."""
    read = ProcessingJob.from_platform(Paths(tmp_path))
    assert read == ProcessingJob()
    assert not read.shares_out(SETTINGS, "lst")


def test_a_file_of_another_form_is_named(tmp_path: Path) -> None:
    """ProcessingInputs that is not a list of objects."""
    with pytest.raises(ClientError, match="ProcessingInputs"):
        job(tmp_path, ProcessingInputs=["pictures"])


@pytest.mark.parametrize(
    ("kind", "changes", "inputs", "expected"),
    [
        ("folders", {}, (), False),
        ("rec", {}, (), False),
        ("lst", {}, (), True),
        ("manifest", {}, (), True),
        ("folders", {"source": "s3://bucket/heap"}, (), True),
        ("folders", {}, (("/opt/ml/processing/input", "FullyReplicated"),), True),
        ("lst", {}, (("/opt/ml/processing/input", "ShardedByS3Key"),), False),
        ("folders", {}, (("/opt/ml/processing/other", "FullyReplicated"),), False),
        ("folders", {"distribution": "replicated"}, (("/opt/ml/processing/input", "ShardedByS3Key"),), True),
        ("lst", {"distribution": "sharded"}, (), False),
    ],
)
def test_who_has_all(kind: str, changes: dict[str, Any], inputs: Any, expected: bool) -> None:
    """The user's word, then the job's, then what the kind of source suggests."""
    assert replace(TWO, inputs=inputs).shares_out(replace(SETTINGS, **changes), kind) is expected


def test_each_picture_is_one_hosts() -> None:
    """Every name belongs to exactly one host, and none has nothing; names of any bytes count."""
    jobs = [ProcessingJob(replace(TWO.hosts, rank=rank)) for rank in range(2)]
    names = [f"bird/{number}.jpg" for number in range(200)] + ["bird/\udcff.jpg"]
    owners = [[job.is_mine(name) for job in jobs] for name in names]
    assert all(sum(each) == 1 for each in owners)
    assert 60 < sum(each[0] for each in owners) < 140
