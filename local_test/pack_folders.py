"""Packs pictures that lie in one folder per class as a RecordIO channel, their bytes unchanged.

python local_test/pack_folders.py PICTURES CHANNEL

PICTURES holds <class>/<picture>. CHANNEL then holds pictures.rec, pictures.idx and classes.json. For more than a quick
test use `sagemaker-gluoncv prepare`, which also checks, splits and scales.
"""

import argparse
import json
import sys
from pathlib import Path

from sagemaker_gluoncv_container import formats
from sagemaker_gluoncv_container.data.recordio import Writer


def pack(pictures: Path, channel: Path) -> list[tuple[int, Path]]:
    """Write a channel; return the label and the file of each record, in order. Raises ValueError with what is wrong."""
    if not pictures.is_dir():
        raise ValueError(f"There is no folder {pictures}")
    classes = sorted(folder.name for folder in pictures.iterdir() if folder.is_dir() and folder.name[0] != ".")
    files = [
        (label, path)
        for label, name in enumerate(classes)
        for path in sorted((pictures / name).iterdir())
        if formats.is_picture_name(path) and path.name[0] != "."
    ]
    if empty := [name for label, name in enumerate(classes) if label not in {each for each, _ in files}]:
        raise ValueError(f"{pictures} has folders without pictures: {', '.join(empty)}")
    if not files:
        raise ValueError(f"{pictures} has no folders of pictures. Each class needs one")
    channel.mkdir(parents=True, exist_ok=True)
    with Writer(channel / "pictures.rec") as writer:
        for label, path in files:
            writer.write((float(label),), path.read_bytes())
    (channel / "classes.json").write_text(json.dumps(classes))
    return files


def main() -> None:
    """Pack one channel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("channel", type=Path)
    arguments = parser.parse_args()
    try:
        pack(arguments.pictures, arguments.channel)
    except ValueError as error:
        parser.error(f"{error}.")
    except OSError as error:
        sys.exit(f"{error.filename or arguments.channel}: {error.strerror}.")


if __name__ == "__main__":
    main()
