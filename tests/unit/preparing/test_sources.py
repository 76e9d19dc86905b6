"""Sources: what each kind lists, and what a file that is not of its kind is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing import sources
from sagemaker_gluoncv_container.preparing.references import References
from sagemaker_gluoncv_container.preparing.settings import Settings
from sagemaker_gluoncv_container.preparing.sources import Item, Listing

REFERENCES = References((), 1)
PNG = b"\x89PNG\r\n\x1a\n"


def listed(source: Path, **changes: object) -> tuple[Listing, list[Item]]:
    """Return what a source is and holds."""
    settings = replace(Settings(str(source), Path("out")), **changes)  # type: ignore[arg-type]
    listing = Listing(sources.kind_of(settings, REFERENCES))
    return listing, list(sources.read(settings, REFERENCES, listing))


def write(folder: Path, *names: str) -> Path:
    """Write files that begin like pictures."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)
    return folder


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["bird/1.jpg", "car/1.jpg"], "folders"),
        (["a.rec"], "rec"),
        (["train/a.rec", "validation/a.rec", "classes.json"], "rec"),
        (["list.lst"], "lst"),
        (["list.csv"], "csv"),
        (["list.manifest"], "manifest"),
        (["a.lst", "._a.lst", ".DS_Store"], "lst"),
        (["a.lst", "bird/1.jpg"], "folders"),
        (["bird/1.jpg", "._old.rec"], "folders"),
    ],
)
def test_kinds(tmp_path: Path, names: list[str], kind: str) -> None:
    """A folder is what it holds, junk aside; --as overrides."""
    settings = Settings(str(write(tmp_path, *names)), Path("out"))
    assert sources.kind_of(settings, REFERENCES) == kind
    assert sources.kind_of(replace(settings, kind="csv"), REFERENCES) == "csv"


@pytest.mark.parametrize("name", ["nowhere", "picture.jpg"])
def test_a_source_that_is_none(tmp_path: Path, name: str) -> None:
    """Neither there nor a list: the message names the endings."""
    write(tmp_path, "picture.jpg")
    with pytest.raises(ClientError, match=name) as raised:
        sources.kind_of(Settings(str(tmp_path / name), Path("out")), REFERENCES)
    assert ".manifest" in raised.value.do


def test_class_folders(tmp_path: Path) -> None:
    """A picture's class is its first folder; a file with another name, and a loose picture, say so."""
    write(tmp_path, "bird/1.jpg", "bird/deep/2.PNG", "car/noending", "car/x.heic", "car/a.txt", "loose.jpg")
    _, items = listed(tmp_path)
    assert {(each.name, each.labels, each.reason) for each in items} == {
        ("bird/1.jpg", ("bird",), None),
        ("bird/deep/2.PNG", ("bird",), None),
        ("car/noending", ("car",), None),
        ("car/x.heic", ("car",), None),
        ("car/a.txt", None, "other-file"),
        ("loose.jpg", None, "unlabelled"),
    }


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints/1.jpg",
        "@eaDir/1.jpg",
        "__MACOSX/1.jpg",
        "bird/.ipynb_checkpoints/1.jpg",
        "bird/@eaDir/t.jpg",
    ],
)
def test_junk_is_neither_class_nor_picture(tmp_path: Path, name: str) -> None:
    """Nothing in a junk folder is listed as a picture."""
    _, items = listed(write(tmp_path, "bird/1.jpg", "car/1.jpg", name))
    assert {each.labels for each in items if each.reason is None} == {("bird",), ("car",)}
    assert [each.name for each in items if each.reason is None] == ["bird/1.jpg", "car/1.jpg"]


def test_a_list(tmp_path: Path) -> None:
    """Numbers stay numbers; several columns of 0 and 1 are several labels."""
    path = tmp_path / "a.lst"
    path.write_text("0\t3\tbird/1.jpg\n1\t0\tcar/2.jpg\n")
    listing, items = listed(path)
    assert (listing.kind, listing.numbered, listing.multi) == ("lst", True, False)
    assert [(each.name, each.reference, each.labels) for each in items] == [
        ("bird/1.jpg", str(tmp_path / "bird" / "1.jpg"), ("3",)),
        ("car/2.jpg", str(tmp_path / "car" / "2.jpg"), ("0",)),
    ]
    path.write_text("0\t1\t0\t1\tbird/1.jpg\n")
    listing, (only,) = listed(path, root="/data")
    assert (listing.multi, only.labels, only.reference) == (True, ("0", "2"), "/data/bird/1.jpg")


@pytest.mark.parametrize("label", ["-1", "0.5", "2\t3", "0.5\t1"])
def test_labels_that_are_none(tmp_path: Path, label: str) -> None:
    """The message names the line."""
    (tmp_path / "a.lst").write_text(f"0\t1\ta.jpg\n1\t{label}\tb.jpg\n")
    with pytest.raises(ClientError, match="Line 2 is labelled"):
        listed(tmp_path / "a.lst")


def test_a_manifest(tmp_path: Path) -> None:
    """Labels are names; what is not taken has its reason."""
    metadata = {"class-name": "bird", "confidence": 0.4, "human-annotated": "no"}
    lines = [
        {"source-ref": "s3://b/1.jpg", "thing": 0, "thing-metadata": metadata},
        {"source-ref": "s3://b/2.jpg", "thing": 0, "thing-metadata": {**metadata, "confidence": 0.9}},
        {"source-ref": "s3://b/3.jpg"},
    ]
    (tmp_path / "a.manifest").write_text("\n".join(map(json.dumps, lines)))
    listing, items = listed(tmp_path / "a.manifest", least_confidence=0.5)
    assert (listing.numbered, listing.multi) == (False, False)
    assert [each.reason for each in items] == ["low-confidence", None, "unlabelled"]
    assert items[1].labels == ("bird",)
    _, items = listed(tmp_path / "a.manifest", only_human=True)
    assert [each.reason for each in items] == ["not-human", "not-human", "unlabelled"]


def test_records(tmp_path: Path) -> None:
    """Each record with its place and its channel; the names of the classes are beside them."""
    (tmp_path / "train").mkdir()
    with Writer(tmp_path / "train" / "a.rec") as writer:
        writer.write((1.0,), b"one")
        writer.write((0.0,), b"two")
    (tmp_path / "classes.json").write_text('["bird", "car"]')
    listing, items = listed(tmp_path)
    assert (listing.numbered, listing.names) == (True, ["bird", "car"])
    assert [(each.name, each.labels, each.side) for each in items] == [
        ("train/a.rec#0", ("1",), "train"),
        ("train/a.rec#1", ("0",), "train"),
    ]
    assert items[0].offset == 0
    assert items[1].offset >= items[0].size > 0


def test_titles() -> None:
    """A number has its name, if there is one; a name is itself."""
    listing = Listing("lst", True, False, ["bird"])
    assert (listing.title("0"), listing.title("7")) == ("0 bird", "7")
    assert Listing("csv", False, False, ["x"]).title("0") == "0"


def test_both_unicode_forms_are_one_class(tmp_path: Path) -> None:
    """A folder that macOS wrote and one that Linux wrote have names that look alike; so have labels of a CSV."""
    composed, decomposed = "Z\u00fcrich", "Zu\u0308rich"
    listing, items = listed(write(tmp_path / "folders", f"{composed}/1.jpg", f"{decomposed}/2.jpg"))
    assert {each.labels for each in items} == {(composed,)}
    assert listing.names == [composed]
    (tmp_path / "a.csv").write_text(f"a.jpg,{composed}\nb.jpg,{decomposed}\n")
    assert {each.labels for each in listed(tmp_path / "a.csv")[1]} == {(composed,)}


@pytest.mark.parametrize("name", ["labels.CSV", "labels.tsv", "labels.csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spreadsheet_of_any_program(tmp_path: Path, name: str, encoding: str) -> None:
    """With a header that nobody knows, backslashes, in any encoding: the pictures are found, and the header is none."""
    write(tmp_path, "train/1.jpg", "train/2.jpg")
    text = "nummer,rasse\r\ntrain\\1.jpg,Spaniel\r\ntrain\\2,Chow-Chow\r\n"
    (tmp_path / name).write_bytes(text.replace(",", "\t" if name.endswith("tsv") else ",").encode(encoding))
    _, items = listed(tmp_path / name)
    assert [(each.reference, each.labels) for each in items] == [
        (str(tmp_path / "train" / "1.jpg"), ("Spaniel",)),
        (str(tmp_path / "train" / "2.jpg"), ("Chow-Chow",)),
    ]


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not vanish. (A test may run as root, who may read everything.)"""

    def scandir(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(sources.os, "scandir", scandir)
    listing = Listing("folders")
    settings = Settings(str(write(tmp_path, "bird/1.jpg")), Path("out"))
    with pytest.raises(ClientError, match=r"bird cannot be read\. Permission denied"):
        list(sources.read(settings, REFERENCES, listing))


def test_empty_folders_are_known(tmp_path: Path) -> None:
    """So that they can be named; junk folders cannot."""
    for name in ("plane", ".git", "@eaDir"):
        (tmp_path / name).mkdir()
    listing, _ = listed(write(tmp_path, "bird/1.jpg"))
    assert listing.names == ["bird", "plane"]
