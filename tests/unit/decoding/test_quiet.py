"""decoding.quiet: decoders write nothing between the lines of our log."""

import subprocess
import sys

import pytest

# TIFF files that libtiff complains about: of wrong codes, and in a compression that it was built without.
NOISY = """
import io, logging
{imports}
from PIL import Image

buffer = io.BytesIO()
Image.effect_noise((64, 64), 90).save(buffer, "TIFF", compression="tiff_lzw")
data = buffer.getvalue()
compression = (259).to_bytes(2, "little") + bytes([3, 0, 1, 0, 0, 0])
in_webp = data.replace(compression + bytes([5, 0]), compression + bytes([81, 195]))
wrong = [data[:100] + bytes([255]) * 1000 + data[1100:], in_webp]
refused = 0
for each in wrong:
    try:
        Image.open(io.BytesIO(each)).load()
    except OSError:
        refused += 1
logging.getLogger("PIL.TiffImagePlugin").error("More samples per pixel than can be decoded")
print(refused)
"""


@pytest.mark.parametrize(
    ("imports", "lines"),
    [
        ("", ["code not yet in table", "not configured", "More samples"]),
        ("from sagemaker_gluoncv_container.decoding import picture", []),
    ],
    ids=["Pillow alone", "with ours"],
)
def test_broken_files_leave_stderr_alone(imports: str, lines: list[str]) -> None:
    """What Pillow and its libtiff write about broken files by themselves, they do not write under us."""
    command = [sys.executable, "-c", NOISY.format(imports=imports)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
    for line in lines:
        assert line in done.stderr
    assert bool(done.stderr) == bool(lines), done.stderr
