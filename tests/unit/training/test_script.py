"""training.script: a user's own script, run by a stand-in for sagemaker-training, which needs a compiler to install.

The stand-in does what version 5.1.4 was seen to do: it logs to stderr, runs the script as a child, never forwards
SIGTERM, and writes `success`, or a failure file without the script's stderr, unless there is one already. The container
tests run the real one.
"""

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.jobs import Job, write_hyperparameters

TOOLKIT = """
import json, os, pathlib, subprocess, sys, traceback

from sagemaker_training import entry_point

class ChildFailed(Exception):
    pass

def main():
    base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
    output = base / "output"
    output.mkdir(exist_ok=True)
    print("the toolkit's own log", file=sys.stderr)
    try:
        entry_point._wait_hostname_resolution()
        program = json.loads((base / "input/config/hyperparameters.json").read_text())["sagemaker_program"]
        if program.startswith("pip"):
            command = {"pip_requirements.py": "-r requirements.txt", "pip_package.py": ". "}[program]
            print("ERROR: No matching distribution found for nosuch", file=sys.__stderr__)
            raise ChildFailed(1, f"{sys.executable} -m pip install {command}")
        if program == "no_download.py":
            raise RuntimeError("cannot download sourcedir.tar.gz")
        command = ["/bin/sh", "-c", f"./{program} 1"] if program.endswith(".sh") else [sys.executable, program]
        code = subprocess.run(command, cwd=base).returncode
        failure = f'ExecuteUserScriptError:\\nExitCode {code}\\nErrorMessage ""\\nCommand "{program}"'
    except ChildFailed as error:
        code, command = error.args
        failure = f'ExecuteUserScriptError:\\nExitCode {code}\\nErrorMessage ""\\nCommand "{command}"'
    except Exception as error:
        code, failure = 1, f"Framework Error: \\n{traceback.format_exc()}\\n{error}"
    if code == 0:
        (output / "success").touch()
    elif not (output / "failure").exists():
        (output / "failure").write_text(failure)
    sys.exit(min(abs(code), 1))
"""


ENTRY_POINT = """
def _wait_hostname_resolution():
    print("waiting for the hosts' names", flush=True)
"""


class Run(Job):
    """A job whose script is given as text."""

    def __init__(self, base: Path, name: str, text: str, first: str = "", hosts: Sequence[str] = ("algo-1",)) -> None:
        """`first` is done in the job's process before the job."""
        write_hyperparameters(base, {"sagemaker_program": name, "any": "1"})
        resources = json.dumps({"current_host": hosts[0], "hosts": hosts})
        (base / "input" / "config" / "resourceconfig.json").write_text(resources)
        package = base / "lib" / "sagemaker_training" / "cli"
        package.mkdir(parents=True)
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()
        (package / "train.py").write_text(TOOLKIT)
        (package.parent / "entry_point.py").write_text(ENTRY_POINT)
        (base / name).write_text(textwrap.dedent(text).lstrip())
        (base / name).chmod(0o755)
        path = os.pathsep.join([str(base / "lib"), *filter(None, [os.environ.get("PYTHONPATH")])])
        code = (
            f"import sys; from sagemaker_gluoncv_container.training import job, script\n{first}\nsys.exit(job.main())"
        )
        super().__init__(base, (sys.executable, "-c", code), PYTHONPATH=path)

    def stop_at(self, text: str) -> int:
        """Send SIGTERM, as the platform does, once a text was logged; return the exit code."""
        self.wait_for_log(text)
        return self.stop()[0]


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a script's job; whatever is left of it in the end is killed."""
    runs = []

    def start(text: str, name: str = "train.py", **given: Any) -> Run:
        runs.append(Run(tmp_path, name, text, **given))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def test_stopped_before_there_is_a_script(start: Start) -> None:
    """A SIGTERM that comes before the script can be started still ends it."""
    signalled = """
import os, signal
run = script.run
def stopped(*given):
    os.kill(os.getpid(), signal.SIGTERM)
    return run(*given)
script.run = stopped
"""
    run = start("import time; time.sleep(600)", first=signalled)
    assert run.wait() == 2, run.log
    assert "The job was stopped" in run.failure


def test_success(start: Start) -> None:
    """A script that ends well ends the job well, its output is the log, and it finds the job's tree."""
    run = start(
        """
        import os, pathlib, sys
        print("on stdout")
        print("on stderr", file=sys.stderr)
        pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "model").mkdir()
        """
    )
    assert run.wait() == 0, run.log
    assert run.failure == ""
    assert (run.base / "model").is_dir()
    for text in ("on stdout", "on stderr", "the toolkit's own log"):
        assert text in run.log


def test_failure_has_the_end_of_stderr(start: Start) -> None:
    """A script that fails ends the job with 2, and its last words, not the toolkit's, are the reason."""
    run = start("import sys; print('x' * 5000, file=sys.stderr); sys.exit('no pictures of cats')")
    assert run.wait() == 2
    assert run.failure.startswith("ClientError: The script failed with exit code 1. ")
    assert "no pictures of cats. See the log for all of it." in run.failure
    assert "toolkit" not in run.failure
    assert len(run.failure) <= 1024
    assert "no pictures of cats" in run.log


def test_exit_code_is_told(start: Start) -> None:
    """The script's own exit code is in the reason; the job's says that it is the user's to fix."""
    run = start("raise SystemExit(42)")
    assert run.wait() == 2
    assert run.failure.startswith("ClientError: The script failed with exit code 42")


def test_reason_of_the_script_is_kept(start: Start) -> None:
    """A script that writes the failure file itself is believed."""
    run = start(
        """
        import os, pathlib
        failure = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "output", "failure")
        failure.parent.mkdir(exist_ok=True)
        failure.write_text("the label file is empty")
        raise SystemExit(1)
        """
    )
    assert run.wait() == 2
    assert "the label file is empty" in run.failure


def test_toolkit_that_fails(start: Start) -> None:
    """If the toolkit cannot even start the script, its reason is told."""
    run = start("", name="no_download.py")
    assert run.wait() == 2
    assert run.failure.startswith("ClientError: The script could not be run. ")
    assert "cannot download sourcedir.tar.gz" in run.failure


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("pip_requirements.py", "The packages in requirements.txt could not be installed, so the script did not run"),
        ("pip_package.py", "The package in the source_dir could not be installed, so the script did not run"),
    ],
)
def test_packages_that_cannot_be_installed(start: Start, name: str, what: str) -> None:
    """A script that never ran has not failed: what failed is pip, and its reason is told."""
    run = start("", name=name)
    assert run.wait() == 2
    assert run.failure.startswith(f"ClientError: {what}. ")
    assert "No matching distribution found for nosuch. Check names, versions and the job's network" in run.failure


@pytest.mark.parametrize("hosts", [["algo-1"], ["algo-1", "algo-2"]], ids=len)
def test_names_of_hosts_are_waited_for_only_where_there_are_several(start: Start, hosts: list[str]) -> None:
    """A host alone needs no name, and without a network its name would be waited for in vain."""
    run = start("print('the script runs')", hosts=hosts)
    assert run.wait() == 0
    assert "the script runs" in run.log
    assert ("waiting for the hosts' names" in run.log) == (len(hosts) > 1)


def test_script_that_is_killed(start: Start) -> None:
    """A script that a signal ended, as when memory runs out, is told by the signal's name."""
    run = start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert run.wait() == 2
    assert "SIGKILL ended the script" in run.failure


SAVING = """
import signal, sys
def save(*_):
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("training", flush=True)
while True:
    signal.pause()
"""


def test_stop_reaches_the_script(start: Start) -> None:
    """SIGTERM comes to the script, which may save and end well, and so does the job."""
    run = start(SAVING)
    assert run.stop_at("training") == 0, run.log
    assert "saved" in run.log
    assert run.failure == ""


def test_stop_reaches_through_a_shell(start: Start) -> None:
    """A shell script would not pass the signal on: what it runs gets it too."""
    run = start(f'#!/bin/sh\n{sys.executable} - <<"END"\n{SAVING}\nEND\n', name="train.sh")
    assert run.stop_at("training") == 0, run.log
    assert "saved" in run.log


def test_stop_leaves_the_scripts_workers_alone(start: Start) -> None:
    """The processes that a script has started are its own to end."""
    run = start(
        """
        import signal, subprocess, sys
        worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        def save(*_):
            worker.communicate(b"end")
            print("the worker ended with", worker.returncode, flush=True)
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("training", flush=True)
        while True:
            signal.pause()
        """
    )
    assert run.stop_at("training") == 0, run.log
    assert "the worker ended with 0" in run.log


def test_stop_of_a_script_that_does_not_listen(start: Start) -> None:
    """A script that just dies of SIGTERM was stopped, which the reason says."""
    run = start("import signal; print('training', flush=True); signal.pause()")
    assert run.stop_at("training") == 2
    assert run.failure.startswith("ClientError: The job was stopped")


def test_process_that_is_left_behind(start: Start) -> None:
    """A process that outlives the script, and holds its stderr, does not keep the job from ending."""
    run = start("import subprocess; subprocess.Popen(['sleep', '600'])")
    assert run.wait() == 0
