"""The table of picture formats."""

import io

import pytest
from PIL import Image

from sagemaker_gluoncv_container import formats
from sagemaker_gluoncv_container.decoding.picture import describe


@pytest.mark.parametrize("form", formats.TABLE, ids=lambda form: form.name)
def test_pillow_knows_each_format_under_that_name(form: formats.Format) -> None:
    """What Pillow writes in a format is recognized by its first bytes, and opened under the same name."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, form.name)
    assert formats.recognized(buffer.getvalue()[: formats.HEAD_BYTES]) == form
    assert describe(buffer.getvalue()).format == form.name


def test_no_suffix_or_type_belongs_to_two_formats() -> None:
    """A name or a content type promises one format."""
    suffixes = [suffix for each in formats.TABLE for suffix in each.suffixes]
    kinds = [kind for each in formats.TABLE for kind in each.content_types]
    assert len(suffixes) == len(set(suffixes)) == len(formats.SUFFIXES)
    assert len(kinds) == len(set(kinds))
    assert {formats.ANY_PICTURE, *kinds} == formats.ALL_CONTENT_TYPES


@pytest.mark.parametrize("name", ["a.jpg", "b/A.JPEG", "c.jfif", "c.jpe", "d.dib", "e.Tiff", "f.webp"])
def test_names_of_pictures(name: str) -> None:
    """Endings count in any case, the rare ones too."""
    assert formats.is_picture_name(name)


@pytest.mark.parametrize("name", ["jpg", "a.jpg.txt", ".jpg", "a.pdf", "a", "a.jpg/b"])
def test_other_names(name: str) -> None:
    """A file whose name does not end as a picture's is none."""
    assert not formats.is_picture_name(name)


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"GIF88a\1\0", None),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WEBP"),
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"", None),
    ],
)
def test_signatures(head: bytes, form: str | None) -> None:
    """Formats are told by the bytes of their own, not by what other files share with them."""
    found = formats.recognized(head)
    assert (found and found.name) == form


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"  <HTML>", "HTML"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "HTML"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\0\0\0\x20ftypavif", "AVIF"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x20ftypheix", "HEIC"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\1\0\1\0", "an icon"),
        (b'{"image": 1}', "JSON"),
        (b"noise", None),
        (b"", None),
    ],
)
def test_other_kinds(head: bytes, kind: str | None) -> None:
    """What arrives under a picture's name is called what it is."""
    assert formats.other_kind(head) == kind
