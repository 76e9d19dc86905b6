"""The documents name everything that can be set."""

from dataclasses import fields
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import contract
from sagemaker_gluoncv_container.serving import settings
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters

DOCUMENTS = sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md"))
CONSTANTS = [*vars(contract).items(), *vars(settings).items()]
VARIABLES = sorted({value for name, value in CONSTANTS if name.isupper() and isinstance(value, str)})


@pytest.fixture(scope="module")
def text() -> str:
    """Return all documents as one."""
    return "\n".join(path.read_text() for path in DOCUMENTS)


@pytest.mark.parametrize("name", [each.name for each in fields(Hyperparameters)])
def test_hyperparameter_is_documented(text: str, name: str) -> None:
    """Every hyperparameter is named in docs/."""
    assert f"`{name}`" in text


@pytest.mark.parametrize("name", VARIABLES)
def test_environment_variable_is_documented(text: str, name: str) -> None:
    """Every environment variable is named in docs/."""
    assert f"`{name}`" in text


def test_variables_are_found() -> None:
    """The list above is taken from constants, of which there are some."""
    assert {"SAGEMAKER_BASE_DIR", "SAGEMAKER_BIND_TO_PORT"} <= set(VARIABLES)
