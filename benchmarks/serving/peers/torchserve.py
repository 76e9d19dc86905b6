"""TorchServe with PyTorch: the same weights as a TorchScript net, fused for inference."""

import json
import shutil
from pathlib import Path

import environments

from . import HANDLERS, Launch, Peer, Setting
from .multi_model_server import require_java

_PROPERTIES = """
inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{port}
metrics_address=http://127.0.0.1:{metrics}
grpc_inference_port={inference}
grpc_management_port={management}
default_workers_per_model={workers}
disable_token_authorization=true
disable_system_metrics=true
"""
_MANIFEST = {
    "runtime": "python",
    "model": {"modelName": "model", "serializedFile": "model.pt", "handler": "torchserve_handler.py"},
}


class TorchServe(Peer):
    """A Java front, and Python workers with a net each."""

    name = "TorchServe 0.12.0, PyTorch 2.13.0"
    environment = "torchserve"
    path = "/predictions/model"

    def prepare(self, setting: Setting) -> None:
        """Make the environment and the net. Raises RuntimeError without Java."""
        require_java()
        super().prepare(setting)
        if not (setting.converted / "model.pt").is_file():
            environments.run(self.environment, setting.work, "conversion/to_torch.py", str(setting.converted))

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it, from a model that is a folder and not an archive."""
        store = setting.work / "torchserve"
        shutil.rmtree(store, ignore_errors=True)
        (store / "model" / "MAR-INF").mkdir(parents=True)
        (store / "model" / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(_MANIFEST))
        for path in (setting.converted / "model.pt", HANDLERS / "torchserve_handler.py", HANDLERS / "pixels.py"):
            shutil.copy(path, store / "model")
        properties = store / "config.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=setting.port,
                metrics=setting.port + 1,
                inference=setting.port + 2,
                management=setting.port + 3,
                workers=setting.workers,
            )
        )
        python = Path(self.python(setting))
        command = [
            *(str(python), str(python.with_name("torchserve")), "--start", "--foreground", "--ncs"),
            *("--model-store", str(store), "--models", "model=model", "--ts-config", str(properties)),
            *("--disable-token-auth",),
        ]
        path = f"{python.parent}:/usr/local/bin:/usr/bin:/bin"
        return Launch(command, {"PATH": path, "OMP_NUM_THREADS": str(setting.threads)})
