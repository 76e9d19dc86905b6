"""incremental: an earlier model's net as a job trains it further; whole jobs are integration tests."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Artifact, Description
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.training.hyperparameters import Counted
from sagemaker_gluoncv_container.training.model import incremental, network

CLASSES, SIDE = 3, 12
JOB = Counted(num_classes=CLASSES, num_training_samples=4, image_shape=(3, SIDE, SIDE))
Earlier = Callable[..., Artifact]


def net(kernel: int = 3) -> mx.sym.Symbol:
    """Return a small net to probabilities."""
    body = mx.sym.Convolution(mx.sym.var("data"), num_filter=4, kernel=(kernel, kernel), name="stage1_conv")
    body = mx.sym.BatchNorm(body, fix_gamma=False, name="stage1_bn")
    body = mx.sym.Flatten(mx.sym.Pooling(body, global_pool=True, kernel=(1, 1), pool_type="avg"))
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(body, num_hidden=CLASSES, name="fc"), name="softmax")


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    """Return a function that writes an earlier model: with weights of a type, changed, without some, of another net."""

    def make(
        dtype: str = "float32", without: str = "", symbol: Any = None, names: bool = True, **changed: Any
    ) -> Artifact:
        random = np.random.default_rng(1)
        shapes, _, states = net().infer_shape(data=(1, 3, SIDE, SIDE))
        arrays = {
            f"arg:{name}": random.normal(0, 1, shape)
            for name, shape in zip(net().list_arguments(), shapes, strict=True)
            if name not in ("data", "softmax_label")
        }
        arrays |= {
            f"aux:{name}": np.ones(shape) for name, shape in zip(net().list_auxiliary_states(), states, strict=True)
        }
        arrays |= changed
        arrays.pop(without, None)
        saved = {name: mx.nd.array(each, dtype=dtype) for name, each in arrays.items()}
        artifact.save(
            tmp_path,
            (net() if symbol is None else symbol).tojson(),
            lambda path: mx.nd.save(str(path), saved if names else list(saved.values())),
            Description(4, CLASSES, Preprocessing(SIDE, SIDE, SIDE)),
        )
        return artifact.load(tmp_path)

    return make


def answers(found: Artifact, **given: Any) -> Any:
    """Return the logits of the net for one picture."""
    pixels = np.random.default_rng(2).uniform(0, 255, (1, 3, SIDE, SIDE)).astype("float32")
    return incremental.build(found, Counted(**{**vars(JOB), **given}), [mx.cpu()])(mx.nd.array(pixels)).asnumpy()


def test_same_classes_keep_the_head(earlier: Earlier) -> None:
    """The net answers as the earlier one does."""
    found = earlier()
    first = answers(found)
    assert first.shape == (1, CLASSES)
    assert np.array_equal(answers(found), first)


def test_shapes(earlier: Earlier) -> None:
    """The shapes of all parameters are known, those of a symbol's too."""
    shapes = network.shapes(incremental.build(earlier(), JOB, [mx.cpu()]))
    assert shapes["stage1_conv_weight"] == (4, 3, 3, 3)
    assert shapes["stage1_bn_moving_mean"] == (4,)
    assert shapes["head_weight"] == (CLASSES, 4)


def test_other_classes_get_a_new_head(earlier: Earlier, caplog: pytest.LogCaptureFixture) -> None:
    """Another number of classes is told, and gets its own head."""
    caplog.set_level(logging.INFO)
    assert answers(earlier(), num_classes=5).shape == (1, 5)
    assert "The head is new: the earlier model has 3 classes, this job 5" in caplog.text


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_weights_of_another_type_are_cast(earlier: Earlier, dtype: str) -> None:
    """Weights that were stored in another precision are trained in float32."""
    expected = answers(earlier())
    found = answers(earlier(dtype))
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, rel=0.02, abs=1)


def test_freeze(earlier: Earlier) -> None:
    """What is frozen does not learn, and its statistics stay; the rest does, with fresh ones."""
    for freeze, learns in (("none", "write"), ("stage1", "null")):
        built = incremental.build(earlier(), Counted(**{**vars(JOB), "freeze": freeze}), [mx.cpu()])
        parameters = built.collect_params()
        assert parameters["stage1_conv_weight"].grad_req == learns
        assert parameters["head_weight"].grad_req == "write"


def test_weight_that_is_missing(earlier: Earlier) -> None:
    """A net with a weight that the file has not is refused by its name."""
    with pytest.raises(ClientError, match="has no stage1_conv_bias"):
        answers(earlier(without="arg:stage1_conv_bias"))


@pytest.mark.parametrize("name", ["arg:stage1_conv_weight", "arg:fc_bias", "aux:stage1_bn_moving_mean"])
def test_weight_of_another_shape(earlier: Earlier, name: str) -> None:
    """A weight that does not fit the net is refused with both shapes."""
    with pytest.raises(ClientError, match=r"does not fit its net. .* is \(7, 7\) there"):
        answers(earlier(**{name: np.zeros((7, 7))}))


def test_weights_without_names(earlier: Earlier) -> None:
    """A list of arrays cannot be given to a net."""
    with pytest.raises(ClientError, match="has no names in it"):
        answers(earlier(names=False))


def test_damaged_weights(earlier: Earlier) -> None:
    """A file that MXNet cannot read is refused in one line, without a traceback of C++."""
    found = earlier()
    found.params.write_bytes(b"cut")
    with pytest.raises(ClientError, match="cannot be read. MXNet says: ") as caught:
        answers(found)
    assert "\n" not in str(caught.value)


def test_net_that_ends_in_something_else(earlier: Earlier) -> None:
    """Only the head of a fully connected layer can be replaced."""
    with pytest.raises(ClientError, match="Its classes come from Flatten"):
        answers(earlier(symbol=mx.sym.Flatten(mx.sym.var("data"))))


def test_pictures_that_are_too_small_for_the_net(earlier: Earlier) -> None:
    """What num_layers would not say here, the net does: it cannot take every image_shape."""
    large = earlier(symbol=net(kernel=9), **{"arg:stage1_conv_weight": np.zeros((4, 3, 9, 9))})
    assert answers(large).shape == (1, CLASSES)
    with pytest.raises(ClientError, match="cannot take pictures of image_shape 3,8,8"):
        answers(large, image_shape=(3, 8, 8))
