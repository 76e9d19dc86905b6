"""arrays: types of arrays are named once, by what they hold, and each has one dtype."""

import ast
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import sagemaker_gluoncv_container
from sagemaker_gluoncv_container import arrays

PACKAGE = Path(sagemaker_gluoncv_container.__file__).parent
DTYPES = {"Pixels": np.uint8, "Floats": np.float32, "Doubles": np.float64, "Integers": np.int64, "Flags": np.bool_}


@pytest.mark.parametrize("name", DTYPES)
def test_a_name_has_one_dtype(name: str) -> None:
    """What a docstring says by the name of a type is exact: Floats are what a net takes, Doubles are statistics."""
    _, dtype = get_args(getattr(arrays, name))
    assert get_args(dtype) == (DTYPES[name],)


def test_a_dtype_has_one_name() -> None:
    """No other module gives these types a name of its own: two names for one thing drift apart."""
    meant = {f"NDArray[np.{dtype.__name__}]" for dtype in DTYPES.values()}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.value) in meant:
                found.append(f"{path.relative_to(PACKAGE).as_posix()}: {ast.unparse(node)}")
    assert {each.split(":")[0] for each in found} == {"arrays.py"}, found
    assert len(found) == len(DTYPES)
