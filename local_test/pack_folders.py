"""Packs pictures that lie in a folder a class as one RecordIO channel, their bytes untouched.

python local_test/pack_folders.py PICTURES CHANNEL

PICTURES holds <class>/*.jpg; CHANNEL then holds pictures.rec, pictures.idx and classes.json.
"""

import argparse
import json
from pathlib import Path

from sagemaker_gluoncv_container.data.recordio import Writer


def pack(pictures: Path, channel: Path) -> list[tuple[int, Path]]:
    """Write a channel; return the label and the file of each record, in order."""
    classes = sorted(folder.name for folder in pictures.iterdir() if folder.is_dir())
    files = [(label, path) for label, name in enumerate(classes) for path in sorted((pictures / name).glob("*.jpg"))]
    channel.mkdir(parents=True, exist_ok=True)
    with Writer(channel / "pictures.rec") as writer:
        for label, path in files:
            writer.write((float(label),), path.read_bytes())
    (channel / "classes.json").write_text(json.dumps(classes))
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("channel", type=Path)
    arguments = parser.parse_args()
    pack(arguments.pictures, arguments.channel)
