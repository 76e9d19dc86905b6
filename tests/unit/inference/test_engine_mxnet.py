"""engine_mxnet: MXNet's own answers, which are the reference for all others."""

from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Artifact
from sagemaker_gluoncv_container.errors import ContainerError
from sagemaker_gluoncv_container.inference.engine_mxnet import MXNetEngine
from support.model_server import write_model

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def plain(found: Artifact) -> np.ndarray:
    """Return what MXNet's Module, neither fused nor hybridized, answers."""
    arrays = mx.nd.load(str(found.params))
    module = mx.mod.Module(mx.sym.load(str(found.symbol)))
    module.bind([("data", (3, 3, 32, 32))], [("softmax_label", (3,))], for_training=False)
    module.set_params(*({name[4:]: a for name, a in arrays.items() if name[:3] == kind} for kind in ("arg", "aux")))
    module.forward(mx.io.DataBatch([mx.nd.array(PIXELS.transpose(0, 3, 1, 2))]), is_train=False)
    answer: np.ndarray = module.get_outputs()[0].asnumpy()
    return answer


def test_answers(tiny: Artifact) -> None:
    """The fused net answers as MXNet's Module does, and a batch as its pictures."""
    engine = MXNetEngine(tiny)
    found = engine.compute(PIXELS)
    assert (found.dtype, found.shape) == (np.float32, (3, 4))
    assert np.abs(found - plain(tiny)).max() < 1e-5
    assert np.abs(engine.compute(PIXELS[:1], alone=True)[0] - found[0]).max() < 1e-6
    assert (engine.name, engine.precision) == ("MXNet", "float32")


def test_there_is_nothing_to_measure(tiny: Artifact) -> None:
    """Its threads are the process's."""
    assert MXNetEngine(tiny).measure(2) is None


def test_a_missing_parameter(tmp_path: Path) -> None:
    """A parameter that the symbol names and the file lacks is an error with its name."""
    folder = write_model(tmp_path / "model")
    (params,) = folder.glob("*.params")
    arrays = mx.nd.load(str(params))
    del arrays["arg:fc1_bias"]
    mx.nd.save(str(params), arrays)
    with pytest.raises(ContainerError, match="have no fc1_bias"):
        MXNetEngine(artifact.load(folder))


def test_closing(tiny: Artifact) -> None:
    """A closed engine holds its net no longer."""
    engine = MXNetEngine(tiny)
    engine.close()
    assert not hasattr(engine, "_net")
