"""The split: the same for a seed, steady when pictures come in, in each class's proportion, nothing on both sides."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from support.prepared import Prepare, Prepared, draw_folders, encoded, invoke, tree

COUNTS = {"bird": 101, "car": 57, "flower": 83, "plane": 24}
MORE = {"bird": 10, "car": 6, "flower": 8, "plane": 3}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders of unequal sizes."""
    return draw_folders(tmp_path_factory.mktemp("pictures"), COUNTS)


@pytest.fixture(scope="module")
def more(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same pictures and a tenth more."""
    folder = tmp_path_factory.mktemp("more") / "pictures"
    shutil.copytree(pictures, folder)
    return draw_folders(folder, MORE, first=5000)


def shares(prepared: Prepared) -> dict[str, Counter[str]]:
    """Return how many pictures of each class are on each side."""
    counts: dict[str, Counter[str]] = {}
    for name, side in prepared.sides().items():
        counts.setdefault(side, Counter())[name.split("/")[0]] += 1
    return counts


def moved(before: Prepared, after: Prepared) -> int:
    """Return how many pictures that are in both changed sides."""
    first, second = before.sides(), after.sides()
    assert first.keys() <= second.keys()
    return sum(second[name] != side for name, side in first.items())


def test_same_seed_same_files(pictures: Path, prepare: Prepare, tmp_path: Path) -> None:
    """Where the pictures are and in which order they are listed changes no byte of the channels."""
    elsewhere = tmp_path / "elsewhere"
    for path in sorted(pictures.rglob("*.jpg"), reverse=True):
        (elsewhere / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, elsewhere / path.parent.name)
    one, other = prepare(pictures, "--seed", "3"), prepare(elsewhere, "--seed", "3", "--threads", "1")
    assert tree(one.out, ["report.json"]) == tree(other.out, ["report.json"])
    assert prepare(pictures, "--seed", "4").sides() != one.sides()


def test_shares_are_within_one_picture(pictures: Path, prepare: Prepare) -> None:
    """Each side has each class within one picture of its exact share, with three sides too."""
    for options, ratios in (
        (("--train-ratio", "0.85"), {"train": 0.85, "validation": 0.15}),
        (("--train-ratio", "0.7", "--test-ratio", "0.13"), {"train": 0.7, "validation": 0.17, "test": 0.13}),
    ):
        counted = shares(prepare(pictures, *options))
        assert counted.keys() == ratios.keys()
        for side, ratio in ratios.items():
            for name, count in COUNTS.items():
                assert abs(counted[side][name] - ratio * count) <= 1, (side, name)


def test_a_tenth_more_moves_at_most_as_many(pictures: Path, more: Path, prepare: Prepare) -> None:
    """With new pictures in the heap, at most as many old ones change sides as came in; the seed decides how few."""
    for seed in ("0", "1", "2"):
        before, after = prepare(pictures, "--seed", seed), prepare(more, "--seed", seed)
        assert moved(before, after) <= sum(MORE.values())


def test_like_an_earlier_one_nothing_old_moves(pictures: Path, more: Path, prepare: Prepare) -> None:
    """With --like no old picture moves at all, and the shares are still within one picture."""
    before = prepare(pictures)
    after = prepare(more, "--like", str(before.out))
    assert moved(before, after) == 0
    counted = shares(after)
    for name, count in COUNTS.items():
        assert abs(counted["validation"][name] - 0.1 * (count + MORE[name])) <= 1


def test_near_duplicates_share_a_side(pictures: Path, prepare: Prepare, tmp_path: Path) -> None:
    """Where near duplicates are kept, each group is on one side, and the shares still hold."""
    from PIL import Image

    folder = tmp_path / "with-twins"
    shutil.copytree(pictures, folder)
    groups = []
    for path in sorted(folder.rglob("*.jpg"))[::7]:
        twins = [path.with_name(f"{path.stem}.q{quality}.jpg") for quality in (50, 75)]
        for twin, quality in zip(twins, (50, 75), strict=True):
            twin.write_bytes(encoded(Image.open(path), quality=quality))
        groups.append([each.relative_to(folder).as_posix() for each in (path, *twins)])
    prepared = prepare(folder, "--near-duplicates", "keep", "--train-ratio", "0.7")
    sides = prepared.sides()
    assert len(groups) > 30
    for group in groups:
        assert len({sides[name] for name in group}) == 1
    assert prepared.report["leakage"] == []
    totals = Counter(name.split("/")[0] for name in sides)
    for name, count in totals.items():
        assert abs(shares(prepared)["validation"][name] - 0.3 * count) <= 1
    left = prepare(folder).left_out()["near-duplicate"]
    assert left == {name for group in groups for name in group[1:]}


def test_quotas_and_limit(pictures: Path, prepare: Prepare) -> None:
    """--per-class and --limit choose by content; what is not chosen is listed; classes not named stay whole."""
    prepared = prepare(pictures, "--per-class", "bird=40,car=20")
    assert sum(prepared.report["sides"].values()) == 40 + 20 + COUNTS["flower"] + COUNTS["plane"]
    assert len(prepared.left_out()["not-chosen"]) == 61 + 37
    limited = prepare(pictures, "--limit", "53")
    assert limited.report["kept"] == 53
    kept = Counter(name.split("/")[0] for name in limited.sides())
    for name, count in COUNTS.items():
        assert abs(kept[name] - 53 * count / sum(COUNTS.values())) < 1
    assert "classes are bird, car, flower, plane" in str(refused(pictures, "--per-class", "brid=4"))


def refused(source: Path, *options: str) -> str:
    """Return what a refused call says."""
    result = invoke("prepare", str(source), str(source.parent / "refused"), "--no-progress", *options)
    shutil.rmtree(source.parent / "refused", ignore_errors=True)
    assert result.exit_code == 2
    return str(result.output)
