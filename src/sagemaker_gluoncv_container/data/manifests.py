"""Ground Truth's manifests: JSON Lines, one picture a line.

A labelled line is `{"source-ref": "s3://...", "<attribute>": 0, "<attribute>-metadata": {...}}`; with several labels
the attribute is a list of class ids, and the metadata holds `class-map` and `confidence-map`. An input line has the
`source-ref` only. Source: "Output data" and "Input data" of Ground Truth in the SageMaker developer guide.
"""

import codecs
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ClientError

_METADATA = "-metadata"
# A source-ref of S3 and a label before it fit well into this.
_HEAD_BYTES = 8192


@dataclass(frozen=True)
class Label:
    """What a line says of its picture; `classes` None: nothing. `confidence` is the least of its labels', 0 to 1."""

    classes: tuple[str, ...] | None
    multi: bool = False
    confidence: float = 1.0
    human: bool = True
    failed: str = ""

    def refusal(self, least_confidence: float, only_human: bool) -> tuple[str | None, str]:
        """Return why this label is not taken, as reason and detail; reason None if it is."""
        if self.classes is None:
            return "unlabelled", self.failed or "the line has no label"
        if self.confidence < least_confidence:
            return "low-confidence", f"{self.confidence:g} is under {least_confidence:g}"
        if only_human and not self.human:
            return "not-human", "a machine labelled it"
        return None, ""


def is_manifest(path: Path) -> bool:
    """Return whether a file is one of these manifests, by its first bytes. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()
    return head.startswith(b"{") and b'"source-ref"' in head


def parse(line: str, where: str) -> dict[str, Any]:
    """Return the object in a line. Raises ClientError if it is not an object, or has no source-ref."""
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise ClientError(f"{where} is not JSON", str(error)) from error
    if not isinstance(entry, dict) or not isinstance(entry.get("source-ref"), str):
        raise ClientError(f"{where} has no source-ref", 'A line is like {"source-ref": "s3://bucket/picture.jpg"}')
    return entry


def label_attribute(entry: dict[str, Any]) -> str | None:
    """Return the attribute that holds the label: the one with metadata, else the only other one; None if none.

    Raises ClientError if there are several.
    """
    names = [name for name in entry if name != "source-ref" and not name.endswith(_METADATA)]
    labelled = [name for name in names if name + _METADATA in entry] or names
    if len(labelled) > 1:
        raise ClientError(f"A manifest has labels under {', '.join(labelled)}", do="Choose one with --label-attribute")
    return labelled[0] if labelled else None


def label(entry: dict[str, Any], attribute: str | None, where: str) -> Label:
    """Return the label under an attribute. Raises ClientError if it has another form."""
    metadata = entry.get(f"{attribute}{_METADATA}", {})
    if "failure-reason" in metadata:
        return Label(None, failed=str(metadata["failure-reason"]))
    if attribute is None or entry.get(attribute) is None:
        return Label(None)
    human = str(metadata.get("human-annotated", "yes")).lower() == "yes"
    value = entry[attribute]
    if isinstance(value, str) and value.startswith("["):
        # An augmented manifest for training has a 0 or 1 for each class, as text.
        value = [index for index, each in enumerate(json.loads(value)) if each]
    if isinstance(value, list):
        return _several(value, metadata, human)
    if isinstance(value, (int, str)):
        name = str(metadata.get("class-name", value))
        return Label((name,), False, float(metadata.get("confidence", 1.0)), human)
    raise ClientError(f"{where} has {value!r} under {attribute}", "A label is a class id, or a list of class ids")


def _several(value: list[Any], metadata: dict[str, Any], human: bool) -> Label:
    names = metadata.get("class-map", {})
    confidences = metadata.get("confidence-map", {})
    classes = tuple(sorted({str(names.get(str(each), each)) for each in value}))
    least = min((float(confidences.get(str(each), 1.0)) for each in value), default=1.0)
    return Label(classes, True, least, human)


def write_input(path: Path, references: Iterable[str]) -> None:
    """Write an input manifest of S3 URIs for a labelling job."""
    with path.open("w", encoding="utf-8") as file:
        for reference in references:
            file.write(json.dumps({"source-ref": reference}, ensure_ascii=False) + "\n")
