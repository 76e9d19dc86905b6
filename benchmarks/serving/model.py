"""The model and the pictures that everyone serves: a ResNet-18 at 224 x 224, trained by this checkout on photos."""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import environments
from pack_folders import pack
from PIL import Image

from sagemaker_gluoncv_container.artifact import load

ROOT = Path(__file__).resolve().parents[2]
HYPERPARAMETERS = {
    "image_shape": "3,224,224",
    "epochs": "1",
    "learning_rate": "0.02",
    "augmentation_type": "crop",
    "use_pretrained_model": "1",
}
SIZE = (400, 533)


def train(shared: Path, base: Path) -> Path:
    """Return a model directory under `base`, trained on clothing-small; trained again if our sources have changed."""
    model, trained = base / "model", base / "trained"
    sources = b"".join(path.read_bytes() for path in sorted((ROOT / "src").rglob("*.py")))
    wanted = hashlib.sha256(sources).hexdigest()
    if trained.is_file() and trained.read_text() == wanted:
        return model
    shutil.rmtree(base, ignore_errors=True)
    for split in ("train", "validation"):
        pack(shared / "data" / "clothing-small" / split, base / "input" / "data" / split)
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "hyperparameters.json").write_text(json.dumps(HYPERPARAMETERS))
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_GLUONCV_PRETRAINED_DIR": str(shared / "pretrained"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    print("Training the model (it is kept)", flush=True)
    subprocess.run([sys.executable, str(ROOT / "train" / "train")], env=environment, check=True)
    trained.write_text(wanted)
    return model


def pictures(folder: Path, count: int) -> list[bytes]:
    """Return that many photos of `folder`, JPEG files of 400 x 533 pixels, always the same ones.

    Raises ValueError if there are fewer.
    """
    paths = sorted(folder.rglob("*.jpg"))
    random.Random(0).shuffle(paths)
    found: list[bytes] = []
    for path in paths:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.size == SIZE and image.mode == "RGB" and not image.getexif():
                found.append(data)
        if len(found) == count:
            return found
    raise ValueError(f"{folder} holds {len(found)} JPEG files of {SIZE[0]} x {SIZE[1]} pixels, and {count} are needed")


def as_model_channel(directory: Path, work: Path) -> Path:
    """Return the directory as a folder named `model`, which is where SageMaker has it, whatever its own name is."""
    link = work / "served" / "model"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(directory)
    return link


def convert(model: Path, work: Path) -> Path:
    """Return a directory with a model in the peers' formats, made once for each model.

    model-symbol.json, model-0000.params and model-shapes.json for AWS's MXNet images, and what
    conversion/from_mxnet.py makes of them. Raises RuntimeError with the reason if the conversion fails.
    """
    artifact = load(model)
    digest = hashlib.sha256(artifact.params.read_bytes()).hexdigest()[:16]
    converted = work / "converted" / digest
    if not (converted / "weights.npz").is_file():
        print("Converting the model", flush=True)
        converted.mkdir(parents=True, exist_ok=True)
        shutil.copy(artifact.symbol, converted / "model-symbol.json")
        shutil.copy(artifact.params, converted / "model-0000.params")
        shutil.copy(model / "model-shapes.json", converted)
        environments.run("export", work, "conversion/from_mxnet.py", str(converted))
    return converted
