"""The command line: its commands, their help, their exit codes."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sagemaker_gluoncv_container import __version__
from sagemaker_gluoncv_container.cli import main


def run(*arguments: str) -> Result:
    """Run the command line; an exception of ours is shown as it is."""
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_help_names_every_command() -> None:
    """One whole line for each, none of them cut, and the exit codes."""
    result = run("--help")
    assert result.exit_code == 0
    for name, command in main.commands.items():
        (line,) = [line for line in result.stdout.splitlines() if line.strip().startswith(name)]
        assert line.split() == [name, *command.get_short_help_str(200).split()]
        assert line.endswith(".")
        assert not line.endswith("...")
    assert "Exit code 0" in result.stdout


@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_command_says_its_exit_codes(name: str) -> None:
    """And explains each option."""
    result = run(name, "-h")
    assert result.exit_code == 0
    assert "Exit code" in result.stdout
    assert all(option.help for option in main.commands[name].params if isinstance(option, click.Option))


def test_the_version() -> None:
    """As the package has it."""
    assert __version__ in run("--version").stdout


def test_an_unknown_command() -> None:
    """Exit code 2, as for everything that the user can fix."""
    result = run("prepair")
    assert result.exit_code == 2
    assert "prepair" in result.stderr


def test_quantize_needs_a_model(tmp_path: Path) -> None:
    """An empty folder is a ClientError with exit code 2, and no traceback."""
    folder = str(tmp_path)
    result = run("quantize", folder, "--calibration", folder, "--validation", folder)
    assert result.exit_code == 2
    assert result.stderr.startswith("ClientError: ")
    assert "Traceback" not in result.output
