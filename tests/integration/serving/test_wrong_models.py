"""Promise: a model whose numbers are not numbers is refused when it is loaded, and wrong names harm nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Quantization
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference import translation
from support.model_server import Server, network, serve, weights, write_model

SIDE = 32


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a multi-model server with two workers."""
    return start(2, SAGEMAKER_MULTI_MODEL="true", OMP_NUM_THREADS="1")


def write(folder: Path, symbol: mx.sym.Symbol, arrays: dict[str, mx.nd.NDArray]) -> Path:
    """Write a model directory and return it."""
    description = artifact.Description(1, 4, Preprocessing(SIDE, SIDE, 36))
    artifact.save(folder, symbol.tojson(), lambda path: mx.nd.save(str(path), arrays), description)
    return folder


def damaged(folder: Path, name: str, value: float, lrn: bool = False) -> Path:
    """Write a model with a parameter that holds a value which is not a number; with `lrn` one that only MXNet knows."""
    symbol = network(4)
    if lrn:
        net = mx.sym.LRN(symbol.get_internals()["pool_output"], nsize=3, name="lrn")
        net = mx.sym.FullyConnected(mx.sym.flatten(net), num_hidden=4, name="fc1")
        symbol = mx.sym.SoftmaxOutput(net, name="softmax")
    arrays = weights(symbol, SIDE)
    array = arrays[name].asnumpy()
    array.flat[0] = value
    arrays[name] = mx.nd.array(array)
    return write(folder, symbol, arrays)


def calibrated(folder: Path) -> Path:
    """Write, beside a model, that it was calibrated for int8 and passed."""
    found = artifact.load(folder)
    ranges = dict.fromkeys(translation.rounded(found.symbol.read_text()), (-3.0, 3.0))
    artifact.save_quantization(folder, Quantization(found.params.name, ranges, 100, 0.9, 0.9, 1.0))
    return folder


def load(server: Server, name: object, url: object) -> tuple[int, str]:
    """Load a model; return the status and the error."""
    reply = server.ask("POST", "/models", json.dumps({"model_name": name, "url": url}))
    return reply.status, reply.json.get("error", "")


@pytest.mark.parametrize("name", ["arg:fc1_bias", "arg:fc1_weight", "arg:conv0_weight", "aux:bn_data_moving_var"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refused_at_load(server: Server, tmp_path: Path, name: str, value: float) -> None:
    """NaN and infinity in any parameter refuse the load, by the parameter's name, in float32 and in int8."""
    model = damaged(tmp_path / "model", name, value)
    for _ in range(2):
        status, error = load(server, "bad", str(model))
        assert status == 500
        assert f"not all numbers: {name.partition(':')[2]}" in error
        assert server.ask("GET", "/models").json == {"models": []}
        calibrated(model)
    assert server.metrics()["workers_lost_total"] == 0


def test_refused_by_mxnet(server: Server, tmp_path: Path) -> None:
    """So it is for a net that MXNet computes."""
    assert load(server, "good", str(write_model(tmp_path / "good")))[0] == 200
    status, error = load(server, "bad", str(damaged(tmp_path / "bad", "arg:fc1_weight", np.nan, lrn=True)))
    assert (status, "fc1_weight" in error) == (500, True)
    assert server.ask("DELETE", "/models/good").status == 200


@pytest.mark.parametrize("precision", ["auto", "int8", "float32"])
def test_a_server_of_one_model_does_not_start(tmp_path: Path, precision: str) -> None:
    """It ends, and its log says why, without a traceback."""
    calibrated(damaged(tmp_path / "model", "arg:fc1_weight", np.nan))
    ended = serve(tmp_path, SAGEMAKER_GLUONCV_PRECISION=precision)
    assert ended.returncode
    assert "not all numbers: fc1_weight" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_an_answer_that_is_not_a_number(start: Callable[..., Server], tmp_path: Path, flower: bytes) -> None:
    """Parameters that make a picture's numbers overflow: it gets 500 and a reason, never NaN, and its server lives."""
    symbol = network(4)
    arrays = weights(symbol, SIDE)
    for name, value in (("arg:bn_data_beta", 0), ("aux:bn_data_moving_mean", 0), ("arg:conv0_bias", 0)):
        arrays[name][:] = value
    arrays["arg:conv0_weight"][:] = 3e38
    write(tmp_path / "model", symbol, arrays)
    server = start(1, base=tmp_path)
    reply = server.invoke(flower)
    assert reply.status == 500
    assert "The model's answer is not a number" in reply.json["error"]
    assert b"NaN" not in reply.body
    assert server.ping() == 200
    assert server.metrics()["workers_lost_total"] == 0


@pytest.mark.parametrize("name", ["\ud800", "a\udfff", "\0", "a\nb", "x" * 1025, 7, None, [], {"a": 1}, ""])
def test_wrong_names(server: Server, tmp_path: Path, name: object) -> None:
    """A name that could not be written is 400, and /metrics answers as before."""
    status, error = load(server, name, str(write_model(tmp_path / "model")))
    assert (status, "model_name" in error) == (400, True)
    assert server.ask("GET", "/metrics").status == 200
    assert server.ask("GET", "/models").json == {"models": []}


@pytest.mark.parametrize(
    "url", ["\ud800", "/a\0b", "/" + "a" * 5000, "a/" * 2500, "/" + "b" * 300, 7, None, ["/a"], ""]
)
def test_wrong_urls(server: Server, url: object) -> None:
    """A url that no directory can have is 400."""
    status, error = load(server, "a", url)
    assert (status, "url" in error) == (400, True)


def test_strange_names_that_are_names(server: Server, tmp_path: Path, flower: bytes) -> None:
    """Quotes, backslashes, braces and all of Unicode are names, also to /metrics."""
    for name in ('"}\\', '{a="b"} 1', "\ufffe\U0010ffff", "n" * 1024):
        model = write_model(tmp_path / "model")
        assert load(server, name, str(model)) == (200, "")
        assert server.ask("GET", "/metrics").status == 200
        assert [each["modelName"] for each in server.ask("GET", "/models").json["models"]] == [name]
        path = f"/models/{quote(name, safe='')}"
        assert server.invoke(flower, path=f"{path}/invoke").status == 200
        assert server.ask("DELETE", path).status == 200
        shutil.rmtree(model)


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"model_name":' * 50_000, b"\xff\xfe", b"[]", b"7", b'"a"', b"null", b"", b"{", b"\x80{}"],
)
def test_wrong_bodies(server: Server, body: bytes) -> None:
    """A body that is not a JSON object is 400, however deep, and nothing of it is in the log as a traceback."""
    reply = server.ask("POST", "/models", body)
    assert (reply.status, "model_name" in reply.json["error"]) == (400, True)
    assert not any("traceback" in line for line in server.log())


@pytest.mark.parametrize("name", ["%ED%A0%80", "%FF", "%00", "x" * 3000, "%2e%2e", "%0a"])
def test_wrong_paths(server: Server, flower: bytes, name: str) -> None:
    """Models of impossible names are not found, whatever is asked of them."""
    assert server.ask("GET", f"/models/{name}").status == 404
    assert server.ask("DELETE", f"/models/{name}").status == 404
    assert server.invoke(flower, path=f"/models/{name}/invoke").status == 404


@pytest.mark.parametrize(
    "query", ["next_page_token=" + "9" * 5000, "limit=" + "9" * 3000, "limit=-1", "limit=a", "limit=0"]
)
def test_wrong_pages(server: Server, query: str) -> None:
    """Strange pages are the first page, unless the line is longer than gunicorn takes."""
    reply = server.ask("GET", f"/models?{query}")
    assert reply.status in (200, 414) if len(query) > 4000 else reply.status == 200
    assert reply.status == 414 or reply.json == {"models": []}


def test_a_url_of_a_whole_machine(server: Server) -> None:
    """A folder that holds everything is refused without being searched to its end."""
    status, error = load(server, "a", "/")
    assert status == 500
    assert "holds no model" in error
