"""The names of classes beside a channel's pictures."""

import re
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data import classes
from sagemaker_gluoncv_container.errors import ClientError


def test_names_in_the_order_of_the_labels(tmp_path: Path) -> None:
    """The list is read as it is; no file is no names."""
    assert classes.read(tmp_path) == ()
    (tmp_path / classes.CLASSES_FILE).write_text('["car", "b\\u00e4r"]')
    assert classes.read(tmp_path) == ("car", "bär")


@pytest.mark.parametrize(("text", "why"), [("{", "is not JSON"), ('{"car": 0}', "not a list"), ("[1]", "not a list")])
def test_what_is_no_list_of_names(text: str, why: str, tmp_path: Path) -> None:
    """The message names the file and shows what it must be like."""
    path = tmp_path / classes.CLASSES_FILE
    path.write_text(text)
    with pytest.raises(ClientError, match=f"{re.escape(str(path))} .*{why}"):
        classes.read(tmp_path)
