"""A clone without ../shared is tested as far as it can be: what needs that folder is skipped, and nothing else is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Needs base weights, and has tests that do not.
TESTED = "tests/unit/training/model/test_network.py"


@pytest.fixture
def clone(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the sources and tests, in a folder without anything beside it."""
    folder = tmp_path / "clone" / "checkout"
    for name in ("src", "tests", "local_test"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "work"))
    shutil.copy(root / "pyproject.toml", folder)
    return folder


def run_tests(clone: Path) -> "subprocess.CompletedProcess[str]":
    """Run the tests as CI does."""
    environment = {**os.environ, "CI": "true", "PYTHONPATH": str(clone / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "base", TESTED]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=300)


def test_a_clone_without_shared(clone: Path) -> None:
    """Tests that need base weights are skipped in CI too, and say why; the others run."""
    done = run_tests(clone)
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" in done.stdout
    assert "there are no base weights in ../shared/pretrained, because there is no ../shared" in done.stdout
    assert "failed" not in done.stdout


def test_a_shared_folder_that_lacks_something(clone: Path) -> None:
    """Where ../shared is there and has no base weights, CI fails: somebody meant to test with them."""
    (clone.parent / "shared").mkdir()
    done = run_tests(clone)
    assert done.returncode == 1, done.stdout
    assert "there are no base weights in ../shared/pretrained" in done.stdout
