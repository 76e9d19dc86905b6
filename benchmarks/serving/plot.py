"""Draws the results: python plot.py RESULTS.json PICTURE.svg."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
# Text as text, and the same file each time.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "serving", "font.size": 8})
from matplotlib import pyplot  # noqa: E402

PANELS = (
    ("requests/s, more is better", lambda result, load: result["loads"][load]["requests_per_second"], "linear"),
    ("p99, ms, less is better", lambda result, load: result["loads"][load]["p99"], "log"),
    ("CPU-ms a request, less is better", lambda result, load: result["loads"][load]["cpu"], "linear"),
)


def draw(content, path):
    """Write a picture with a panel for each figure, a group for each server and a bar for each load."""
    results = [result for result in content["results"] if result["loads"]]
    loads = list(results[0]["loads"])
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(14, 1 + 0.8 * len(results)), sharey=True)
    height = 0.8 / len(loads)
    for axis, (title, value, scale) in zip(axes, PANELS, strict=True):
        for place, load in enumerate(loads):
            rows = [row + (place - (len(loads) - 1) / 2) * height for row in range(len(results))]
            bars = axis.barh(rows, [value(result, load) for result in results], height, label=load)
            axis.bar_label(bars, fmt=lambda length: f"{length:.0f}" if length >= 100 else f"{length:.1f}", padding=2)
        axis.set_title(title)
        axis.set_xscale(scale)
        axis.margins(x=0.25)
    axes[0].set_yticks(range(len(results)), [result["name"] for result in results])
    axes[0].invert_yaxis()
    axes[-1].legend(loc="best")
    figure.suptitle(f"ResNet-18, 224 x 224, JPEG of 400 x 533; {content['machine']}")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
