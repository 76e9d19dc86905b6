"""Promise: whatever a user gets wrong is said in words, with the exit code or the status that is due."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from support.containers import USER, Job, Server, serving, started, write_tree

Runner = Callable[..., Job]
# The platform kills 120 s after a training job's SIGTERM; ours is meant to be done long before.
STOPPED_SECONDS = 30


def assert_is_told(job: Job, *words: str) -> None:
    """Assert that the job ended with 2 and that its reason, in failure and in the log, has all these words."""
    assert job.exit_code == 2, job.log
    assert job.failure.startswith("ClientError: ")
    assert [word for word in words if word not in job.failure] == []
    assert job.failure in job.log
    assert "Traceback" not in job.log


def channels_with(drawn: Mapping[str, Path], folder: Path, records: bytes) -> Mapping[str, Path]:
    """Return the channels with another train.rec."""
    folder.mkdir()
    (folder / "train.rec").write_bytes(records)
    return {**drawn, "train": folder}


def test_bad_hyperparameters_are_all_named(job: Runner) -> None:
    """One job is enough to learn of every hyperparameter that is wrong, and of what was likely meant."""
    done = job(epochs="many", learning_rate="7", mini_batchsize="16")
    assert_is_told(done, "3 faults", "epochs is 'many'", "learning_rate is '7'", "Did you mean mini_batch_size?")


def test_a_missing_channel_is_named(job: Runner, drawn: Mapping[str, Path]) -> None:
    """A job without a validation channel says so, and what to do."""
    assert_is_told(job({"train": drawn["train"]}), "Channel validation is missing", "Give the job a validation channel")


def test_an_empty_file_is_named(job: Runner, drawn: Mapping[str, Path], tmp_path: Path) -> None:
    """A .rec file without a byte is no silent epoch of nothing."""
    assert_is_told(job(channels_with(drawn, tmp_path / "train", b"")), "Channel train is empty", "train.rec")


def test_a_cut_file_is_named(job: Runner, drawn: Mapping[str, Path], tmp_path: Path) -> None:
    """A .rec file that ends in the middle of a record is refused before training starts, with the place."""
    whole = (drawn["train"] / "pictures.rec").read_bytes()
    done = job(channels_with(drawn, tmp_path / "train", whole[: len(whole) // 2]))
    assert_is_told(done, "train.rec ends in the middle of record", "starts at byte", "Write or upload it again")


def test_too_few_classes_are_corrected(job: Runner) -> None:
    """A num_classes that the labels do not fit is refused with the number that would."""
    assert_is_told(job(num_classes="2"), "num_classes is 2", "Set num_classes to 4")


@pytest.mark.usefixtures("pretrained")
def test_weights_that_the_image_has_not_are_named(job: Runner) -> None:
    """Pretrained weights for a net that the image has none for: it says which it has, and what to do."""
    done = job(num_layers="34")
    assert_is_told(done, "no base weights of resnet34_v1b", "Found in", "or set use_pretrained_model to 0")


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"this is no picture", {}, 415, "The picture cannot be read"),
        (None, {"content_type": "text/csv"}, 415, "Content-Type is 'text/csv'"),
        (None, {"Accept": "text/csv"}, 406, "Accept is 'text/csv'"),
    ],
    ids=["text as a picture", "content type", "accept"],
)
def test_a_bad_request_gets_its_status_and_words(
    server: Server, flower: bytes, body: bytes | None, headers: dict[str, str], status: int, words: str
) -> None:
    """A request that cannot be answered gets a JSON error that says why; the log shows nothing alarming."""
    response = server.ask(body or flower, **headers)
    assert response.status_code == status
    assert words in response.json()["error"]


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_stopped_job_leaves_a_model(
    epoch: int, tmp_path: Path, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str], flower: bytes
) -> None:
    """SIGTERM in the middle of an epoch, the first or a later one, ends the job in time with a model to serve."""
    slow = {**hyperparameters, "epochs": "100", "mini_batch_size": "4"}
    with started("train", *write_tree(tmp_path, slow, drawn), *USER) as container:
        container.wait_for_log(f"Epoch[{epoch}] Batch [20]")
        exit_code, took = container.stop(60)
        log = container.log
    assert exit_code == 0, log
    assert took < STOPPED_SECONDS
    assert "Asked to stop" in log
    assert f"Epoch[{epoch}] Train-accuracy" not in log
    with serving(tmp_path / "model") as server:
        assert len(server.ask(flower).json()) == 4
