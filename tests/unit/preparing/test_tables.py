"""CSV files: with any header or none, in any order of columns."""

import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing import tables


def rows(text: str, *there: str) -> list[tuple[str, str]]:
    """Return (path, label) of each row; `there` are paths that lead to files."""
    return [(row.path, row.label) for row in tables.read(text, "a.csv", lambda path: path in there)]


@pytest.mark.parametrize(
    "head",
    [
        "path,label",
        "Label,Filename",
        "id,breed",
        "image_id,cultivar",
        "file name,species",
        "whatever,else",
        "FILE,CLASS",
        '"image","category"',
        "target,img",
        "Bild,Klasse",
    ],
)
def test_headers(head: str) -> None:
    """The first row is not a picture, whatever it calls the columns, and the order is found."""
    label_first = head in ("Label,Filename", "target,img")
    lines = ["cat,a.jpg", "dog,b.JPEG"] if label_first else ["a.jpg,cat", "b.JPEG,dog"]
    assert rows("\n".join([head, *lines])) == [("a.jpg", "cat"), ("b.JPEG", "dog")]


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,cat\nb.jpg,label",
        "a.jpg,label\nb.jpg,class",
        "cat,a.jpg\nlabel,b.jpg",
        "x/a,cat\nx/b,dog",
        "a.heic,cat\nb.jpg,dog",
        "train\\a.jpg,cat\ntrain\\b.jpg,dog",
        "s3://bucket/a.jpg,cat\ns3://bucket/b.jpg,dog",
    ],
)
def test_no_header(text: str) -> None:
    """Every row is a picture."""
    assert len(rows(text)) == 2


def test_names_without_an_ending() -> None:
    """As in id,breed: a known name, or a second row that leads to a file while the first does not."""
    assert rows("id,breed\n000bec18,husky\n001513df,dingo") == [("000bec18", "husky"), ("001513df", "dingo")]
    assert rows("nummer,rasse\n000bec18,husky", "000bec18") == [("000bec18", "husky")]
    assert rows("nummer,rasse\n000bec18,husky") == [("nummer", "rasse"), ("000bec18", "husky")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,image,label\n0,a.jpg,cat", ("a.jpg", "cat")),
        ("url,filename,label,split\nhttps://x/a.jpg,b.jpg,cat,train", ("b.jpg", "cat")),
        (",path,breed\n0,a.jpg,cat", ("a.jpg", "cat")),
        ("label,width,path\ncat,3,a.jpg", ("a.jpg", "cat")),
        ("0,a.jpg,cat\n1,b.jpg,dog", ("a.jpg", "cat")),
        ("label,name\ncat,a", ("a", "cat")),
    ],
)
def test_more_columns(text: str, expected: tuple[str, str]) -> None:
    """The columns are found by name, or by what they hold."""
    assert rows(text)[0] == expected


def test_unclear_labels_are_said() -> None:
    """Three columns, none of which has a name for labels."""
    with pytest.raises(ClientError, match="which column of a.csv has the labels") as raised:
        rows("file,colour,shape\na.jpg,red,round")
    assert "file, colour, shape" in raised.value.why


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_forms(delimiter: str, end: str) -> None:
    """Any of three delimiters and three line ends; blank rows and spaces around cells do not count."""
    text = end.join(["path , label", "", "a.jpg , cat", " , ", '"b, c.jpg" ,"d;e"']).replace(" ,", delimiter)
    if delimiter == ",":
        assert rows(text) == [("a.jpg", "cat"), ("b, c.jpg", "d;e")]
    else:
        assert rows(text)[0] == ("a.jpg", "cat")


def test_empty_labels_and_paths() -> None:
    """A row without a label comes with an empty one; one without a path is an error that names the line."""
    assert rows("a.jpg,cat\nb.jpg,\nc.jpg") == [("a.jpg", "cat"), ("b.jpg", ""), ("c.jpg", "")]
    with pytest.raises(ClientError, match=r"Line 3 of a\.csv"):
        rows("path,label\na.jpg,cat\n,dog")


@pytest.mark.parametrize("text", ["", "\n\n", "path,label\n", " , \n"])
def test_nothing(text: str) -> None:
    """An empty file, or only a header, has no rows."""
    assert rows(text) == []


@pytest.mark.parametrize("text", ['a.jpg,"' + "x" * 200_000])
def test_what_is_not_csv(text: str) -> None:
    """A quote that never ends."""
    with pytest.raises(ClientError, match=r"Line 1 of a\.csv is not CSV"):
        rows(text)
