"""Journals for tests of `prepare`, filled with pictures that exist in name only."""

import hashlib
from pathlib import Path

from sagemaker_gluoncv_container.preparing.inspecting import THUMB_SIDE, Inspection
from sagemaker_gluoncv_container.preparing.journal.store import Journal
from sagemaker_gluoncv_container.preparing.scanning import order_key
from sagemaker_gluoncv_container.preparing.sources import Item, Listing


def item(name: str, *labels: str, **fields: object) -> Item:
    """Return an item of a source. Its class is its folder unless labels are given; with a reason it has none."""
    folder = None if "reason" in fields else (name.split("/")[0],)
    return Item(name, f"/source/{name}", labels or folder, **fields)  # type: ignore[arg-type]


def inspection(content: str, **fields: object) -> Inspection:
    """Return what is seen of a fit picture of 60 x 50 pixels. Another content, another hash and thumbnail."""
    sha = hashlib.sha256(content.encode()).digest()
    found = {
        "length": 1000,
        "sha": sha,
        "phash": int.from_bytes(sha[:8], "big", signed=True),
        "thumb": (sha * 24)[: 3 * THUMB_SIDE**2],
        "width": 60,
        "height": 50,
        **fields,
    }
    return Inspection(**found)  # type: ignore[arg-type]


def opened(folder: Path, fingerprint: str = "settings") -> Journal:
    """Return the journal of a preparation in a folder."""
    return Journal(folder / "out" / ".prepare", fingerprint)


def fill(journal: Journal, items: list[Item], kind: str = "folders", first: int = 0, **listing: object) -> None:
    """List items and inspect each as a fit picture whose content is its name, unless its `detail` says `same as X`."""
    journal.pictures.replace_all(items, first)
    journal.listing = Listing(kind, **listing)  # type: ignore[arg-type]
    for number, each in enumerate(items, first):
        if each.reason is None:
            seen = inspection(each.detail.removeprefix("same as ") or each.name)
            journal.pictures.note(number, seen, order_key(0, seen.sha), None, seen.length)
    journal.pictures.make_indices()
