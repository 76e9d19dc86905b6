"""Images/s of training steps with the batch in memory: what the net and its devices can do without decoding.

    python3 training_steps.py {cpu,gpu} PRECISION NUM_LAYERS IMAGES STEPS

`gpu` is all GPUs, with IMAGES per step on each. Runs inside the image (benchmarks/gpu.py). Prints the figure.
"""

import sys
import time
from pathlib import Path

import mxnet as mx
import numpy as np

from sagemaker_gluoncv_container import contract, devices
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.model.optimization import Optimization

CLASSES, SIDE = 10, 224


def main() -> None:
    """Warm up, because the first steps allocate and tune, and measure."""
    where, precision, layers = sys.argv[1:4]
    images, steps = map(int, sys.argv[4:6])
    contract.set_gpu_defaults(1)
    contexts = [mx.gpu(n) for n in range(len(devices.gpus()))] if where == "gpu" else [mx.cpu()]
    images *= len(contexts)
    given = {"num_classes": str(CLASSES), "num_layers": layers, "use_pretrained_model": "0"}
    hp = Hyperparameters.from_strings({**given, "precision_dtype": precision})
    optimization = Optimization(network.build(hp, Path("nowhere"), contexts), hp, contexts)
    random = np.random.default_rng(0)
    pixels = random.uniform(0, 255, (images, 3, SIDE, SIDE)).astype(np.float32)
    targets = np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, images)]
    for _ in range(2):
        optimization.learn(pixels, targets, 0.001)
    began = time.perf_counter()
    for _ in range(steps):
        # It returns the losses, so nothing is left to be computed.
        optimization.learn(pixels, targets, 0.001)
    print(f"{images * steps / (time.perf_counter() - began):.1f}")


if __name__ == "__main__":
    main()
