"""MXNet as an engine: the reference, the GPUs' engine, and the one for nets that the other does not know."""

import gc
from collections.abc import Mapping

import mxnet as mx
import numpy as np
from mxnet import gluon

from .. import images
from ..arrays import Floats, Pixels
from ..artifact import Artifact
from ..errors import ContainerError
from . import finite
from .symbol import Graph

Tensors = Mapping[str, mx.nd.NDArray]


class MXNetEngine:
    """A net in MXNet, on a CPU fused by oneDNN; a batch is one pass."""

    name, precision = "MXNet", "float32"

    def __init__(self, artifact: Artifact, gpu: int | None = None) -> None:
        """Load the net. `gpu` is the number of the GPU to compute on, None for the CPU. Raises ContainerError."""
        self._context = mx.cpu() if gpu is None else mx.gpu(gpu)
        self._preprocessing = artifact.description.preprocessing
        arrays = mx.nd.load(str(artifact.params))
        finite.check_parameters(((name, array.asnumpy()) for name, array in arrays.items()), artifact.params)
        arguments = {name[4:]: array for name, array in arrays.items() if name.startswith("arg:")}
        auxiliary = {name[4:]: array for name, array in arrays.items() if name.startswith("aux:")}
        self._net = _fused(_for_inference(mx.sym.load(str(artifact.symbol))), arguments, auxiliary, self._context)

    def compute(self, pixels: Pixels, alone: bool = False) -> Floats:
        """Return the probabilities, float32 (n, classes), of pixels, uint8 (n, height, width, 3)."""
        batch = np.stack([images.for_network(each, self._preprocessing) for each in pixels])
        probabilities: Floats = self._net(mx.nd.array(batch, ctx=self._context)).asnumpy()
        return probabilities.reshape(len(batch), -1)

    def measure(self, most: int) -> None:
        """Nothing: MXNet's threads are the process's."""

    def close(self) -> None:
        """Give back what MXNet's pools would keep."""
        del self._net
        gc.collect()
        mx.nd.waitall()
        if self._context.device_type == "gpu":
            self._context.empty_cache()


def _fused(symbol: mx.sym.Symbol, arguments: Tensors, auxiliary: Tensors, context: mx.Context) -> gluon.SymbolBlock:
    """Return the net of a symbol, on a CPU fused by oneDNN. Raises ContainerError if a parameter is missing."""
    if context.device_type == "cpu":
        symbol = symbol.optimize_for("MKLDNN", arguments, auxiliary)
    net = gluon.SymbolBlock(symbol, mx.sym.var("data", dtype="float32"))
    for name, parameter in net.collect_params().items():
        value = arguments.get(name, auxiliary.get(name))
        if value is None:
            raise ContainerError(f"The parameters have no {name}", "The symbol needs it", "Save the model again")
        parameter._load_init(value, context)
    net.hybridize(static_alloc=True)
    return net


def _for_inference(symbol: mx.sym.Symbol) -> mx.sym.Symbol:
    """Return the symbol without the label it was trained with, ending in probabilities."""
    graph = Graph.read(symbol.tojson())
    return getattr(mx.sym, str(graph.ending))(symbol.get_children()[0]) if graph.ends_in_loss else symbol
