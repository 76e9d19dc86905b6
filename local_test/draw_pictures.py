"""Draws pictures of flowers, cars, birds and planes and packs them as RecordIO channels.

    python local_test/draw_pictures.py FOLDER [--train 75] [--validation 25] [--seed 0]

FOLDER then holds train/ and validation/, each with pictures.rec, pictures.idx and classes.json.
"""

import argparse
import io
import json
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from sagemaker_gluoncv_container.data.recordio import Writer

Colour = tuple[int, int, int]
_SCALE = 2  # Drawn larger and scaled down, for smooth edges.


class Canvas:
    """Draws in coordinates from -1 to 1, which are rotated, scaled and moved as a whole."""

    def __init__(self, draw: ImageDraw.ImageDraw, centre: tuple[float, float], size: float, angle: float) -> None:
        self._draw, self._centre, self._size = draw, centre, size
        self._cos, self._sin = math.cos(angle), math.sin(angle)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        turned = [(x * self._cos - y * self._sin, x * self._sin + y * self._cos) for x, y in points]
        cx, cy = self._centre
        self._draw.polygon([(cx + x * self._size, cy + y * self._size) for x, y in turned], colour)

    def ellipse(self, x: float, y: float, width: float, height: float, colour: Colour, turn: float = 0) -> None:
        """Fill an ellipse of the given half axes."""
        steps = [2 * math.pi * step / 24 for step in range(24)]
        flat = [(width * math.cos(step), height * math.sin(step)) for step in steps]
        cos, sin = math.cos(turn), math.sin(turn)
        self.shape([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in flat], colour)


def _flower(canvas: Canvas, colour: Colour, pick: random.Random) -> None:
    petals = pick.randint(5, 8)
    for petal in range(petals):
        turn = 2 * math.pi * petal / petals
        canvas.ellipse(0.55 * math.cos(turn), 0.55 * math.sin(turn), 0.42, 0.2, colour, turn)
    canvas.ellipse(0, 0, 0.28, 0.28, (250, 210, 60))


def _car(canvas: Canvas, colour: Colour, pick: random.Random) -> None:
    roof = pick.uniform(-0.55, -0.4)
    canvas.shape([(-1, -0.05), (1, -0.05), (1, 0.35), (-1, 0.35)], colour)
    canvas.shape([(-0.6, -0.05), (-0.35, roof), (0.35, roof), (0.65, -0.05)], colour)
    canvas.shape([(-0.45, -0.08), (-0.28, roof + 0.08), (0.28, roof + 0.08), (0.48, -0.08)], (200, 225, 240))
    for x in (-0.55, 0.55):
        canvas.ellipse(x, 0.38, 0.22, 0.22, (25, 25, 25))
        canvas.ellipse(x, 0.38, 0.09, 0.09, (190, 190, 190))


def _bird(canvas: Canvas, colour: Colour, pick: random.Random) -> None:
    lift = pick.uniform(0.4, 0.9)
    dark: Colour = tuple(int(value * 0.7) for value in colour)  # type: ignore[assignment]
    canvas.ellipse(0, 0.05, 0.55, 0.26, colour)
    canvas.ellipse(0.52, -0.16, 0.2, 0.19, colour)
    canvas.shape([(0.68, -0.22), (0.98, -0.12), (0.68, -0.06)], (240, 160, 40))
    canvas.shape([(-0.45, 0.0), (-1.0, -0.15), (-0.95, 0.25)], dark)
    canvas.shape([(-0.25, 0.0), (0.25, 0.0), (-0.25, -lift)], dark)
    canvas.ellipse(0.57, -0.2, 0.04, 0.04, (10, 10, 10))


def _plane(canvas: Canvas, colour: Colour, pick: random.Random) -> None:
    sweep = pick.uniform(0.2, 0.45)
    canvas.ellipse(0, 0, 1.0, 0.12, colour)
    for side in (-1, 1):
        canvas.shape([(0.2, 0), (-0.15, 0), (-sweep, side * 0.95), (-sweep + 0.15, side * 0.95)], colour)
        canvas.shape([(-0.75, 0), (-0.95, 0), (-1.0, side * 0.35), (-0.9, side * 0.35)], colour)


CLASSES: dict[str, Callable[[Canvas, Colour, random.Random], None]] = {
    "bird": _bird,
    "car": _car,
    "flower": _flower,
    "plane": _plane,
}


def draw(name: str, seed: int, width: int = 160, height: int = 120) -> bytes:
    """Return a JPEG of the named thing. Another seed gives another picture."""
    pick = random.Random(f"{name}-{seed}")
    ground: Colour = tuple(pick.randint(130, 255) for _ in range(3))  # type: ignore[assignment]
    colour: Colour = tuple(pick.randint(0, 160) for _ in range(3))  # type: ignore[assignment]
    image = Image.new("RGB", (width * _SCALE, height * _SCALE), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(pick.randint(0, 8)):
        x, y, reach = pick.random() * image.width, pick.random() * image.height, pick.uniform(4, 30)
        shade = tuple(max(0, value - pick.randint(0, 60)) for value in ground)
        pen.ellipse([x - reach, y - reach, x + reach, y + reach], shade)
    centre = image.width * pick.uniform(0.42, 0.58), image.height * pick.uniform(0.42, 0.58)
    canvas = Canvas(pen, centre, image.height * pick.uniform(0.32, 0.42), pick.uniform(-0.4, 0.4))
    CLASSES[name](canvas, colour, pick)
    buffer = io.BytesIO()
    image.resize((width, height), Image.Resampling.BOX).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def write_channel(folder: Path, per_class: int, first_seed: int) -> None:
    """Write a channel with `per_class` pictures of each class, in which the classes alternate."""
    folder.mkdir(parents=True, exist_ok=True)
    with Writer(folder / "pictures.rec") as writer:
        for seed in range(first_seed, first_seed + per_class):
            for label, name in enumerate(CLASSES):
                writer.write((float(label),), draw(name, seed))
    (folder / "classes.json").write_text(json.dumps(list(CLASSES)))


def main() -> None:
    """Draw both channels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=75, help="training pictures per class (75)")
    parser.add_argument("--validation", type=int, default=25, help="validation pictures per class (25)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other pictures (0)")
    arguments = parser.parse_args()
    if min(arguments.train, arguments.validation) < 1:
        parser.error("Each channel needs at least 1 picture per class.")
    try:
        write_channel(arguments.folder / "train", arguments.train, arguments.seed)
        write_channel(arguments.folder / "validation", arguments.validation, arguments.seed + arguments.train)
    except OSError as error:
        sys.exit(f"{arguments.folder} cannot be written: {error.strerror}. Give another folder.")


if __name__ == "__main__":
    main()
