"""Ground Truth: a labelling job's output goes in through S3 and trains; what has no label yet comes out."""

import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.prepared import Prepare, draw, draw_folders, invoke, train

# moto's HTTP layer imports yaml for a recorder that is not used here; the image's lock keeps yaml out.
sys.modules.setdefault("yaml", types.ModuleType("yaml"))
from moto import mock_aws  # noqa: E402

BUCKET = "labelling-bucket"
CLASSES = ["bird", "car", "flower"]
METADATA = {"type": "groundtruth/image-classification", "job-name": "labeling-job/things", "human-annotated": "yes"}
MULTI = {**METADATA, "type": "groundtruth/image-classification-multilabel"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of an S3 with one empty bucket."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client
        client.close()


def line(key: str, label: int | None, confidence: float = 0.95, human: str = "yes") -> dict[str, Any]:
    """Return a line of an output manifest, as AWS documents it."""
    entry: dict[str, Any] = {"source-ref": f"s3://{BUCKET}/{key}"}
    if label is not None:
        metadata = {**METADATA, "class-name": CLASSES[label], "confidence": confidence, "human-annotated": human}
        entry |= {"thing": label, "thing-metadata": {**metadata, "creation-date": "2024-05-01T10:00:00.000000"}}
    return entry


def put_manifest(s3: Any, lines: list[dict[str, Any]], key: str = "job/output.manifest") -> str:
    """Put a manifest into the bucket; return its URI."""
    s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(json.dumps(each) for each in lines).encode())
    return f"s3://{BUCKET}/{key}"


def test_a_labelling_job_trains(s3: Any, prepare: Prepare, tmp_path: Path) -> None:
    """The good labels are packed under the class names and train; the others are listed with their reasons."""
    lines = []
    for number in range(60):
        name = CLASSES[number % 3]
        s3.put_object(Bucket=BUCKET, Key=f"raw/{number}.jpg", Body=draw(name, number, 80, 60))
        lines.append(line(f"raw/{number}.jpg", number % 3))
    lines[4] = line("raw/4.jpg", 1, confidence=0.4)
    lines[5] = line("raw/5.jpg", 2, human="no")
    lines[6] = line("raw/6.jpg", None)
    lines[7]["thing-metadata"] = {
        "failure-reason": "ClientError: could not be shown",
        "job-name": "labeling-job/things",
    }
    lines.append(line("raw/none.jpg", 0))
    options = ("--least-confidence", "0.5", "--only-human", "--train-ratio", "0.8")
    prepared = prepare(put_manifest(s3, lines), *options)
    uri = f"s3://{BUCKET}/raw"
    assert prepared.left_out() == {
        "low-confidence": {f"{uri}/4.jpg"},
        "not-human": {f"{uri}/5.jpg"},
        "unlabelled": {f"{uri}/6.jpg", f"{uri}/7.jpg"},
        "missing": {f"{uri}/none.jpg"},
    }
    assert prepared.classes == CLASSES
    for packed in prepared.records():
        number = int(Path(packed.name).stem)
        assert packed.labels == (float(number % 3),)
        assert packed.data == draw(CLASSES[number % 3], number, 80, 60)
    # What has no label yet goes back to a labelling job.
    to_label = [json.loads(each) for each in (prepared.out / "to-label.manifest").read_text().splitlines()]
    assert to_label == [{"source-ref": f"{uri}/6.jpg"}, {"source-ref": f"{uri}/7.jpg"}]
    train(prepared, tmp_path / "job", epochs="1")
    described = (tmp_path / "job" / "model" / "sagemaker-gluoncv.json").read_text()
    assert json.loads(described)["classes"] == CLASSES


def test_several_labels_become_a_vector(s3: Any, prepare: Prepare) -> None:
    """A multi-label job gives a 0 or 1 for each class, with the least confidence of a picture's labels."""
    names = {"0": "bird", "1": "car", "2": "flower"}
    lines = []
    for number in range(30):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=draw("car", number, 80, 60))
        labels = [each for each in range(3) if (number + 1) >> each & 1]
        metadata = {
            **MULTI,
            "class-map": {str(each): names[str(each)] for each in labels},
            "confidence-map": {str(each): 0.3 if number == 6 and each == 1 else 0.9 for each in labels},
        }
        lines.append({"source-ref": f"s3://{BUCKET}/{number}.jpg", "things": labels, "things-metadata": metadata})
    prepared = prepare(put_manifest(s3, lines), "--least-confidence", "0.5")
    assert prepared.left_out() == {"low-confidence": {f"s3://{BUCKET}/6.jpg"}}
    for packed in prepared.records():
        bits = int(Path(packed.name).stem) + 1
        assert packed.labels == tuple(float(bits >> each & 1) for each in range(3))


def test_a_bucket_of_class_folders(s3: Any, prepare: Prepare, tmp_path: Path) -> None:
    """A prefix in S3 gives the same channels as the same folder here, and as the prefix mapped to that folder."""
    folder = draw_folders(tmp_path / "pictures", {"bird": 12, "car": 12})
    for path in folder.rglob("*.jpg"):
        s3.upload_file(str(path), BUCKET, f"heap/{path.relative_to(folder).as_posix()}")
    here = prepare(folder)
    there = prepare(f"s3://{BUCKET}/heap/")
    mapped = prepare(f"s3://{BUCKET}/heap/", "--map", f"s3://{BUCKET}/heap={folder}")
    assert here.records() == there.records() == mapped.records()
    assert len(here.records()) == 24


def test_unlabelled_files_become_an_input_manifest(prepare: Prepare, tmp_path: Path) -> None:
    """Pictures in no class folder are listed under their S3 names, for Ground Truth."""
    folder = draw_folders(tmp_path / "pictures", {"bird": 5, "car": 5})
    (folder / "new.jpg").write_bytes(draw("car", 77))
    prepared = prepare(folder, "--map", f"s3://{BUCKET}/heap={folder}")
    assert (prepared.out / "to-label.manifest").read_text() == f'{{"source-ref": "s3://{BUCKET}/heap/new.jpg"}}\n'
    unmapped = prepare(folder)
    assert not (unmapped.out / "to-label.manifest").exists()
    assert "--map" in unmapped.report["warnings"][0]


def test_a_closed_bucket_is_one_error(s3: Any, tmp_path: Path) -> None:
    """A bucket that is not there ends the command with exit code 2 and says which."""
    result = invoke("prepare", "s3://no-such-bucket/heap/", str(tmp_path / "out"), "--no-progress")
    assert result.exit_code == 2
    assert "no-such-bucket" in result.output
