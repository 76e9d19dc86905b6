"""Turns a net of MXNet's into what the peers serve: python from_mxnet.py DIRECTORY.

DIRECTORY holds model-symbol.json and model-0000.params, as a training job left them, and then
    net-symbol.json     the net that ends in probabilities, without the label it was trained with
    model.onnx          the same in ONNX
    weights.npz         its weights
"""

import sys

import mxnet as mx
import numpy as np
import onnx
from mxnet import onnx as exporter

SHAPE = (1, 3, 224, 224)

directory = sys.argv[1]
symbol, arguments, auxiliary = mx.model.load_checkpoint(f"{directory}/model", 0)
parameters = {**arguments, **auxiliary}
net = mx.sym.softmax(symbol.get_children()[0], name="probabilities")
net.save(f"{directory}/net-symbol.json")
exporter.export_model(net, parameters, [SHAPE], np.float32, f"{directory}/model.onnx")
exported = onnx.load(f"{directory}/model.onnx")
# MXNet lists the weights as inputs, too, which keeps ONNX Runtime from folding normalisation into convolutions.
weights = {each.name for each in exported.graph.initializer}
inputs = [each for each in exported.graph.input if each.name not in weights]
del exported.graph.input[:]
exported.graph.input.extend(inputs)
onnx.save(exported, f"{directory}/model.onnx")
np.savez(f"{directory}/weights.npz", **{name: array.asnumpy() for name, array in parameters.items()})
