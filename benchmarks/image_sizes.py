"""Prints what takes space in images, in MB of 10**6 bytes: python benchmarks/image_sizes.py IMAGE..."""

import re
import subprocess
import sys
from collections import Counter

PACKAGES = r"/opt/venv/lib/python3\.11/site-packages"
# The first pattern that fits counts.
PARTS = {
    "MXNet": rf"{PACKAGES}/mxnet",
    "cuDNN": rf"{PACKAGES}/nvidia/cudnn",
    "cuBLAS": rf"{PACKAGES}/nvidia/cublas",
    "cuSOLVER and cuSPARSE": rf"{PACKAGES}/nvidia/(cusolver|cusparse)",
    "NCCL": rf"{PACKAGES}/nvidia/nccl",
    "cuFFT, cuRAND, NVRTC and the rest of CUDA": rf"{PACKAGES}/nvidia",
    "NumPy and SciPy": rf"{PACKAGES}/(numpy|scipy)",
    "OpenVINO": rf"{PACKAGES}/openvino",
    "boto3": rf"{PACKAGES}/(boto|s3transfer)",
    "the other Python packages": "/opt/venv",
    "base weights": "/opt/sagemaker-gluoncv/pretrained",
    "our code and the bill of materials": "/opt/sagemaker-gluoncv",
    "Debian's Python 3.11": "/usr/lib/python3",
    "Debian": "/",
}


def sizes(image: str) -> Counter[str]:
    """Return the bytes of each part of an image; hard links count each time, as in layers."""
    # -xdev, because /proc and other file systems are not the image's.
    script = "find / -xdev -type f -printf '%s %p\\n'"
    found: Counter[str] = Counter()
    for line in subprocess.check_output(["docker", "run", "--rm", image, "sh", "-c", script], text=True).splitlines():
        size, _, path = line.partition(" ")
        found[next(name for name, pattern in PARTS.items() if re.match(pattern, path))] += int(size)
    return found


def main(images: list[str]) -> None:
    """Print a table of the parts of the images."""
    counted = [sizes(image) for image in images]
    print("| MB | " + " | ".join(images) + " |", "|---" * (len(images) + 1) + "|", sep="\n")
    for name in PARTS:
        if any(each[name] for each in counted):
            print(f"| {name} | " + " | ".join(f"{each[name] / 1e6:.0f}" for each in counted) + " |")
    print("| all | " + " | ".join(f"{sum(each.values()) / 1e6:.0f}" for each in counted) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
