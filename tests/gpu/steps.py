"""Takes a few training steps on each of some sets of devices and prints what came of them; runs inside the image.

    python3 steps.py PRECISION DEVICES ...      # float32 cpu:0 gpu:0 gpu:0,gpu:1

A line of JSON for each set of devices: {"devices", "losses" of each step, "norms" of each weight's last gradient}.
"""

import json
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.model.optimization import Optimization

RANDOM = np.random.default_rng(2)
# Not divisible by 2, 4 or 8 GPUs.
PIXELS = RANDOM.uniform(0, 255, (37, 3, 64, 64)).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[RANDOM.integers(0, 4, len(PIXELS))]
STEPS, RATE = 4, 0.0001


def context(device: str) -> mx.Context:
    """Return MXNet's name for a device such as gpu:0."""
    kind, _, number = device.partition(":")
    return mx.Context(kind, int(number))


def settle(block: mx.gluon.Block) -> None:
    """Have a layer normalise with the statistics that it has: with those of each share, two devices are another net."""
    if isinstance(block, mx.gluon.nn.BatchNorm):
        block._kwargs["use_global_stats"] = True


def main() -> None:
    """Take the steps."""
    precision, *sets = sys.argv[1:]
    given = {"num_classes": "4", "image_shape": "3,64,64", "use_pretrained_model": "0", "precision_dtype": precision}
    hp = Hyperparameters.from_strings(given)
    for devices in sets:
        contexts = [context(device) for device in devices.split(",")]
        mx.random.seed(5)
        # The same weights everywhere: each kind of device draws random numbers of its own.
        net = network.build(hp, Path("nowhere"), [mx.cpu()])
        net.collect_params().reset_ctx(contexts)
        net.apply(settle)
        net.hybridize(static_alloc=True)
        optimization = Optimization(net, hp, contexts)
        losses = [float(optimization.learn(PIXELS, TARGETS, RATE)[1].mean()) for _ in range(STEPS)]
        norms = optimization.gradient_norms(len(PIXELS))
        sys.stdout.write(json.dumps({"devices": devices, "losses": losses, "norms": norms}) + "\n")


if __name__ == "__main__":
    main()
