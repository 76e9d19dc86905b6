"""gunicorn's settings, each with its reason."""

import resource
import sys
import tempfile
from typing import Any

from sagemaker_gluoncv_container import ending
from sagemaker_gluoncv_container.serving import logs
from sagemaker_gluoncv_container.serving.settings import ServingSettings

_settings = ServingSettings.from_environment()

bind = f"0.0.0.0:{_settings.port}"
# One process speaks HTTP; the worker processes that compute are its own (serving/workers/), behind one queue.
workers = 1
worker_class = "sagemaker_gluoncv_container.serving.http.front.Front"
# Over this, the connection that has waited the longest without a request makes room. Each connection is a file; the
# rest of the files are the workers' sockets, the log and the like.
_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
_files = sys.maxsize if _files == resource.RLIM_INFINITY else _files
worker_connections = max(16, min(_settings.max_connections, _files - 2 * _settings.workers - 64))
# A process whose main loop is stuck that long is killed and replaced.
timeout = 30
# The platform kills 30 s after SIGTERM.
graceful_timeout = 20
# Greenlets and worker processes belong to the process that serves, not to gunicorn's master.
preload_app = False
# Longer than the 60 s for which the platform keeps idle connections; shorter ends some under a request.
keepalive = 75
# The heartbeat file: in memory where possible, because a slow disk would look like a hung process (`server` chose it).
worker_tmp_dir = tempfile.gettempdir()
# Nothing here talks to it, and it would be a file in the home directory.
control_socket_disable = True
# One log for the platform and its users, JSON; requests are logged by the app.
accesslog = None
logconfig_dict = logs.configuration(_settings.log_level)


def on_starting(_server: Any) -> None:
    """Have the process that serves obey a SIGTERM that comes before it is ready for one."""
    ending.guard_forks()


def worker_exit(_server: Any, worker: Any) -> None:
    """End the worker processes once the last request is answered."""
    # There is no app yet in a process that is stopped while it starts, and none in gunicorn's master.
    if app := getattr(worker, "wsgi", None):
        app.extensions["dispatcher"].close()
