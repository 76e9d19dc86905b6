"""bodies: what a request may be, in every type, and what is found in it."""

import base64
import io
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import ImageRecord
from sagemaker_gluoncv_container.errors import BadRequest, ContainerError, UnsupportedContent
from sagemaker_gluoncv_container.serving.http.bodies import Shape, parse_body
from sagemaker_gluoncv_container.serving.http.content_types import (
    BYTES,
    FORM,
    JSON,
    JSON_LINES,
    JSON_LINES_TYPES,
    RECORDIO,
    TEXT,
)

FRAMED = recordio.frame(recordio.pack(ImageRecord((1.0,), 0, b"picture")))
B64 = base64.b64encode(b"picture").decode()


def encoded(form: str) -> bytes:
    """Return a picture's file."""
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 100, 50)).save(buffer, form)
    return buffer.getvalue()


JPEG = encoded("JPEG")
JPEG_B64 = base64.b64encode(JPEG).decode()


def found(header: str, body: bytes) -> tuple[Shape, list[bytes | ContainerError]]:
    """Return the shape and the pictures of a body."""
    parsed = parse_body(header, body)
    return parsed.shape, list(parsed.pictures)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize(
    "header",
    [
        "application/x-image",
        "Application/X-Image; a=b",
        "IMAGE/JPG",
        "image/jpeg;charset=binary",
        "image/x-ms-bmp",
        "image/heic",
        BYTES,
        "binary/octet-stream",
        "file-path/raw-bytes",
        TEXT,
    ],
)
def test_pictures(header: str, form: str) -> None:
    """The bytes of a picture are found under any type of pictures and of bytes, in any case, with parameters."""
    assert found(header, encoded(form)) == (Shape.ONE, [encoded(form)])


@pytest.mark.parametrize(
    ("start", "kind", "shape"),
    [
        (FRAMED, RECORDIO, Shape.LINES),
        (b' {"image": "', JSON_LINES, Shape.LINES),
        (b'\xef\xbb\xbf{"image": "', JSON_LINES, Shape.LINES),
        (b"\xff\xd8\xff", BYTES, Shape.ONE),
        (b"\0", BYTES, Shape.ONE),
    ],
)
def test_bytes_are_told_by_their_beginning(start: bytes, kind: str, shape: Shape) -> None:
    """application/octet-stream may be records, lines or a picture."""
    body = parse_body(BYTES, start)
    assert (body.kind, body.shape) == (kind, shape)


@pytest.mark.parametrize(
    "header", ["", "text/csv", "application/x-www-form-urlencoded", "image", "image/", "\x00", ";"]
)
def test_other_types(header: str) -> None:
    """Any other type is refused; the message lists those that are taken, shows a command, and says what the body is."""
    with pytest.raises(UnsupportedContent, match="application/x-image, image/jpeg") as caught:
        parse_body(header, JPEG)
    assert "curl --data-binary @picture.jpg" in str(caught.value)
    assert "is a JPEG picture" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (JPEG, '@picture.jpg -H "Content-Type: application/x-image"'),
        (b"anything", '@picture.jpg -H "Content-Type: application/x-image"'),
        (FRAMED, '@pictures.rec -H "Content-Type: application/x-recordio"'),
        (b' {"image": ""}', '@picture.json -H "Content-Type: application/json"'),
    ],
)
def test_the_command_that_is_shown(body: bytes, command: str) -> None:
    """Under a type that is not taken the message shows the command for what the body looks like."""
    with pytest.raises(UnsupportedContent) as caught:
        parse_body("application/x-www-form-urlencoded", body)
    assert command in str(caught.value)


def test_json_as_text() -> None:
    """What a browser sends as plain text may be JSON."""
    assert found("text/plain;charset=UTF-8", json.dumps({"image": B64}).encode()) == (Shape.ONE, [b"picture"])


@pytest.mark.parametrize("header", ["image/jpeg", RECORDIO, JSON_LINES, JSON, BYTES, TEXT, f"{FORM}; boundary=b"])
def test_empty(header: str) -> None:
    """A body without bytes is a bad request, whatever its type."""
    with pytest.raises(BadRequest, match="has no body"):
        parse_body(header, b"")


@pytest.mark.parametrize("header", ["image/jpeg", "application/x-image", BYTES, TEXT])
@pytest.mark.parametrize(
    "text",
    [
        JPEG_B64,
        JPEG_B64.replace("+", "-").replace("/", "_").rstrip("="),
        base64.encodebytes(JPEG).decode(),
        f"data:image/jpeg;base64,{JPEG_B64}",
        f'"{JPEG_B64}"',
    ],
)
def test_pictures_as_text(header: str, text: str) -> None:
    """Base64 and data URIs are taken for the picture that they hold."""
    assert found(header, text.encode()) == (Shape.ONE, [JPEG])


def test_text_that_is_no_picture() -> None:
    """Under a picture's type it is left to the decoder to say what it is; as text it is a bad request."""
    assert found("image/jpeg", b"no base64") == (Shape.ONE, [b"no base64"])
    with pytest.raises(BadRequest, match="not base64"):
        parse_body(TEXT, b"Look at this picture!")


@pytest.mark.parametrize("header", sorted(JSON_LINES_TYPES))
def test_json_lines(header: str) -> None:
    """Each line is a picture, empty lines are none, and a line that holds none is an error in its place."""
    good = json.dumps({"image": B64, "id": 7})
    bad = ["{}", "[]", "7", '{"image": 7}', '{"image": "%%%"}', "no JSON", '{"image": null}', "\xff", "[" * 100_000]
    shape, pictures = found(header, "\r\n\n".join([good, *bad, good]).encode("latin-1"))
    assert shape is Shape.LINES
    assert [pictures[0], pictures[-1]] == [b"picture", b"picture"]
    assert len(pictures) == len(bad) + 2
    assert all(isinstance(each, BadRequest) for each in pictures[1:-1])


def test_records() -> None:
    """A framed body yields each record's picture, a stripped one its one; a cut one ends in an error."""
    assert found(RECORDIO, FRAMED * 2) == (Shape.LINES, [b"picture", b"picture"])
    assert found(RECORDIO, FRAMED[8:32] + b"picture") == (Shape.ONE, [b"picture"])
    _, (whole, error) = found(RECORDIO, FRAMED + FRAMED[:-4])
    assert whole == b"picture"
    assert isinstance(error, ContainerError)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"image": B64, "id": 1}, Shape.ONE),
        ({"b64": B64}, Shape.ONE),
        (f"data:image/png;base64,{B64}", Shape.ONE),
        ([{"image": B64}], Shape.LIST),
        ([B64], Shape.LIST),
        ({"instances": [{"b64": B64}], "signature_name": "serving_default"}, Shape.INSTANCES),
        ({"instances": [{"image": {"b64": B64}}]}, Shape.INSTANCES),
        ({"instances": [B64]}, Shape.INSTANCES),
    ],
)
@pytest.mark.parametrize("header", [JSON, "Application/JSON; charset=UTF-8"])
def test_json(header: str, value: object, shape: Shape) -> None:
    """One JSON value may hold one picture, a list of them, or TensorFlow Serving's instances; indented or not."""
    assert found(header, json.dumps(value).encode()) == (shape, [b"picture"])
    assert found(header, json.dumps(value, indent=2).encode()) == (shape, [b"picture"])


def test_errors_in_json_lists() -> None:
    """A value of a list that holds no picture is an error in its place."""
    shape, (error, picture) = found(JSON, json.dumps({"instances": [{"b64": "%"}, {"b64": B64}]}).encode())
    assert (shape, picture) == (Shape.INSTANCES, b"picture")
    assert isinstance(error, BadRequest)


def test_json_lines_under_the_type_of_json() -> None:
    """Several lines, each an object, are taken for what they are."""
    line = json.dumps({"image": B64})
    assert found(JSON, f"{line}\n{line}\n".encode()) == (Shape.LINES, [b"picture", b"picture"])


@pytest.mark.parametrize(
    "body",
    [
        b"no JSON",
        b"[" * 100_000,
        b'{"image": ',
        b"\xff\xfe",
        b"[]",
        b'{"instances": []}',
        b"{}",
        b"7",
        b"null",
    ],
)
def test_wrong_json(body: bytes) -> None:
    """JSON that is damaged, deep, or without a picture is a client's mistake; the message shows what to send."""
    with pytest.raises((BadRequest, UnsupportedContent), match='Send .?{"image"'):
        found(JSON, body)


def form(*parts: tuple[str, str, bytes], end: str = "--") -> tuple[str, bytes]:
    """Return Content-Type and body of a form, of (disposition, type, data) parts."""
    lines = [
        f"--b0undary\r\nContent-Disposition: form-data; {disposition}\r\n".encode()
        + (f"Content-Type: {kind}\r\n".encode() if kind else b"")
        + b"\r\n"
        + data
        + b"\r\n"
        for disposition, kind, data in parts
    ]
    return 'multipart/form-data; boundary="b0undary"', b"".join(lines) + f"--b0undary{end}\r\n".encode()


FILE = 'name="file"; filename="a b.jpg"'


@pytest.mark.parametrize("kind", ["image/jpeg", BYTES, "text/csv", ""])
def test_a_form_with_a_file(kind: str) -> None:
    """A form's one file is the picture, whatever its type and its field are called; other fields are ignored."""
    assert found(*form((FILE, kind, JPEG))) == (Shape.ONE, [JPEG])
    fields = ('name="id"', "", b"7"), (FILE, kind, JPEG), ('name="none"; filename=""', BYTES, b"")
    assert found(*form(*fields)) == (Shape.ONE, [JPEG])


def test_forms_of_other_things() -> None:
    """A file may hold records, several files are answered one by one, and a field may hold base64."""
    assert found(*form((FILE, BYTES, FRAMED))) == (Shape.LINES, [b"picture"])
    assert found(*form((FILE, "", JPEG), (FILE, "", b"other"))) == (Shape.LINES, [JPEG, b"other"])
    assert found(*form(('name="image"', "", B64.encode()))) == (Shape.ONE, [b"picture"])


@pytest.mark.parametrize(
    ("header", "body"),
    [
        form(),
        form(('name="other"', "", b"7")),
        form((FILE, "", b"")),
        form((FILE, "", JPEG), end=""),
        (FORM, form((FILE, "", JPEG))[1]),
        (f"{FORM}; boundary=other", form((FILE, "", JPEG))[1]),
        (f"{FORM}; boundary=\xe9", b"--"),
        (form()[0], form(*[('name="a"', "", b"1")] * 2000)[1]),
    ],
)
def test_wrong_forms(header: str, body: bytes) -> None:
    """A form that is damaged or holds no file is a bad request that shows the command."""
    with pytest.raises(BadRequest, match="curl -F"):
        found(header, body)


@given(
    kind=st.sampled_from(["image/png", RECORDIO, JSON_LINES, JSON, BYTES, TEXT, f"{FORM}; boundary=b"]),
    start=st.sampled_from([b"", recordio.MAGIC_BYTES, b"--b\r\n", b"{", b"data:"]),
    body=st.binary(max_size=200),
)
def test_any_body(kind: str, start: bytes, body: bytes) -> None:
    """No body makes anything but pictures and errors in their places, or a refusal."""
    with suppress(BadRequest, UnsupportedContent):
        assert all(isinstance(each, bytes | ContainerError) for each in found(kind, start + body)[1])
