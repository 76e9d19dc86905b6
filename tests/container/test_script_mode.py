"""Promise: a user's own script (`entry_point` in the SDK) runs as it does in AWS's images, and better where those fail.

It gets SIGTERM, and the end of its stderr is the job's FailureReason.
"""

import json
import tarfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from support.containers import IMAGE, USER, Container, started, write_tree

# The SDK does not close the pipes to docker-compose.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

SCRIPT_STOP_SECONDS = 10
# Says on stdout that it is ready, and leaves a file when it is asked to stop.
PATIENT = """
import pathlib, signal, sys, time

def stop(*_):
    pathlib.Path("/opt/ml/model/stopped").write_text("in good order")
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
print("ready to be stopped", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.fixture
def estimator(local_session: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that makes an Estimator of a script in a source_dir, with another module beside it."""

    def make(script: str, **hyperparameters: object) -> Any:
        from sagemaker.estimator import Estimator

        source = tmp_path / "source"
        source.mkdir()
        (source / "train.py").write_text(dedent(script))
        (source / "beside.py").write_text("WORD = 'from beside'\n")
        return Estimator(
            image_uri=IMAGE,
            role="arn:aws:iam::123456789012:role/unused",
            instance_count=1,
            instance_type="local",
            entry_point="train.py",
            source_dir=str(source),
            hyperparameters=hyperparameters,
            output_path=f"file://{tmp_path / 'output'}",
            sagemaker_session=local_session,
        )

    return make


def member(archive: Path, name: str) -> str:
    """Return the text of a file in model.tar.gz or output.tar.gz."""
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read().decode()


def test_a_script_gets_its_arguments_and_leaves_a_model(
    estimator: Callable[..., Any], drawn: Mapping[str, Path], tmp_path: Path
) -> None:
    """Hyperparameters come as arguments, channels by their variables; MXNet and the script's neighbours import."""
    script = """
        import json, os, pathlib, sys
        import mxnet, gluoncv
        from beside import WORD

        told = {"arguments": sys.argv[1:], "word": WORD, "channel": sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"]))}
        pathlib.Path(os.environ["SM_MODEL_DIR"], "told.json").write_text(json.dumps(told))
    """
    estimator(script, epochs=3, rate=0.5, title="two words").fit({"train": f"file://{drawn['train']}"})
    told = json.loads(member(tmp_path / "output" / "model.tar.gz", "told.json"))
    assert told == {
        "arguments": ["--epochs", "3", "--rate", "0.5", "--title", "two words"],
        "word": "from beside",
        "channel": ["classes.json", "pictures.idx", "pictures.rec"],
    }


def test_a_failing_script_fails_the_job_with_its_last_words(estimator: Callable[..., Any], tmp_path: Path) -> None:
    """The job fails, and the failure file tells the script's exit code and the end of its stderr."""
    script = """
        import sys
        for number in range(1000):
            print("chatter", number, file=sys.stderr)
        print("the oven is cold", file=sys.stderr)
        sys.exit(7)
    """
    with pytest.raises(RuntimeError, match="exited with code: 2"):
        estimator(script).fit()
    failure = member(tmp_path / "output" / "output.tar.gz", "failure")
    assert failure.startswith("ClientError: The script failed with exit code 7")
    assert "chatter 999 the oven is cold." in failure
    assert "chatter 0" not in failure


def test_a_reason_that_the_script_wrote_is_kept(estimator: Callable[..., Any], tmp_path: Path) -> None:
    """A script may write its own output/failure, as the platform lets it: that is the reason, and not its stderr."""
    script = """
        import pathlib, sys
        pathlib.Path("/opt/ml/output/failure").write_text("the flour is out")
        sys.exit("never mind this")
    """
    with pytest.raises(RuntimeError, match="exited with code: 2"):
        estimator(script).fit()
    assert "the flour is out" in member(tmp_path / "output" / "output.tar.gz", "failure")


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., AbstractContextManager[Container]]:
    """Return a function that starts a job with a program of this name and text, and patient.py beside it."""

    def run(program: str, text: str, *flags: str, requirements: str = "") -> AbstractContextManager[Container]:
        code = tmp_path / "code"
        code.mkdir()
        (code / "patient.py").write_text(PATIENT)
        (code / program).write_text(text)
        if requirements:
            (code / "requirements.txt").write_text(requirements)
        mounts = write_tree(tmp_path / "ml", {"sagemaker_program": json.dumps(program)}, {})
        return started("train", *mounts, "--volume", f"{code}:/opt/ml/code", *USER, *flags)

    return run


@pytest.mark.parametrize(
    ("program", "text", "left"),
    [
        ("patient.py", PATIENT, ["stopped"]),
        ("plain.sh", "#!/bin/bash\npython3 patient.py\n", ["stopped"]),
        ("trap.sh", "#!/bin/bash\ntrap 'touch ../model/trapped' TERM\npython3 patient.py\n", ["stopped", "trapped"]),
    ],
    ids=["Python", "shell", "shell with a trap"],
)
def test_a_stop_reaches_the_script(
    start: Callable[..., AbstractContextManager[Container]], tmp_path: Path, program: str, text: str, left: list[str]
) -> None:
    """SIGTERM to the container reaches a Python script, also one that a shell runs, and the job ends in seconds."""
    with start(program, text) as container:
        container.wait_for_log("ready to be stopped", 60)
        exit_code, took = container.stop(60)
        log = container.log
    assert exit_code == 0, log
    assert took < SCRIPT_STOP_SECONDS
    assert sorted(path.name for path in (tmp_path / "ml" / "model").iterdir()) == left


def test_a_script_that_does_not_heed_the_stop_is_told_of_it(
    start: Callable[..., AbstractContextManager[Container]], tmp_path: Path
) -> None:
    """A script that does not handle SIGTERM ends at once, and the reason says that it could have."""
    with start("deaf.py", "import time\nprint('ready to be stopped')\ntime.sleep(600)\n") as container:
        container.wait_for_log("ready to be stopped", 60)
        exit_code, took = container.stop(60)
    assert exit_code == 2
    assert took < SCRIPT_STOP_SECONDS
    assert "did not exit cleanly on SIGTERM" in (tmp_path / "ml" / "output" / "failure").read_text()


def test_a_script_without_a_network_starts_at_once(
    start: Callable[..., AbstractContextManager[Container]], tmp_path: Path
) -> None:
    """No name of a host is waited for where there is only one: the toolkit would do so for up to 15 minutes."""
    with start("plain.py", "print('the script runs')\n", "--network", "none") as container:
        container.wait_for_log("the script runs", 40)
        assert container.wait() == 0


def test_packages_that_cannot_be_installed(
    start: Callable[..., AbstractContextManager[Container]], tmp_path: Path
) -> None:
    """A requirements.txt that fails is named, and not the script, which never ran."""
    nothing = "no-such-package-of-sagemaker-gluoncv==1.0\n"
    with start("plain.py", "print('the script runs')\n", "--network", "none", requirements=nothing) as container:
        assert container.wait() == 2
        assert "the script runs" not in container.log
    failure = (tmp_path / "ml" / "output" / "failure").read_text()
    assert failure.startswith("ClientError: The packages in requirements.txt could not be installed")
    assert "no-such-package-of-sagemaker-gluoncv" in failure
