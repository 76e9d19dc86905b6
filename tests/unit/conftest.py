"""What the unit tests share: hypothesis's settings and small things to feed the code with."""

import atexit
import io
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import configuration, settings
from PIL import Image

from sagemaker_gluoncv_container.data.recordio import Writer

# The same examples on every run, and no time limit on a machine that others use too.
settings.register_profile("tests", derandomize=True, deadline=None, database=None)
settings.load_profile("tests")


# Before the first test is collected: hypothesis's own files stay out of the checkout, and go in the end.
_HYPOTHESIS_HOME = tempfile.mkdtemp(prefix="hypothesis-")
configuration.set_hypothesis_home_dir(_HYPOTHESIS_HOME)
atexit.register(shutil.rmtree, _HYPOTHESIS_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_log_is_left() -> Iterator[None]:
    """Remove what a job or a server that ran in this process has set up to log: its stream is that test's."""
    yield
    for handler in logging.root.handlers[:]:
        if type(handler) is logging.StreamHandler:
            logging.root.removeHandler(handler)


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return an image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session", name="encode")
def encode_() -> Callable[..., bytes]:
    """Return the function that makes a file's bytes of an image."""
    return encode


@pytest.fixture(scope="session")
def write_channel() -> Callable[..., None]:
    """Return a function that writes `<folder>/<name>.rec` with a small picture for each label or tuple of labels.

    Every pixel of picture n is of the colour (n, 7 n % 256, 255 - n), so that it can be told from its pixels.
    """

    def write(folder: Path, labels: list[float] | list[tuple[float, ...]], name: str = "pictures") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with Writer(folder / f"{name}.rec") as writer:
            for number, label in enumerate(labels):
                picture = Image.new("RGB", (12, 10), (number, 7 * number % 256, 255 - number))
                writer.write(label if isinstance(label, tuple) else (float(label),), encode(picture))

    return write
