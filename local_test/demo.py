"""The whole way on this machine: draw pictures, train on them, serve the model, ask about pictures it has not seen.

Run by `make demo`. It needs no Docker, no AWS and no internet.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
from draw_pictures import CLASSES, draw, write_channel

ROOT = Path(__file__).resolve().parent.parent
HYPERPARAMETERS = {
    "image_shape": "3,64,64",
    "mini_batch_size": "16",
    "epochs": "10",
    "learning_rate": "0.01",
    "lr_scheduler_step": "7",
    "augmentation_type": "crop",
}
_FETCH = "import sys, gluoncv.model_zoo.model_store as store; store.get_model_file('resnet18_v1b', root=sys.argv[1])"
_STORE_SECONDS = 30
_START_SECONDS = 120
# This machine's own server is never asked through a proxy.
_HTTP = requests.Session()
_HTTP.trust_env = False
# Seeds that the channels do not use: pictures that nobody has trained on.
_UNSEEN = range(10_000, 10_003)


def base_weights() -> Path | None:
    """Return a folder with ResNet-18's base weights: pretrained/ of this checkout, else GluonCV's store, else None."""
    folder = ROOT / "pretrained"
    if list(folder.glob("resnet18_v1b*.params")):
        return folder
    try:
        command = [sys.executable, "-c", _FETCH, str(folder)]
        subprocess.run(command, timeout=_STORE_SECONDS, check=True, capture_output=True)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    return folder


def train(base: Path, environment: dict[str, str]) -> float:
    """Run the training job under `base`; return the best epoch's Validation-accuracy."""
    command = [sys.executable, str(ROOT / "train" / "train")]
    best = 0.0
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        for line in job.stdout:
            print("  " + line, end="")
            if match := re.search(r"Validation-accuracy=([0-9.]+)", line):
                best = max(best, float(match[1]))
    if job.returncode:
        failure = base / "output" / "failure"
        reason = failure.read_text() if failure.exists() else "its log is above"
        sys.exit(f"The training job ended with exit code {job.returncode}: {reason}")
    return best


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return once /ping answers 200."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"The server ended with exit code {server.returncode}. Its log is above.")
        try:
            if _HTTP.get(f"{url}/ping", timeout=2).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.1)
    sys.exit(f"The server did not answer within {_START_SECONDS} s. Its log is above.")


def ask(url: str) -> int:
    """Ask about pictures that the net has not seen and print a table; return how many answers were wrong."""
    wrong = 0
    print(f"\n  {'drawn':<8} {'answer':<8} probability")
    for name in CLASSES:
        for seed in _UNSEEN:
            headers = {"Content-Type": "application/x-image"}
            answer = _HTTP.post(f"{url}/invocations", draw(name, seed), headers=headers, timeout=60)
            answer.raise_for_status()
            probabilities = answer.json()
            best = max(range(len(probabilities)), key=probabilities.__getitem__)
            answered = list(CLASSES)[best]
            wrong += answered != name
            print(f"  {name:<8} {answered:<8} {probabilities[best]:.3f}")
    return wrong


def main() -> None:
    """Do it all; the exit code is 0 only if the required accuracy was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--at-least", type=float, default=0.95, help="the validation accuracy to reach (0.95)")
    least = parser.parse_args().at_least
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-demo-") as folder:
        base = Path(folder)
        print("Drawing 300 training and 100 validation pictures of 4 classes, and packing them as RecordIO")
        write_channel(base / "input" / "data" / "train", 75, 0)
        write_channel(base / "input" / "data" / "validation", 25, 75)
        weights = base_weights()
        if weights is None:
            print("There are no ImageNet weights here: starting from random ones")
        config = base / "input" / "config"
        config.mkdir(parents=True)
        given = {**HYPERPARAMETERS, "use_pretrained_model": str(int(weights is not None))}
        (config / "hyperparameters.json").write_text(json.dumps(given))
        environment = {
            **os.environ,
            "SAGEMAKER_BASE_DIR": folder,
            "SAGEMAKER_GLUONCV_PRETRAINED_DIR": str(weights or base),
            # Only warnings and worse: a line for each request would hide the table.
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "30",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        print("Training")
        accuracy = train(base, environment)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        print(f"Serving on port {port}")
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, str(ROOT / "serve" / "serve")]
        server = subprocess.Popen(command, env={**environment, "SAGEMAKER_BIND_TO_PORT": str(port)})
        try:
            wait_until_ready(url, server)
            wrong = ask(url)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)
    unseen = len(CLASSES) * len(_UNSEEN)
    print(f"\nValidation accuracy {accuracy:.3f}; {unseen - wrong} of {unseen} unseen pictures right;", end=" ")
    print(f"{time.monotonic() - began:.0f} s in total")
    if accuracy < least:
        sys.exit(f"The validation accuracy is {accuracy:.3f}, which is less than {least}.")


if __name__ == "__main__":
    main()
