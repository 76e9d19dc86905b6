"""The documents name everything that can be set."""

from dataclasses import fields
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import contract
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters

DOCUMENTS = sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md"))
SERVING = DOCUMENTS[0].with_name("serving.md")


@pytest.fixture(scope="module")
def text() -> str:
    """Return all documents as one."""
    return "\n".join(path.read_text() for path in DOCUMENTS)


@pytest.mark.parametrize("name", [each.name for each in fields(Hyperparameters)])
def test_hyperparameter_is_documented(text: str, name: str) -> None:
    """Every hyperparameter is named in docs/."""
    assert f"`{name}`" in text


@pytest.mark.parametrize("variable", contract.VARIABLES, ids=lambda variable: variable.name)
def test_environment_variable_is_documented(text: str, variable: contract.Variable) -> None:
    """Every environment variable is named in docs/."""
    assert f"`{variable.name}`" in text


@pytest.mark.parametrize("variable", contract.VARIABLES, ids=lambda variable: variable.name)
def test_defaults_and_ranges_are_documented(variable: contract.Variable) -> None:
    """Where docs/serving.md has a row for a variable, its default and its range are those that the code has."""
    rows = [line for line in SERVING.read_text().splitlines() if line.startswith(f"| `{variable.name}` |")]
    assert len(rows) == 1
    name, default, accepts, what = rows[0].removeprefix("| ").removesuffix(" |").split(" | ")
    assert (name, default, accepts.strip()) == (
        f"`{variable.name}`",
        variable.default or "none",
        variable.accepts or "any text",
    )
    assert what


def test_variables_are_found() -> None:
    """The list has every variable of the module once, and some that everybody knows."""
    names = [variable.name for variable in contract.VARIABLES]
    assert len(set(names)) == len(names)
    assert {"SAGEMAKER_BASE_DIR", "SAGEMAKER_BIND_TO_PORT", "OMP_NUM_THREADS"} <= set(names)
