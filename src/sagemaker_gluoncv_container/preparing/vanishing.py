"""Names the classes of the source that no kept picture has: nobody should find that out after the training."""

from collections import Counter, defaultdict

from ..errors import some
from .journal.store import Journal

# Classes that a warning each names; the others are one more warning.
_NAMED = 20


def warnings(journal: Journal) -> list[str]:
    """Return a sentence for each class of which no picture is kept, with the reasons, and each folder without any."""
    lost = _lost(journal)
    found = [_sentence(journal.listing.title(name), reasons) for name, reasons in lost.items()]
    if journal.listing.kind == "folders":
        found += _folders_without(journal, {*lost, *(journal.classes or ())})
    if len(found) > _NAMED:
        return [*found[:_NAMED], f"{len(found) - _NAMED} more classes are left out. They are in report.json."]
    return found


def _folders_without(journal: Journal, classes: set[str]) -> list[str]:
    """Return a sentence for each folder of the source that is none of these classes."""
    other = journal.totals.folders("other-file")
    texts = {name: f"Folder {name} is not a class: none of its files has the name of a picture." for name in other}
    empty = {name: f"Folder {name} is not a class: it is empty." for name in journal.listing.names}
    return [text for name, text in sorted({**empty, **texts}.items()) if name not in classes]


def _lost(journal: Journal) -> dict[str, Counter[str]]:
    """Return how many pictures were left out for which reason, of each class of which none is kept."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    kept = set()
    for each in journal.totals.classes():
        if each.reason:
            reasons[each.name][each.reason] += each.count
        else:
            kept.add(each.name)
    return {name: counts for name, counts in reasons.items() if name not in kept}


def _sentence(title: str, reasons: Counter[str]) -> str:
    why = some([f"{count} {reason}" for reason, count in reasons.most_common()])
    return f"Class {title} is left out: none of its pictures is kept ({why})."
