"""The `model` channel: a job starts from what an earlier one has learnt, whoever trained it."""

import io
import json
import re
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import contract, images
from sagemaker_gluoncv_container.data import record_files, recordio
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training import job
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters

LEARNT = {
    "num_layers": "20",
    "image_shape": "3,32,32",
    "mini_batch_size": "8",
    "epochs": "9",
    "learning_rate": "0.05",
    "lr_scheduler": "cosine",
    "warmup_epochs": "1",
    "augmentation_type": "crop",
    "seed": "3",
}


def accuracies(lines: list[str]) -> list[float]:
    """Return the validation accuracy of each epoch in a log."""
    return [float(found[1]) for line in lines if (found := re.search(r"validation:accuracy=([0-9.]+)", line))]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    """Return the model directory of a job that has learnt the drawn pictures."""
    base = tmp_path_factory.mktemp("earlier")
    shutil.copytree(drawn, base / "input" / "data")
    job.run(contract.Paths(base), Hyperparameters.from_strings(LEARNT), threading.Event())
    return base / "model"


@pytest.fixture
def random_start(base: Path, run: Callable[..., list[str]]) -> float:
    """Return the best validation accuracy of three epochs from random weights."""
    return max(accuracies(run(base, epochs="3")))


def test_job_seeded_by_an_earlier_artifact_starts_above_a_random_start(
    earlier: Path, base: Path, run: Callable[..., list[str]], random_start: float
) -> None:
    """One epoch from our own artifact beats the best of three from random weights."""
    shutil.copytree(earlier, base / "input" / "data" / "model")
    found = accuracies(run(base, epochs="1", learning_rate="0.001"))
    assert found[0] > random_start


def test_artifact_continues_with_the_very_same_answers(
    earlier: Path, base: Path, run: Callable[..., list[str]]
) -> None:
    """With a learning rate of 0 and a frozen net, the seeded model's figures are those of the earlier one."""
    shutil.copytree(earlier, base / "input" / "data" / "model")
    found = accuracies(run(base, epochs="1", learning_rate="0", freeze="backbone"))
    description = json.loads((earlier / "sagemaker-gluoncv.json").read_text())
    assert found == pytest.approx([description["metrics"]["validation:accuracy"]])
    # And what it leaves can seed the next one.
    shutil.rmtree(base / "input" / "data" / "model")
    shutil.copytree(base / "model", base / "input" / "data" / "model")
    assert accuracies(run(base, epochs="1", learning_rate="0", freeze="backbone")) == found


def test_model_as_the_platform_packs_it(earlier: Path, base: Path, run: Callable[..., list[str]]) -> None:
    """A model.tar.gz is unpacked; another number of classes gets a new head."""
    folder = base / "input" / "data" / "model"
    folder.mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        for path in earlier.iterdir():
            archive.add(path, path.name)
    (base / "input" / "data" / "train" / "classes.json").unlink()
    lines = run(base, epochs="1", num_classes="6")
    assert any("The head is new: the earlier model has 4 classes, this job 6" in line for line in lines)
    assert any(f"Starting from the model in {folder}; num_layers and" in line for line in lines)
    assert accuracies(lines)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside-of-the-channel"])
def test_archive_with_a_path_outside_is_refused(base: Path, run: Callable[..., list[str]], name: str) -> None:
    """An archive cannot write beside the folder that it is unpacked into."""
    folder = base / "input" / "data" / "model"
    folder.mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(ClientError):
        run(base)
    assert not (folder.parent / "outside").exists()
    assert not Path("/tmp/outside-of-the-channel").exists()


@pytest.mark.parametrize("content", [{}, {"readme.txt": b"x"}, {"model.tar.gz": b"no archive"}])
def test_channel_without_a_model_is_the_users_fault(
    base: Path, run: Callable[..., list[str]], content: dict[str, bytes]
) -> None:
    """The message says what is missing."""
    folder = base / "input" / "data" / "model"
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    with pytest.raises(ClientError, match="holds no model|cannot be unpacked"):
        run(base)


def unit(data: mx.sym.Symbol, filters: int, stride: int, name: str) -> mx.sym.Symbol:
    """Return a residual unit with the names and the order of layers of MXNet's image-classification example."""
    first = mx.sym.BatchNorm(data, fix_gamma=False, eps=2e-5, momentum=0.9, name=f"{name}_bn1")
    active = mx.sym.Activation(first, act_type="relu", name=f"{name}_relu1")
    middle = mx.sym.Convolution(
        active, num_filter=filters, kernel=(3, 3), stride=(stride,) * 2, pad=(1, 1), no_bias=True, name=f"{name}_conv1"
    )
    second = mx.sym.BatchNorm(middle, fix_gamma=False, eps=2e-5, momentum=0.9, name=f"{name}_bn2")
    again = mx.sym.Activation(second, act_type="relu", name=f"{name}_relu2")
    last = mx.sym.Convolution(again, num_filter=filters, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"{name}_conv2")
    short = mx.sym.Convolution(
        active, num_filter=filters, kernel=(1, 1), stride=(stride,) * 2, no_bias=True, name=f"{name}_sc"
    )
    return last + short


def built_in_net() -> mx.sym.Symbol:
    """Return a small net as the built-in draws it: `bn_data` before the first layer, `fc1` and `softmax` at the end."""
    data = mx.sym.BatchNorm(mx.sym.var("data"), fix_gamma=True, eps=2e-5, momentum=0.9, name="bn_data")
    body = mx.sym.Convolution(data, num_filter=16, kernel=(3, 3), pad=(1, 1), no_bias=True, name="conv0")
    for stage, filters in enumerate((16, 32, 64), 1):
        body = unit(body, filters, 1 if stage == 1 else 2, f"stage{stage}_unit1")
    body = mx.sym.BatchNorm(body, fix_gamma=False, eps=2e-5, momentum=0.9, name="bn1")
    body = mx.sym.Activation(body, act_type="relu", name="relu1")
    pooled = mx.sym.Pooling(body, global_pool=True, kernel=(7, 7), pool_type="avg", name="pool1")
    head = mx.sym.FullyConnected(mx.sym.flatten(pooled), num_hidden=4, name="fc1")
    return mx.sym.SoftmaxOutput(head, name="softmax")


@pytest.fixture(scope="module")
def built_in(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    """Return a directory in the built-in algorithm's format, trained on the drawn pictures with plain MXNet."""
    path = drawn / "train" / "pictures.rec"
    pre = images.Preprocessing(32, 32, 37)
    pixels, labels = [], []
    with path.open("rb") as file:
        for record in record_files.scan(path):
            picture = recordio.unpack(record_files.read_payload(file.fileno(), record.offset, record.size))
            pixels.append(images.for_evaluation(decode(picture.data), pre).transpose(2, 0, 1))
            labels.append(picture.labels[0])
    mx.random.seed(1)
    np.random.seed(1)
    data = mx.io.NDArrayIter(np.array(pixels, np.float32), np.array(labels, np.float32), 16, shuffle=True)
    module = mx.mod.Module(built_in_net(), context=mx.cpu())
    module.fit(
        data,
        num_epoch=10,
        optimizer="adam",
        optimizer_params={"learning_rate": 0.003},
        initializer=mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2),
    )
    folder = tmp_path_factory.mktemp("built-in")
    module.save_checkpoint(str(folder / "image-classification"), 10)
    (folder / "model-shapes.json").write_text('[{"name": "data", "shape": [1, 3, 32, 32]}]')
    return folder


@pytest.mark.parametrize("freeze", ["none", "stage1"])
def test_job_seeded_by_the_built_ins_format_starts_above_a_random_start(
    built_in: Path, base: Path, run: Callable[..., list[str]], random_start: float, freeze: str
) -> None:
    """The built-in's ResNet has layers that GluonCV's has not, and is trained further as it is."""
    shutil.copytree(built_in, base / "input" / "data" / "model")
    found = accuracies(run(base, epochs="1", learning_rate="0.001", freeze=freeze))
    assert found[0] > random_start
    kept = mx.nd.load(str(base / "model" / "image-classification-0000.params"))
    before = mx.nd.load(str(built_in / "image-classification-0010.params"))
    for name in ("arg:stage1_unit1_conv1_weight", "aux:stage1_unit1_bn2_moving_var"):
        same = np.array_equal(kept[name].asnumpy(), before[name].asnumpy())
        assert same == (freeze == "stage1")
    assert not np.array_equal(
        kept["arg:stage3_unit1_conv1_weight"].asnumpy(), before["arg:stage3_unit1_conv1_weight"].asnumpy()
    )
