"""Finds NaN and infinity inside a net, where its answers may hide them.

MXNet's ReLU turns NaN into 0 on a CPU and OpenVINO's does not. So a net that overflows can answer numbers here, and NaN
when it is served.
"""

import mxnet as mx
from mxnet import gluon

from ...arrays import Floats
from ...inference.symbol import Graph

_LAYERS = ("Convolution", "BatchNorm", "FullyConnected")


class Soundness:
    """Looks at the outputs of a net's layers; it shares the net's parameters."""

    def __init__(self, net: gluon.HybridBlock, context: mx.Context) -> None:
        """`context` is one that the net is on."""
        self._context = context
        symbol = net(mx.sym.var("data"))
        inside = symbol.get_internals()
        layers = [node.name for node in Graph.read(symbol.tojson()).nodes if node.operator in _LAYERS]
        # A sum is NaN or infinite if any of its numbers is. One number per layer is little to keep.
        sums = mx.sym.concat(*(inside[f"{name}_output"].sum().reshape((1,)) for name in layers), dim=0)
        self._sums = gluon.SymbolBlock(sums, mx.sym.var("data", dtype="float32"), params=net.collect_params())

    def holds(self, pixels: Floats) -> bool:
        """Return whether all layers give finite numbers for pixels, float32 (n, 3, height, width)."""
        sums = self._sums(mx.nd.array(pixels, ctx=self._context))
        return bool(mx.nd.contrib.isfinite(sums).min().asscalar())
