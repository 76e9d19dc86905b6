"""Multi Model Server with MXNet, as AWS's MXNet images run it: their toolkit and settings, a user's script."""

import shutil
from pathlib import Path

from . import HANDLERS, Launch, Peer, Setting

# What the toolkit writes (sagemaker_inference/etc/default-mms.properties and model_server.py).
_PROPERTIES = """
enable_envvars_config=true
decode_input_request=false
load_models=ALL
vmargs=-XX:-UseContainerSupport
inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{port}
default_workers_per_model={workers}
default_service_handler=sagemaker_mxnet_serving_container.handler_service
"""


class MultiModelServer(Peer):
    """A Java front, and Python workers with a bound Module each."""

    environment = "multi_model_server"

    def __init__(self, what: str = "", **variables: str) -> None:
        self.name = ", ".join(filter(None, ("Multi Model Server 1.1.11, MXNet 1.9.1", what)))
        self._variables = variables

    def prepare(self, setting: Setting) -> None:
        """Make the environment. Raises RuntimeError without Java."""
        require_java()
        super().prepare(setting)

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        properties = setting.work / "multi-model-server.properties"
        properties.write_text(_PROPERTIES.format(port=setting.port, workers=setting.workers))
        python = Path(self.python(setting))
        log = next(python.parents[1].glob("lib/*/site-packages/sagemaker_inference/etc/log4j2.xml"))
        command = [
            *(str(python), str(python.with_name("multi-model-server")), "--start", "--foreground"),
            *("--model-store", "/", "--models", f"model={setting.converted}"),
            *("--mms-config", str(properties), "--log-config", str(log)),
        ]
        environment = {
            "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(HANDLERS),
            # The toolkit's defaults, but for OMP_NUM_THREADS, which it leaves to the user.
            "MXNET_CPU_WORKER_NTHREADS": "1",
            "MXNET_CPU_PRIORITY_NTHREADS": "1",
            "OMP_NUM_THREADS": str(setting.threads),
            **self._variables,
        }
        return Launch(command, environment)


def require_java() -> None:
    """Raise RuntimeError if there is no Java."""
    if not shutil.which("java"):
        raise RuntimeError("java is not installed; install default-jre-headless")
