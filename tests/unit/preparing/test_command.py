"""The command: options become settings, exit codes say what happened, files get no progress bar."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sagemaker_gluoncv_container.preparing import command, preparation
from sagemaker_gluoncv_container.preparing.settings import Settings
from support.prepared import draw_folders


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return class folders with a few pictures."""
    return draw_folders(tmp_path / "pictures", {"bird": 5, "car": 5, "plane": 1})


def test_options_become_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of option arrives as its type; a ratio is exact."""
    asked: list[Settings] = []
    monkeypatch.setattr(preparation, "prepare", lambda settings, _: asked.append(settings))
    options = ["--train-ratio", "0.7", "--per-class", "a=1,2", "--map", "s3://b/p=/data", "--shard-size", "2KB"]
    options += ["--near-duplicates", "keep", "--host-port", "99", "--threads", "3", "--no-progress", "--as", "csv"]
    result = CliRunner().invoke(command.prepare, ["source", str(tmp_path / "out"), *options], catch_exceptions=False)
    assert result.exit_code == 0
    (settings,) = asked
    assert settings.train_ratio == Decimal("0.7")
    assert settings.per_class == {"a": 1, "*": 2}
    assert settings.maps == (("s3://b/p/", Path("/data")),)
    assert (settings.shard_bytes, settings.near_duplicates, settings.kind) == (2048, "keep", "csv")
    assert (settings.host_port, settings.threads, settings.progress) == (99, 3, False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Give SOURCE and OUT, or --check FOLDER."),
        (["a", "b", "--train-ratio", "nine"], "'nine' is not a number."),
        (["a", "b", "--test-ratio", "1.5"], "1.5 is not from 0 to 1."),
        (["a", "b", "--train-ratio", "nan"], "not"),
        (["a", "b", "--shard-size", "big"], "'big' is not a size."),
        (["a", "b", "--per-class", "bird"], "Option --per-class has 'bird'."),
        (["nowhere", "b"], "The source nowhere is neither a folder nor a list."),
        (["a", "b", "--host-port", "0"], "--host-port"),
        (["a", "b", "--host-seconds", "-1"], "--host-seconds"),
    ],
)
def test_what_is_wrong_is_exit_code_2(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With words and no traceback."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command.prepare, arguments, catch_exceptions=False)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


def limited(pictures: Path, out: Path, size: int) -> subprocess.CompletedProcess[str]:
    """Run the command where no file can become larger than that, bytes: as on a disk that fills up."""
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "from sagemaker_gluoncv_container.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "prepare", str(pictures), str(out), "--no-progress", "--resize", "40"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("size", [10_000, 60_000])
def test_a_full_disk_is_said(tmp_path: Path, size: int) -> None:
    """First the journal does not fit, then the spool: in words, with the room that is left, and no traceback."""
    done = limited(draw_folders(tmp_path / "many", {"bird": 60, "car": 60}), tmp_path / "out", size)
    assert done.returncode in (1, 2)
    assert f"What was prepared cannot be written to {tmp_path / 'out'}." in done.stderr
    assert "bytes (" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_said(pictures: Path, tmp_path: Path) -> None:
    """OUT under a file."""
    (tmp_path / "file").write_text("x")
    result = CliRunner().invoke(
        command.prepare, [str(pictures), str(tmp_path / "file" / "out")], catch_exceptions=False
    )
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_another_hosts_failure_is_exit_code_1(pictures: Path, tmp_path: Path) -> None:
    """An AlgorithmError, which the user of this host cannot fix here."""
    config = tmp_path / "ml" / "config" / "resourceconfig.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"current_host": "127.0.0.2", "hosts": ["127.0.0.1", "127.0.0.2"]}))
    arguments = [str(pictures), str(tmp_path / "out"), "--host-seconds", "0.2", "--host-port", "1", "--no-progress"]
    environment = {"SAGEMAKER_BASE_DIR": str(tmp_path / "ml")}
    result = CliRunner().invoke(command.prepare, arguments, env=environment, catch_exceptions=False)
    assert result.exit_code == 1
    assert result.stderr.startswith("AlgorithmError: 127.0.0.1 did not answer on port 1")


def test_check_tells_by_its_exit_code(pictures: Path, tmp_path: Path) -> None:
    """0 if nothing is found, 2 with findings; JSON on stderr."""
    out = tmp_path / "out"
    assert CliRunner().invoke(command.prepare, [str(pictures), str(out)], catch_exceptions=False).exit_code == 0
    result = CliRunner().invoke(command.prepare, ["--check", str(out)], catch_exceptions=False)
    assert (result.exit_code, json.loads(result.stderr)["findings"]) == (0, [])
    (out / "train" / "pictures-00000.idx").write_text("0\t99\n")
    result = CliRunner().invoke(command.prepare, ["--check", str(out)], catch_exceptions=False)
    assert result.exit_code == 2
    assert [each["kind"] for each in json.loads(result.stderr)["findings"]] == ["wrong-index"]


def test_no_bar_is_written_into_a_file(pictures: Path, tmp_path: Path) -> None:
    """Redirected, stderr is empty, and stdout names the class that vanished."""
    arguments = [
        sys.executable,
        "-m",
        "sagemaker_gluoncv_container.cli",
        "prepare",
        str(pictures),
        str(tmp_path / "out"),
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, env=os.environ, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Class plane is left out" in done.stdout
    assert "\r" not in done.stdout


def test_every_option_has_help() -> None:
    """One line each, in words."""
    for option in command.prepare.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert "\n" not in option.help
