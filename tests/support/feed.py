"""Plays the platform's part in Pipe mode: python feed.py CHANNEL_PATH EPOCHS CONTENT [CONTENT ...]

Makes CHANNEL_PATH_0, writes the files' contents into it, and goes on to CHANNEL_PATH_1 when the reader has closed it,
be it early. Prints how many bytes each took.
"""

import os
import sys
from pathlib import Path


def feed(fifo: Path, contents: list[Path]) -> int:
    """Write through a FIFO until all is written or no one reads; return the bytes written."""
    os.mkfifo(fifo)
    written = 0
    descriptor = os.open(fifo, os.O_WRONLY)
    try:
        for path in contents:
            data = memoryview(path.read_bytes())
            # Pieces that end anywhere in a record, as they come from a network.
            for start in range(0, len(data), 5003):
                written += os.write(descriptor, data[start : start + 5003])
    except BrokenPipeError:
        pass
    finally:
        os.close(descriptor)
        fifo.unlink()
    return written


if __name__ == "__main__":
    for epoch in range(int(sys.argv[2])):
        taken = feed(Path(f"{sys.argv[1]}_{epoch}"), [Path(each) for each in sys.argv[3:]])
        sys.stdout.write(f"{taken}\n")
        sys.stdout.flush()
