"""gunicorn's settings, each with its reason."""

from sagemaker_gluoncv_container.contract import ServingSettings, set_compute_threads

_settings = ServingSettings.from_environment()
# Workers inherit it, and MXNet reads it when they import it: workers x threads fit the CPUs.
set_compute_threads(_settings.compute_threads)

bind = f"0.0.0.0:{_settings.port}"
workers = _settings.workers
# Threads, so that a ping is answered while a picture is computed.
worker_class = "gthread"
threads = _settings.threads
# A worker whose main loop is stuck that long is killed and replaced.
timeout = _settings.timeout_seconds
# The platform kills 30 s after SIGTERM.
graceful_timeout = 20
# OpenMP does not survive a fork: the model is loaded in each worker, never before.
preload_app = False
# Longer than the 60 s for which the platform keeps idle connections; shorter ends some under a request.
keepalive = 75
# The heartbeat file: in memory, because a disk that is slow, or read-only, would look like a hung worker.
worker_tmp_dir = "/dev/shm"
# Nothing here talks to it, and it would be a file in the home directory.
control_socket_disable = True
# The platform and users read one log.
accesslog = None
errorlog = "-"
loglevel = "info"
