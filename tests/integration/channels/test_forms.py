"""However the same pictures are stored and delivered, the net gets the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

COUNT = 60
FORMS = ("rec", "rec set", "lst", "folders", "manifest", "fast file")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("content_type", ["said", "not said"])
def test_six_forms_of_the_same_pictures(
    form: str,
    content_type: str,
    job: Any,
    draw_pictures: Any,
    feeding: Any,
    manifest_content: Any,
    make_batches: Any,
    expected: Any,
    arriving: Any,
) -> None:
    """The same set of (label, pixels) reaches the net from each of six forms, content type given or not."""
    drawn = {"train": draw_pictures(COUNT), "validation": draw_pictures(20, 1000)}
    said = content_type == "said"
    feeders = []
    for name, each in drawn.items():
        if form in ("rec", "rec set", "fast file"):
            job.write_rec(name, each, files=3 if form == "rec set" else 1)
            kind, mode = "application/x-recordio", "FastFile" if form == "fast file" else "File"
        elif form == "lst":
            job.write_list(name, each)
            kind, mode = "application/x-image", "File"
        elif form == "folders":
            job.write_folders(name, each)
            kind, mode = "image/jpeg", "File"
        else:
            feeders.append(feeding(job.paths.channel(name), 1, manifest_content(each)))
            kind, mode = "application/x-recordio", "Pipe"
        wrapper = "RecordIO" if form == "manifest" else "None"
        job.configure(
            name, TrainingInputMode=mode, RecordWrapperType=wrapper, **({"ContentType": kind} if said else {})
        )
    given = {"num_classes": 4, "num_training_samples": COUNT} if form == "manifest" else {}
    channels, hyperparameters = job.read(**given)
    assert (hyperparameters.num_classes, hyperparameters.num_training_samples) == (4, COUNT)
    assert channels.classes == (("bird", "car", "flower", "plane") if form == "folders" else ())
    for name, each in drawn.items():
        assert arriving(make_batches(getattr(channels, name))) == expected(each), name
    assert [feeder.wait(timeout=30) for feeder in feeders] == [0] * len(feeders)


def test_fast_file_is_only_read(job: Any, draw_pictures: Any, make_batches: Any, arriving: Any) -> None:
    """Nothing is written into a FastFile channel, which is read-only."""
    for name in ("train", "validation"):
        job.write_rec(name, draw_pictures(8))
        job.configure(name, TrainingInputMode="FastFile")
    folder = job.paths.channel("train")
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())}
    channels, _ = job.read()
    assert len(arriving(make_batches(channels.train))) == 8
    # Looking for equal pictures would fetch them all.
    assert channels.duplicates is None
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.iterdir())} == before


def test_shards_are_counted_per_host(job: Any, draw_pictures: Any) -> None:
    """Of a channel that is sharded by key a host has a part, and num_training_samples may mean the whole."""
    job.write_rec("train", draw_pictures(24))
    job.write_rec("validation", draw_pictures(8))
    job.configure("train", S3DistributionType="ShardedByS3Key")
    channels, hyperparameters = job.read(num_training_samples=60)
    assert (len(channels.train), hyperparameters.num_training_samples) == (24, 24)


def test_a_shard_of_listed_pictures(job: Any, draw_pictures: Any) -> None:
    """Stored pictures that are on another host are passed over."""
    for name in ("train", "validation"):
        job.write_list(name, draw_pictures(12))
        job.configure(name, S3DistributionType="ShardedByS3Key", ContentType="application/x-image")
    (job.paths.channel("train") / "0" / "3.jpg").unlink()
    channels, _ = job.read()
    assert len(channels.train) == 11


def test_names_of_classes_beside_folders(job: Any, draw_pictures: Any) -> None:
    """A classes.json decides the order of the classes, and may name one that has no folder."""
    for name in ("train", "validation"):
        job.write_folders(name, draw_pictures(8))
    names = ["plane", "bird", "ship", "flower", "car"]
    (job.paths.channel("train") / "classes.json").write_text(json.dumps(names))
    channels, hyperparameters = job.read()
    assert (channels.classes, hyperparameters.num_classes) == (tuple(names), 5)
    labels = {sample.name.split("/")[1]: sample.labels for sample in channels.train.epoch(0, None)}
    assert labels == {"plane": (0,), "bird": (1,), "flower": (3,), "car": (4,)}


MULTI_HOT = [(1, 0, 1), (0, 0, 0), (0, 1, 0)]
CLASS_IDS = [(0, 2), (), (1,)]


@pytest.mark.parametrize("label_format", ["multi-hot", "class-id"])
@pytest.mark.parametrize("form", ["rec", "lst", "manifest"])
def test_both_label_formats(
    label_format: str, form: str, job: Any, draw_pictures: Callable[..., list[Any]], feeding: Any, write_labelled: Any
) -> None:
    """Several labels a picture are read as a multi-hot vector or as class ids, and come out as a vector."""
    labels = MULTI_HOT if label_format == "multi-hot" else CLASS_IDS
    if form != "manifest" and label_format == "class-id":
        # A record or a list cannot write that there is no label.
        labels = [labels[0], labels[2], labels[2]]
    drawn = draw_pictures(3)
    feeders = [write_labelled(form, name, list(zip(labels, drawn, strict=True))) for name in ("train", "validation")]
    kind = "application/x-image" if form == "lst" else "application/x-recordio"
    suffix = "" if label_format == "multi-hot" else "; label-format=class-id"
    for name in ("train", "validation"):
        config = {"TrainingInputMode": "Pipe", "RecordWrapperType": "RecordIO"} if form == "manifest" else {}
        job.configure(name, ContentType=kind + suffix, **config)
    channels, hyperparameters = job.read(num_classes=3, num_training_samples=3, multi_label=True)
    expected = [MULTI_HOT[0], MULTI_HOT[1] if labels[1] == () or label_format == "multi-hot" else MULTI_HOT[2]]
    assert [sample.labels for sample in channels.train.epoch(0, None)] == [*expected, MULTI_HOT[2]]
    assert len(list(channels.validation.epoch(0, None))) == 3
    assert hyperparameters.num_classes == 3
    assert [feeder.wait(timeout=30) for feeder in feeders if feeder] == ([0, 0] if form == "manifest" else [])


def test_folders_in_a_multi_label_job(job: Any, draw_pictures: Any) -> None:
    """A picture in a class's folder has one label, whatever format the others have; it comes out as a vector."""
    for name in ("train", "validation"):
        job.write_folders(name, draw_pictures(4))
    channels, _ = job.read(multi_label=True)
    labels = [sample.labels for sample in channels.train.epoch(0, None)]
    assert labels == [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]


def test_vectors_reach_the_net(job: Any, draw_pictures: Any, write_labelled: Any, make_batches: Any) -> None:
    """In a multi-label job the labels of a batch are float32 of shape (n, num_classes)."""
    for name in ("train", "validation"):
        write_labelled("rec", name, list(zip(MULTI_HOT, draw_pictures(3), strict=True)))
    (batch,) = make_batches(job.read(multi_label=True)[0].train).epoch(0)
    assert (batch.labels.shape, batch.labels.dtype) == ((3, 3), "float32")
    assert batch.labels.tolist() == [list(labels) for labels in MULTI_HOT]
    assert (batch.pixels.shape, batch.pixels.dtype) == ((3, 3, 32, 32), "float32")
