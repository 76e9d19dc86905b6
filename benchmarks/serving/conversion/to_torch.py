"""Turns the weights of a GluonCV ResNet-18 into a TorchScript net: python to_torch.py DIRECTORY.

DIRECTORY holds weights.npz, and then model.pt: RGB 0-255 in, probabilities out.
"""

import sys

import numpy as np
import torch
from torch import nn

PREFIX = "resnetv1b_"


class Block(nn.Module):
    """Two 3 x 3 convolutions and a way around them."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.down = nn.Identity()
        if before != after:
            self.down = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        """Return what the next block takes."""
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.down(x))


class ResNet18(nn.Module):
    """From RGB 0-255 to probabilities."""

    def __init__(self, classes):
        super().__init__()
        self.mean, self.scale = nn.Parameter(torch.zeros(1, 3, 1, 1)), nn.Parameter(torch.ones(1, 3, 1, 1))
        self.conv = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, 1)
        widths = (64, 64, 128, 256, 512)
        pairs = zip(widths[:-1], widths[1:], (1, 2, 2, 2), strict=True)
        self.layers = nn.Sequential(
            *(nn.Sequential(Block(one, two, stride), Block(two, two, 1)) for one, two, stride in pairs)
        )
        self.head = nn.Linear(512, classes)

    def forward(self, x):
        """Return probabilities, float32 of shape (n, classes)."""
        x = self.pool(torch.relu(self.bn(self.conv((x - self.mean) * self.scale))))
        return torch.softmax(self.head(self.layers(x).mean((2, 3))), 1)


def fill(net, weights):
    """Copy the weights, by name: GluonCV numbers convolutions within a stage, torch within a block."""

    def copy(name, convolution, normalization):
        one = name.replace("batchnorm", "conv")
        convolution.weight.data = torch.from_numpy(weights[f"{PREFIX}{one}_weight"])
        for theirs, ours in (("gamma", "weight"), ("beta", "bias")):
            getattr(normalization, ours).data = torch.from_numpy(weights[f"{PREFIX}{name}_{theirs}"])
        for each in ("running_mean", "running_var"):
            getattr(normalization, each).copy_(torch.from_numpy(weights[f"{PREFIX}{name}_{each}"]))

    copy("batchnorm0", net.conv, net.bn)
    for stage, blocks in enumerate(net.layers, 1):
        for number, block in enumerate(blocks):
            copy(f"layers{stage}_batchnorm{2 * number}", block.conv1, block.bn1)
            copy(f"layers{stage}_batchnorm{2 * number + 1}", block.conv2, block.bn2)
            if isinstance(block.down, nn.Sequential):
                copy(f"down{stage}_batchnorm0", *block.down)
    for part in ("weight", "bias"):
        getattr(net.head, part).data = torch.from_numpy(weights[f"{PREFIX}head_{part}"])
    net.mean.data = torch.from_numpy(weights["normalization_mean"])
    net.scale.data = torch.from_numpy(weights["normalization_scale"])


if __name__ == "__main__":
    directory = sys.argv[1]
    loaded = np.load(f"{directory}/weights.npz")
    network = ResNet18(len(loaded[f"{PREFIX}head_bias"])).eval()
    with torch.no_grad():
        fill(network, loaded)
    script = torch.jit.trace(network, torch.zeros(1, 3, 224, 224))
    torch.jit.freeze(script).save(f"{directory}/model.pt")
