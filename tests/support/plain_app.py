"""An app for the front that computes nothing: it says what it was given. Run by plain_server."""

import hashlib
import time
from collections.abc import Iterator
from types import SimpleNamespace

from flask import Flask, Response, jsonify, request

from sagemaker_gluoncv_container.serving.http.connection import BODY

app = Flask(__name__)
# What the front and gunicorn.conf.py tell the app when the server stops.
app.extensions["dispatcher"] = SimpleNamespace(queue=SimpleNamespace(finish=lambda seconds: None), close=lambda: None)


@app.get("/ping")
def ping() -> Response:
    """Answer."""
    return Response(status=200)


@app.post("/invocations")
def digest() -> Response:
    """Return the length and a digest of the body, after so many seconds as `wait` says."""
    time.sleep(request.args.get("wait", 0.0, float))
    body = request.environ[BODY]
    return jsonify(length=len(body), digest=hashlib.sha256(body).hexdigest())


@app.get("/lines")
def lines() -> Response:
    """Return three lines, half a second apart."""

    def parts() -> Iterator[str]:
        for number in range(3):
            yield f"{number}\n"
            time.sleep(0.5)

    return Response(parts())


@app.get("/broken")
def broken() -> Response:
    """Fail after a part of the answer."""

    def parts() -> Iterator[str]:
        yield "part"
        raise ZeroDivisionError

    return Response(parts())
