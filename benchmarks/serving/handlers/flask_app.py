"""gunicorn + Flask + MXNet, as in examples of bring-your-own containers: one model per worker, loaded at import."""

import os

import mxnet as mx
from flask import Flask, Response, jsonify, request
from pixels import read

directory = os.environ["MODEL"]
net = mx.gluon.SymbolBlock.imports(f"{directory}/net-symbol.json", ["data"], f"{directory}/model-0000.params")
net.hybridize(static_alloc=True, static_shape=True)
app = Flask(__name__)


@app.get("/ping")
def ping():
    """Say that the process lives."""
    return Response(status=200)


@app.post("/invocations")
def invocations():
    """Answer one picture."""
    return jsonify(net(mx.nd.array(read(request.data)))[0].asnumpy().tolist())
