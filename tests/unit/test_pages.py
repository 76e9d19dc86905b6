"""pages: what strangers cannot put into a page, and the pictures in it."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest
from PIL import Image

from sagemaker_gluoncv_container import pages
from sagemaker_gluoncv_container.errors import UnreadablePicture


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Return a template that shows one name in text and in an attribute."""
    path = tmp_path / "page.html"
    path.write_text(
        '{% if name %}\n  {% if name %}\n<p title="{{ name }}">{{ name }}</p>\n  {% endif %}\n{% endif %}\n'
    )
    return path


def test_names_are_escaped_and_blocks_leave_no_lines(template: Path) -> None:
    """A name cannot become a tag or end an attribute, and lines that hold only a block are not in the page."""
    escaped = "&lt;b&gt;&#34;{{ 7 * 7 }}"
    assert pages.render(template, name='<b>"{{ 7 * 7 }}') == f'<p title="{escaped}">{escaped}</p>\n'


def test_a_value_that_nobody_gave(template: Path) -> None:
    """A template and its caller that disagree are an error, not an empty place."""
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        pages.render(template)


@pytest.mark.parametrize(("size", "shown"), [((320, 200), (96, 60)), ((50, 400), (12, 96)), ((8, 6), (8, 6))])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_thumbnails(encode: Callable[..., bytes], size: tuple[int, int], shown: tuple[int, int], form: str) -> None:
    """A picture keeps its shape and its colours, is small on its longer side, and is never enlarged."""
    uri = pages.thumbnail(encode(Image.new("RGB", size, (200, 40, 90)), form), 96)
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))
    assert (image.format, image.size) == ("JPEG", shown)
    assert image.getpixel((0, 0)) == pytest.approx((200, 40, 90), abs=4)


def test_what_is_not_a_picture() -> None:
    """Bytes that are not a picture raise, so that the caller can show the next one."""
    with pytest.raises(UnreadablePicture):
        pages.thumbnail(b"not a picture", 96)
