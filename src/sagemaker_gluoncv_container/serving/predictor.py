"""Holds a net and computes probabilities; lives in a worker process."""

import ctypes
import gc
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import mxnet as mx
import numpy as np
from mxnet import gluon
from numpy.typing import NDArray

from .. import images
from ..artifact import Artifact
from ..errors import ContainerError
from .protocol import Answers

Arrays = Mapping[str, mx.nd.NDArray]
# What ends a symbol that was made for training, and what its output is at inference.
_OUTPUTS = {"SoftmaxOutput": mx.sym.softmax, "LogisticRegressionOutput": mx.sym.sigmoid}


class Predictor:
    """A loaded artifact, for batches of any size."""

    def __init__(self, artifact: Artifact, threads: int, context: mx.Context | None = None) -> None:
        """Load the net, fuse it for inference, and answer a warm-up picture.

        `threads` decode. They compute too, unless `context` is a GPU.
        """
        self._context = context or mx.cpu()
        self._preprocessing = pre = artifact.description.preprocessing
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode") if threads > 1 else None
        arrays = mx.nd.load(str(artifact.params))
        arguments = {name[4:]: array for name, array in arrays.items() if name.startswith("arg:")}
        auxiliary = {name[4:]: array for name, array in arrays.items() if name.startswith("aux:")}
        self._net = _fused(_for_inference(mx.sym.load(str(artifact.symbol))), arguments, auxiliary, self._context)
        # The first pass allocates and chooses kernels: a warm-up picture pays for it, not the first client.
        self._compute(np.zeros((1, 3, pre.height, pre.width), np.float32))
        return_memory(self._context)

    def predict(self, pictures: Sequence[bytes]) -> Answers:
        """Answer encoded pictures of any size in one pass; one that cannot be read fails alone."""
        started = time.perf_counter()
        pixels = list((self._pool.map if self._pool else map)(self._pixels, pictures))
        decoded = time.perf_counter()
        good = [each for each in pixels if not isinstance(each, ContainerError)]
        probabilities = iter(self._compute(np.stack(good))) if good else iter(())
        each = [one if isinstance(one, ContainerError) else next(probabilities) for one in pixels]
        return Answers(each, decoded - started, time.perf_counter() - decoded)

    def _pixels(self, data: bytes) -> NDArray[np.float32] | ContainerError:
        try:
            pixels = images.for_evaluation(images.decode(data), self._preprocessing)
            return images.for_network(pixels, self._preprocessing)
        except ContainerError as error:
            return error

    def _compute(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self._net(mx.nd.array(batch, ctx=self._context)).asnumpy()
        return probabilities.reshape(len(batch), -1)


def _fused(symbol: mx.sym.Symbol, arguments: Arrays, auxiliary: Arrays, context: mx.Context) -> gluon.SymbolBlock:
    """Return the net of a symbol, on a CPU fused by oneDNN. Raises ContainerError if a parameter is missing."""
    if context.device_type == "cpu":
        symbol = symbol.optimize_for("MKLDNN", arguments, auxiliary)
    net = gluon.SymbolBlock(symbol, mx.sym.var("data", dtype="float32"))
    for name, parameter in net.collect_params().items():
        value = arguments.get(name, auxiliary.get(name))
        if value is None:
            raise ContainerError(f"the parameters have no {name}", "the symbol needs it", "Save the model again")
        parameter._load_init(value, context)
    net.hybridize(static_alloc=True)
    return net


def warm_up(context: mx.Context) -> None:
    """Run a tiny net once: MXNet's libraries are read as they are used, which a first model would seem to keep."""
    data = mx.sym.var("data")
    for number, kernel in enumerate((7, 3, 1)):
        data = mx.sym.Convolution(data, num_filter=16, kernel=(kernel, kernel), name=f"convolution{number}")
        data = mx.sym.Activation(mx.sym.BatchNorm(data, name=f"normalization{number}"), act_type="relu")
    pooled = mx.sym.Pooling(data, global_pool=True, pool_type="avg", kernel=(1, 1))
    symbol = mx.sym.softmax(mx.sym.FullyConnected(pooled, num_hidden=2, name="output"))
    shape = (1, 3, 32, 32)
    shapes, _, auxiliary_shapes = symbol.infer_shape(data=shape)
    named = {name: mx.nd.ones(each) for name, each in zip(symbol.list_arguments(), shapes, strict=True)}
    states = symbol.list_auxiliary_states()
    auxiliary = {name: mx.nd.ones(each) for name, each in zip(states, auxiliary_shapes, strict=True)}
    del named["data"]
    _fused(symbol, named, auxiliary, context)(mx.nd.zeros(shape, ctx=context)).wait_to_read()
    return_memory(context)


def _for_inference(symbol: mx.sym.Symbol) -> mx.sym.Symbol:
    """Return the symbol without the label it was trained with, ending in probabilities."""
    graph = json.loads(symbol.tojson())
    last = graph["nodes"][graph["heads"][0][0]]["op"]
    return _OUTPUTS[last](symbol.get_children()[0]) if last in _OUTPUTS else symbol


def return_memory(context: mx.Context) -> None:
    """Give freed memory back, which glibc and MXNet's pools would keep: loading frees as much as the net takes."""
    gc.collect()
    mx.nd.waitall()
    if context.device_type == "gpu":
        context.empty_cache()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
