"""What a picture costs without a server: decoding and the net, in this process, on one thread.

Run as a program it reads a pickled (model directory, pictures, batch) from standard input and prints CPU-ms a picture
as a JSON object: `decode` for decoding and scaling alone, `whole` for that and the net.
"""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sagemaker_gluoncv_container import images
from sagemaker_gluoncv_container.artifact import load
from sagemaker_gluoncv_container.decoding import picture

_SECONDS = 3.0


def cpu_ms(call: Callable[[list[bytes]], object], pictures: list[bytes], batch: int) -> float:
    """Return the CPU-ms a picture that a call on batches of pictures takes, over some seconds of CPU time."""
    call(pictures[:batch])
    began, done = time.process_time(), 0
    while time.process_time() < began + _SECONDS:
        first = done % (len(pictures) - batch + 1)
        call(pictures[first : first + batch])
        done += batch
    return 1000 * (time.process_time() - began) / done


def costs(model: Path, pictures: list[bytes], batch: int) -> dict[str, float]:
    """Return what decoding costs, and decoding with the net: what our worker processes call, and nothing else."""
    from sagemaker_gluoncv_container.inference.predictor import Predictor

    artifact = load(model)
    preprocessing = artifact.description.preprocessing
    predictor = Predictor(artifact, 1, os.environ.get("SAGEMAKER_GLUONCV_PRECISION", "auto"))

    def decode(some: list[bytes]) -> None:
        for data in some:
            images.for_evaluation(picture.decode(data, preprocessing.decoded_side), preprocessing)

    return {"decode": cpu_ms(decode, pictures, batch), "whole": cpu_ms(predictor.predict, pictures, batch)}


def measure(model: Path, pictures: list[bytes], batch: int, variables: dict[str, str]) -> dict[str, float]:
    """Return the costs, of a process of its own with one thread and the variables of a server's."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    given = pickle.dumps((model, pictures, batch))
    run = subprocess.run([sys.executable, __file__], input=given, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(costs(*pickle.load(sys.stdin.buffer))))
