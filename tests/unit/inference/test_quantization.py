"""quantization: the int8 form of a net is kept where it answers as float32 does, and refused where it does not."""

import json
import logging
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.errors import ContainerError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference import engine, params, quantization
from sagemaker_gluoncv_container.inference.openvino_net import Net
from sagemaker_gluoncv_container.inference.rounding import NEAREST, Rounding
from sagemaker_gluoncv_container.inference.translation import translate

SIDE, CLASSES = 16, 4
Arrays = dict[str, Any]


def symbol(head: str = "softmax") -> mx.sym.Symbol:
    """Return a net of two convolutions, the first with a batch normalisation."""
    net = mx.sym.Convolution(mx.sym.var("data"), num_filter=16, kernel=(3, 3), no_bias=True, name="c0")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="b0"), act_type="relu", name="r0")
    net = mx.sym.Convolution(net, num_filter=16, kernel=(3, 3), name="c1")
    net = mx.sym.Activation(net, act_type="relu", name="r1")
    net = mx.sym.Pooling(net, kernel=(6, 6), stride=(6, 6), pool_type="avg", name="p")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=CLASSES, name="fc")
    return (mx.sym.SoftmaxOutput if head == "softmax" else mx.sym.LogisticRegressionOutput)(net, name="softmax")


def weights() -> Arrays:
    """Return random weights for it, with which each class is the answer to some pictures."""
    random = np.random.default_rng(0)
    shapes, _, states = symbol().infer_shape(data=(1, 3, SIDE, SIDE))
    arrays = {
        name: random.normal(0, np.sqrt(2 / max(1, np.prod(shape[1:]))), shape)
        for name, shape in zip(symbol().list_arguments(), shapes, strict=True)
        if name not in ("data", "softmax_label")
    }
    arrays |= {name: np.full(shape, 1.0) for name, shape in zip(symbol().list_auxiliary_states(), states, strict=True)}
    arrays["b0_gamma"] = np.ones(16)
    arrays["b0_moving_var"] = np.full(16, 1e4)
    return arrays


def write(folder: Path, arrays: Arrays, head: str = "softmax") -> Path:
    """Write a model directory with these weights."""
    net = symbol(head)
    states = net.list_auxiliary_states()
    named = {f"{'aux' if name in states else 'arg'}:{name}": mx.nd.array(each) for name, each in arrays.items()}
    description = Description(2, CLASSES, Preprocessing(SIDE, SIDE, SIDE))
    artifact.save(folder, net.tojson(), lambda path: mx.nd.save(str(path), named), description)
    return folder


def pictures(count: int, seed: int) -> list[Any]:
    """Return pictures of one colour each, with noise."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (count, 1, 1, 3))
    return list((colours + random.integers(-40, 40, (count, SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8))


def judged(folder: Path) -> tuple[list[Any], list[Any]]:
    """Return pictures, and as labels what the net in float32 answers, but for every fifth."""
    loaded, _ = engine.load(artifact.load(folder), "float32")
    some = pictures(300, 7)
    answers = loaded.compute(np.stack(some))
    # Those that a trained net leaves in no doubt.
    clear = np.flatnonzero(np.diff(np.sort(answers, 1)[:, -2:], axis=1)[:, 0] > 0.05)[:200]
    some, labels = [some[number] for number in clear], answers[clear].argmax(1)
    assert len(some) == 200
    assert len(set(labels.tolist())) >= 3
    labels[::5] = (labels[::5] + 1) % CLASSES
    return some, list(labels.astype(np.float32))


def exploded(arrays: Arrays) -> Arrays:
    """Return weights that compute the same in float32, with one channel ten thousand times the others."""
    changed = {name: array.copy() for name, array in arrays.items()}
    for name in ("b0_gamma", "b0_beta"):
        changed[name][3] *= 1e4
    changed["c1_weight"][:, 3] *= 1e-4
    return changed


def test_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A net that bears rounding is kept, its figures stand in the artifact and in one line of the log."""
    folder = write(tmp_path / "model", weights())
    with caplog.at_level(logging.INFO):
        made = quantization.quantize(folder, pictures(60, 1), zip(*judged(folder), strict=True), threads=1)
    assert made.refused is None
    assert made.accuracy_float32 == pytest.approx(0.8)
    assert abs(made.accuracy_int8 - made.accuracy_float32) <= 0.005
    assert made.agreement >= 0.985
    assert made.pictures == 200
    assert artifact.load(folder).quantization == made
    assert [record.message for record in caplog.records] == [f"int8: kept, {made}"]


def test_a_bad_one_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A net whose channels differ by 1e4 answers the same in float32, not in int8, and is refused with its figures."""
    sound, folder = write(tmp_path / "sound", weights()), write(tmp_path / "model", exploded(weights()))
    some, labels = judged(folder)
    assert labels == judged(sound)[1]
    made = quantization.quantize(folder, pictures(60, 1), zip(some, labels, strict=True), threads=1)
    assert made.refused
    assert made.agreement < 0.985
    assert artifact.load(folder).quantization == made
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "refused, the model stays in float32" in caplog.text


def deep() -> tuple[mx.sym.Symbol, Arrays]:
    """Return a net of six convolutions, and weights with which each class is the answer to some pictures."""
    net = mx.sym.Convolution(mx.sym.var("data"), num_filter=16, kernel=(3, 3), no_bias=True, name="c0")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name="b0"), act_type="relu", name="r0")
    for number in range(1, 6):
        net = mx.sym.Convolution(net, num_filter=16, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"c{number}")
        net = mx.sym.Activation(net, act_type="relu", name=f"r{number}")
    net = mx.sym.Pooling(net, kernel=(6, 6), stride=(6, 6), pool_type="avg", name="p")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=CLASSES, name="fc")
    net, arrays = mx.sym.SoftmaxOutput(net, name="softmax"), weights()
    random = np.random.default_rng(3)
    for number in range(2, 6):
        # Nearly what goes in, so that the pictures stay apart.
        arrays[f"c{number}_weight"] = random.normal(0, 0.05, (16, 16, 3, 3))
        arrays[f"c{number}_weight"][:, :, 1, 1] += np.eye(16)
    # No class is ahead of the others for most pictures.
    named = {f"arg:{name}": np.asarray(each, np.float32) for name, each in arrays.items()}
    watching = Net(translate(net.tojson(), named, Preprocessing(SIDE, SIDE, SIDE), watched=["fc"]), 1)
    arrays["fc_bias"] = arrays["fc_bias"] - np.median([watching(each)[1] for each in pictures(300, 7)], axis=0)
    return net, arrays


def write_net(folder: Path, net: mx.sym.Symbol, arrays: Arrays) -> Path:
    """Write a model directory with a net."""
    states = net.list_auxiliary_states()
    named = {
        f"{'aux' if name in states else 'arg'}:{name}": mx.nd.array(arrays[name])
        for name in (*net.list_arguments(), *states)
        if name not in ("data", "softmax_label")
    }
    description = Description(2, CLASSES, Preprocessing(SIDE, SIDE, SIDE))
    artifact.save(folder, net.tojson(), lambda path: mx.nd.save(str(path), named), description)
    return folder


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("once", [True, False])
def test_sensitive_layers_stay_in_float32(tmp_path: Path, layers: int, once: bool) -> None:
    """Where few layers ruin a net they are left in float32 and the rest is kept, whatever gives the pictures."""
    net, arrays = deep()
    for number in range(1, layers + 1):
        # The layer before takes a channel up, the layer after takes it down: the same in float32.
        arrays[f"c{number}_weight"][3] *= 1e4
        arrays[f"c{number + 1}_weight"][:, 3] *= 1e-4
    folder = write_net(tmp_path / "model", net, arrays)
    pixels, labels = judged(folder)
    pairs = list(zip(pixels, labels, strict=True))
    made = quantization.quantize(folder, pictures(60, 1), iter(pairs) if once else pairs, threads=1)
    assert made.refused is None
    assert {f"r{number}" for number in range(1, layers + 1)} <= set(made.float32_layers)
    assert len(made.float32_layers) <= 4
    assert made.ranges
    assert not set(made.ranges) & set(made.float32_layers)
    assert made.agreement > 0.97
    assert f"{len(made.float32_layers)} layer" in str(made)
    assert artifact.load(folder).quantization == made
    served, _ = engine.load(artifact.load(folder), "int8")
    assert (served.compute(np.stack(pixels)).argmax(1) == labels).mean() == pytest.approx(made.accuracy_int8)


def test_a_ruined_net_is_refused(tmp_path: Path) -> None:
    """Where most layers would have to stay in float32 the whole is refused, and the reason says that this was tried."""
    net, arrays = deep()
    for number in range(5):
        for name in ("b0_gamma", "b0_beta") if number == 0 else (f"c{number}_weight",):
            arrays[name][5 + number] *= 1e5
        arrays[f"c{number + 1}_weight"][:, 5 + number] *= 1e-5
    folder = write_net(tmp_path / "model", net, arrays)
    made = quantization.quantize(folder, pictures(60, 1), zip(*judged(folder), strict=True), threads=1)
    assert made.refused
    assert "layers in float32" in made.refused
    assert made.float32_layers == ()
    assert made.agreement < 0.9


def test_version_2(tmp_path: Path) -> None:
    """A file that an older image wrote is served as that image did: with the nearest weights of 7 bits."""
    folder = write(tmp_path / "model", weights())
    made = quantization.quantize(folder, pictures(9, 1), zip(*judged(folder), strict=True), threads=1)
    file = folder / "image-classification-int8.json"
    older = ("params", "ranges", "pictures", "accuracy_float32", "accuracy_int8", "agreement", "refused")
    content = {name: value for name, value in json.loads(file.read_text()).items() if name in older}
    pixels = np.stack(pictures(20, 5))
    new = engine.load(artifact.load(folder), "int8")[0].compute(pixels)
    file.write_text(json.dumps({"format_version": 2, **content}))
    found = artifact.load(folder)
    assert found.quantization
    assert found.quantization.nearest
    assert found.quantization.ranges == made.ranges
    old = engine.load(found, "int8")[0].compute(pixels)
    model = translate(
        found.symbol.read_text(), params.read(found.params), found.description.preprocessing, made.ranges,
        rounding=Rounding(NEAREST),
    )  # fmt: skip
    assert (old == np.stack([Net(model, 1)(each)[0] for each in pixels])).all()
    assert np.abs(old - new).max() > 0


def test_answers_that_are_not_finite(tmp_path: Path) -> None:
    """A net that answers NaN to some pictures is refused or judged by them as wrong, never by class 0."""
    folder = write(tmp_path / "model", weights())
    some, _ = judged(folder)
    broken = weights()
    broken["fc_bias"][:] = np.nan
    write(folder, broken)
    labels = np.zeros(len(some), np.float32)
    made = quantization.quantize(folder, pictures(9, 1), zip(some, labels, strict=True), threads=1)
    assert (made.accuracy_float32, made.accuracy_int8, made.agreement) == (0, 0, 0)
    assert made.refused


def test_several_labels(tmp_path: Path) -> None:
    """Where a picture has several labels, each label is an answer, right on its side of 1/2."""
    folder = write(tmp_path / "model", weights(), "logistic")
    assert quantization.outputs(artifact.load(folder)) == (CLASSES, True)
    labels = np.random.default_rng(5).integers(0, 2, (80, CLASSES)).astype(np.float32)
    made = quantization.quantize(folder, pictures(40, 1), zip(pictures(80, 2), labels, strict=True), threads=1)
    assert 0.3 < made.accuracy_float32 < 0.7
    assert made.agreement > 0.9
    assert (made.pictures, made.labels) == (80, 80 * CLASSES)
    assert f"% of {80 * CLASSES} labels on 80 validation pictures" in str(made)


def test_other_weights(tmp_path: Path) -> None:
    """Ranges are those of the weights beside them: the next epoch's have none."""
    folder = write(tmp_path / "model", weights())
    quantization.quantize(folder, pictures(9, 1), zip(*judged(folder), strict=True), threads=1)
    assert artifact.load(folder).quantization
    write(folder, exploded(weights()))
    assert artifact.load(folder).quantization is None


@pytest.mark.parametrize("nothing", ["calibration", "validation"])
def test_no_pictures(tmp_path: Path, nothing: str) -> None:
    """Without pictures to calibrate or to judge with there is nothing to say."""
    folder = write(tmp_path / "model", weights())
    validation = [] if nothing == "validation" else zip(*judged(folder), strict=True)
    with pytest.raises(ContainerError, match="There are no pictures|There are no validation pictures"):
        quantization.quantize(folder, [] if nothing == "calibration" else pictures(3, 1), validation, threads=1)
    assert artifact.load(folder).quantization is None


def test_judged_by_another_version(tmp_path: Path) -> None:
    """Ranges that an older image judged, which rounded weights otherwise, count for nothing here."""
    folder = write(tmp_path / "model", weights())
    quantization.quantize(folder, pictures(9, 1), zip(*judged(folder), strict=True), threads=1)
    file = folder / "image-classification-int8.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 1}))
    assert artifact.load(folder).quantization is None
