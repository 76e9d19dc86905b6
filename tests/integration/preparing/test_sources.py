"""Every kind of source gives the channels that its labels say, and a `.rec` can be cleaned and split again."""

import csv
import json
from pathlib import Path

import pytest

from sagemaker_gluoncv_container.data.record_files import scan
from sagemaker_gluoncv_container.data.recordio import Writer
from support.prepared import Prepare, draw, draw_folders, invoke, tree

COUNTS = {"bird": 20, "car": 20}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders."""
    return draw_folders(tmp_path_factory.mktemp("pictures"), COUNTS)


def names(pictures: Path) -> list[str]:
    """Return the relative paths of the pictures."""
    return sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.jpg"))


def test_a_list_keeps_its_numbers(pictures: Path, prepare: Prepare, tmp_path: Path) -> None:
    """Labels of a .lst go into the records as they are; a file that is not there is listed, not fatal."""
    lines = [f"{index}\t{4 if 'car' in name else 1}\t{name}" for index, name in enumerate(names(pictures))]
    listing = tmp_path / "train.lst"
    listing.write_text("\n".join([*lines, "99\t1\tgone.jpg", ""]))
    prepared = prepare(listing, "--root", str(pictures))
    assert prepared.left_out() == {"missing": {"gone.jpg"}}
    assert {packed.labels[0] for packed in prepared.records()} == {1.0, 4.0}
    assert prepared.classes == ["0", "1", "2", "3", "4"]
    for packed in prepared.records():
        assert packed.labels[0] == (4 if "car" in packed.name else 1)


def test_a_list_with_several_labels(pictures: Path, prepare: Prepare, tmp_path: Path) -> None:
    """A 0 or 1 for each class stays what it is."""
    lines = [f"{index}\t{index % 2}\t1\t{index % 3 // 2}\t{name}" for index, name in enumerate(names(pictures))]
    listing = tmp_path / "train.lst"
    listing.write_text("\n".join(lines))
    prepared = prepare(listing, "--root", str(pictures))
    wanted = {name: (index % 2, 1, index % 3 // 2) for index, name in enumerate(names(pictures))}
    assert {packed.name: packed.labels for packed in prepared.records()} == wanted


@pytest.mark.parametrize("head", [True, False])
def test_a_spreadsheet(head: bool, pictures: Path, prepare: Prepare) -> None:
    """A CSV with or without a header gives classes by name; an empty label is listed as one."""
    listing = pictures / f"labels-{head}.csv"
    with listing.open("w", newline="") as file:
        writer = csv.writer(file)
        if head:
            writer.writerow(["Label", "Filename"])
        for index, name in enumerate(names(pictures)):
            label = "" if index == 3 else f"a, {name.split('/')[0]}"
            writer.writerow([label, name] if head else [name, label])
    prepared = prepare(listing)
    listing.unlink()
    assert prepared.classes == ["a, bird", "a, car"]
    assert prepared.left_out() == {"unlabelled": {names(pictures)[3]}}
    for packed in prepared.records():
        assert prepared.classes[int(packed.labels[0])] == f"a, {packed.name.split('/')[0]}"


def test_records_are_cleaned_and_split_again(prepare: Prepare, tmp_path: Path) -> None:
    """A .rec with a cut picture and a copy in it comes out without them, under the same numbers and names."""
    source = tmp_path / "records"
    source.mkdir()
    (source / "classes.json").write_text(json.dumps(["car", "plane", "spare"]))
    with Writer(source / "all.rec") as writer:
        for seed in range(20):
            for label, name in enumerate(("car", "plane")):
                writer.write((float(label),), draw(name, seed, 80, 60))
        writer.write((0.0,), draw("car", 0, 80, 60))
        writer.write((0.0,), draw("car", 30, 80, 60)[:900])
    prepared = prepare(source, "--train-ratio", "0.75")
    assert prepared.left_out() == {"exact-duplicate": {"all.rec#40"}, "unreadable": {"all.rec#41"}}
    assert prepared.classes == ["car", "plane", "spare"]
    for packed in prepared.records():
        number = int(packed.name.partition("#")[2])
        assert packed.labels == (float(number % 2),)
        assert packed.data == draw(("car", "plane")[number % 2], number // 2, 80, 60)


def test_files_are_cut_at_a_size(pictures: Path, prepare: Prepare) -> None:
    """Shards stay under the size, hold every picture once, and come in the order of their names."""
    whole, cut = prepare(pictures), prepare(pictures, "--shard-size", "20KB")
    files = sorted(cut.out.glob("train/*.rec"))
    assert len(files) > 2
    assert all(path.stat().st_size <= 20 << 10 for path in files)
    assert cut.records() == whole.records()
    assert sum(len(scan(path)) for path in files) == 36


def test_the_source_is_left_alone(pictures: Path, prepare: Prepare) -> None:
    """No byte of the source changes, and a folder that is not empty is not written into."""
    before = tree(pictures)
    prepared = prepare(pictures, "--resize", "32")
    assert tree(pictures) == before
    assert not (prepared.out / ".prepare").exists()
    result = invoke("prepare", str(pictures), str(prepared.out), "--no-progress")
    assert result.exit_code == 2
    assert "is not empty" in result.output


def test_bytes_are_kept(prepare: Prepare, tmp_path: Path) -> None:
    """With --keep-bytes even a picture that lies on its side goes in as it is."""
    import io

    from PIL import Image

    folder = draw_folders(tmp_path / "pictures", {"car": 6, "bird": 6})
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "car" / "car-00003.jpg"
    Image.open(io.BytesIO(path.read_bytes())).save(path, exif=exif)
    prepared = prepare(folder, "--keep-bytes")
    assert prepared.report["fixed"] == {}
    assert len(prepared.records()) == 12
    for packed in prepared.records():
        assert packed.data == (folder / packed.name).read_bytes()


def test_the_report_is_one_file(pictures: Path, prepare: Prepare) -> None:
    """report.html loads nothing from anywhere, and shows a sheet of each class."""
    page = (prepare(pictures).out / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 40
    assert "http" not in page
    assert "<script" not in page
    assert "<h3>bird</h3>" in page
