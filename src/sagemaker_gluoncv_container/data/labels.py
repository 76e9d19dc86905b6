"""What a sample's label numbers mean: one class id, a multi-hot vector, or several class ids.

A multi-label job reads a multi-hot vector unless the channel's content type says `label-format=class-id`, as the
built-in algorithm's documentation has it for augmented manifests.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

CLASS_ID, MULTI_HOT = "class-id", "multi-hot"
FORMATS = (CLASS_ID, MULTI_HOT)


@dataclass(frozen=True)
class Labelling:
    """How to read the labels of a channel."""

    multi_label: bool
    label_format: str = MULTI_HOT

    @property
    def is_multi_hot(self) -> bool:
        """Whether labels are a 0 or 1 for each class."""
        return self.multi_label and self.label_format == MULTI_HOT

    def classes_needed(self, labels: tuple[float, ...]) -> int:
        """Return how many classes there must be for a sample to have these labels.

        Raises ValueError that says what is wrong if they are no labels whatever the number of classes.
        """
        if self.is_multi_hot:
            if not labels or any(label not in (0, 1) for label in labels):
                raise ValueError("not a vector of 0 and 1")
            return len(labels)
        if not self.multi_label and len(labels) != 1:
            raise ValueError("not one whole number from 0")
        if any(label < 0 or label % 1 for label in labels):
            raise ValueError("not whole numbers from 0" if self.multi_label else "not one whole number from 0")
        return int(max(labels, default=-1)) + 1

    def read(self, labels: tuple[float, ...], num_classes: int) -> tuple[float, ...]:
        """Return one class id, or in a multi-label job as many 0 and 1 as there are classes. Raises ValueError."""
        needed = self.classes_needed(labels)
        if needed > num_classes:
            raise ValueError(f"out of range, which is 0 to {num_classes - 1}")
        if self.is_multi_hot and needed != num_classes:
            raise ValueError(f"not {num_classes} numbers, as many as there are classes")
        return multi_hot(labels, num_classes) if self.multi_label and not self.is_multi_hot else labels


def multi_hot(classes: Iterable[float], num_classes: int) -> tuple[float, ...]:
    """Return a vector of `num_classes` numbers, 1 where a class is given, else 0."""
    given = set(classes)
    return tuple(float(each in given) for each in range(num_classes))


def written(labels: tuple[float, ...]) -> str:
    """Return labels as a person would write them."""
    return ", ".join(f"{each:.15g}" for each in labels) or "nothing"


def parse(text: str) -> tuple[float, ...]:
    """Return the labels in a manifest's attribute: "0", "[1, 0, 1]", or either in quotes. Raises ValueError."""
    value = json.loads(text)
    if isinstance(value, str):
        value = json.loads(value)
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(each, (int, float, str)) for each in numbers):
        raise ValueError("neither a number nor a list of numbers")
    return tuple(float(each) for each in numbers)
