"""This checkout's server, or its image, as it comes: workers and threads are its own choice."""

import os
import sys
import uuid
from pathlib import Path

from . import Launch, Peer, Setting

ROOT = Path(__file__).resolve().parents[3]
_PRECISION = "SAGEMAKER_GLUONCV_PRECISION"


class Ours(Peer):
    """`serve/serve` under the Python that runs this."""

    tuned = False

    def __init__(self, name: str, precision: str, tolerance: float, **variables: str) -> None:
        self.name, self.tolerance = name, tolerance
        self._variables = {_PRECISION: precision, **variables}

    def prepare(self, setting: Setting) -> None:
        """Nothing: it runs already."""

    def variables(self, setting: Setting) -> dict[str, str]:
        """Return what the platform, or the user, sets."""
        return {
            "SAGEMAKER_BIND_TO_PORT": str(setting.port),
            **({"SAGEMAKER_MODEL_SERVER_WORKERS": str(setting.workers)} if setting.workers else {}),
            **self._variables,
        }

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {"SAGEMAKER_BASE_DIR": str(setting.model.parent), "PATH": path, **self.variables(setting)}
        return Launch([sys.executable, str(ROOT / "serve" / "serve")], environment)


class OurImage(Ours):
    """`docker run IMAGE serve`, on the host's network."""

    def __init__(self, name: str, precision: str, tolerance: float, image: str) -> None:
        super().__init__(name, precision, tolerance)
        self._image = image

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        name = f"sagemaker-gluoncv-benchmark-{uuid.uuid4().hex[:8]}"
        options = [
            "--rm",
            "--name",
            name,
            "--network",
            "host",
            "--volume",
            f"{setting.model.resolve()}:/opt/ml/model:ro",
        ]
        variables = [f"--env={key}={value}" for key, value in self.variables(setting).items()]
        return Launch(["docker", "run", *options, *variables, self._image, "serve"], {}, name)
