"""gunicorn, Flask and MXNet, the way examples of bring-your-own containers put them together: sync workers."""

from . import HANDLERS, Launch, Peer, Setting


class FlaskMXNet(Peer):
    """One model per worker."""

    name = "gunicorn 23.0.0, Flask 3.1.2, MXNet 1.9.1"
    environment = "flask_mxnet"

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        options = ["--bind", f"127.0.0.1:{setting.port}", "--workers", str(setting.workers), "--timeout", "60"]
        command = [self.python(setting), "-m", "gunicorn", *options, "--chdir", str(HANDLERS), "flask_app:app"]
        return Launch(command, {"MODEL": str(setting.converted), "OMP_NUM_THREADS": str(setting.threads)})
