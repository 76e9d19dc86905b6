"""gunicorn's settings, each with its reason."""

from typing import Any

from sagemaker_gluoncv_container.serving import logs
from sagemaker_gluoncv_container.serving.settings import ServingSettings

_settings = ServingSettings.from_environment()

bind = f"0.0.0.0:{_settings.port}"
# One process speaks HTTP; the worker processes that compute are its own (serving/dispatcher.py), behind one queue.
workers = 1
worker_class = "sagemaker_gluoncv_container.serving.http.front.Front"
# A thread waits for each picture in the queue; the others answer pings and refuse what is too much, at once.
threads = _settings.queue_size + _settings.workers * _settings.batch_size + 32
# More connections than threads: idle ones are kept by the main loop. Over this, the kernel's backlog holds them.
worker_connections = 4096
# A process whose main loop is stuck that long is killed and replaced.
timeout = 30
# The platform kills 30 s after SIGTERM.
graceful_timeout = 20
# Threads and worker processes belong to the process that serves, not to gunicorn's master.
preload_app = False
# Longer than the 60 s for which the platform keeps idle connections; shorter ends some under a request.
keepalive = 75
# The heartbeat file: in memory, because a disk that is slow, or read-only, would look like a hung process.
worker_tmp_dir = "/dev/shm"
# Nothing here talks to it, and it would be a file in the home directory.
control_socket_disable = True
# One log for the platform and its users, JSON; requests are logged by the app.
accesslog = None
logconfig_dict = logs.configuration(_settings.log_level)


def worker_exit(_server: Any, worker: Any) -> None:
    """End the worker processes once the last request is answered."""
    # There is no app yet in a process that is stopped while it starts, and none in gunicorn's master.
    if app := getattr(worker, "wsgi", None):
        app.extensions["dispatcher"].close()
