"""network: names, base weights and what is frozen."""

from pathlib import Path

import mxnet as mx
import pytest

from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network


@pytest.mark.parametrize("layers", ["18", "20"])
def test_parameters_have_the_same_names_whenever_built(layers: str, tmp_path: Path) -> None:
    """A restarted job finds its parameters, and a second job in one process writes the same artifact."""
    given = {"num_classes": "3", "num_layers": layers, "image_shape": "3,32,32", "use_pretrained_model": "0"}
    hp = Hyperparameters.from_strings(given)
    one, other = (network.build(hp, tmp_path, [mx.cpu()]) for _ in range(2))
    assert network.parameters(one).keys() == network.parameters(other).keys()
    assert network.to_symbol(one, False).tojson() == network.to_symbol(other, False).tojson()
    inputs = set(network.to_symbol(one, False).list_inputs())
    assert inputs == network.parameters(one).keys() | {"data", "softmax_label"}


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("resnetv1b_conv0_weight", 0),
        ("resnetv1b_layers1_conv0_weight", 1),
        ("resnetv1b_down2_conv0_weight", 2),
        ("resnetv1b_layers3_batchnorm1_gamma", 3),
        ("resnet_stage2_conv0_weight", 2),
        ("bn_data_gamma", 0),
        ("stage4_unit1_bn1_gamma", 4),
    ],
)
def test_stages_are_told_by_name(name: str, stage: int) -> None:
    """GluonCV's two families and MXNet's own ResNets name their stages; the stem comes before the first."""
    for upto in range(1, 5):
        assert network.frozen(name, f"stage{upto}") == (stage <= upto)
    assert network.frozen(name, "backbone")
    assert not network.frozen(name, "none")


def test_head_always_learns() -> None:
    """Whatever is frozen, the head is not."""
    assert not network.frozen("resnetv1b_head_weight", "backbone")
    assert not network.frozen("head_bias", "backbone")
