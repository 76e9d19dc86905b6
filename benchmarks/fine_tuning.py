"""What the base weights are worth: one job with them and one without, in the container, on real photos.

    PYTHONPATH=local_test .venv/bin/python benchmarks/fine_tuning.py PICTURES [--image IMAGE] [--epochs 6]

PICTURES holds train/<class>/*.jpg and validation/<class>/*.jpg. Prints the validation accuracy of both jobs, and
what their int8 forms cost.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from pack_folders import pack

HYPERPARAMETERS = {
    "image_shape": "3,128,128",
    "learning_rate": "0.02",
    "lr_scheduler_step": "3,5",
    "lr_scheduler_factor": "0.2",
    "augmentation_type": "crop",
}


def best_accuracy(image: str, base: Path, hyperparameters: dict[str, str]) -> float:
    """Run a training job in the container; return the Validation-accuracy of the epoch it kept."""
    (base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    user = f"{os.getuid()}:{os.getgid()}"
    command = ["docker", "run", "--rm", "--user", user, "--volume", f"{base}:/opt/ml", image, "train"]
    job = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    kept = re.search(r"Kept the model of epoch \d+\. Its validation accuracy is ([0-9.]+)", job.stdout)
    assert kept, job.stdout
    print(next(line.partition("] ")[2] for line in job.stdout.splitlines() if "] int8: " in line))
    return float(kept[1])


def main() -> None:
    """Run both jobs and print what they reach."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--image", default="sagemaker-gluoncv:cpu")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    given = {**HYPERPARAMETERS, "epochs": str(arguments.epochs)}
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-") as folder:
        base = Path(folder)
        (base / "input" / "config").mkdir(parents=True)
        counts = {
            split: len(pack(arguments.pictures / split, base / "input" / "data" / split))
            for split in ("train", "validation")
        }
        print(f"{counts['train']} training and {counts['validation']} validation pictures, {json.dumps(given)}")
        pretrained = best_accuracy(arguments.image, base, {**given, "use_pretrained_model": "1"})
        print(f"validation accuracy with base weights:    {pretrained:.3f}", flush=True)
        scratch = best_accuracy(arguments.image, base, {**given, "use_pretrained_model": "0"})
        print(f"validation accuracy with random weights:  {scratch:.3f}")
        print(f"difference:                              {pretrained - scratch:+.3f}")


if __name__ == "__main__":
    main()
