"""LitServe with ONNX Runtime in float32; the file comes as a form, which is how LitServe takes files."""

from . import HANDLERS, Launch, Peer, Setting

_BOUNDARY = "sagemaker-gluoncv-benchmark"


class LitServe(Peer):
    """A FastAPI front, and worker processes with a session each."""

    name = "LitServe 0.2.19, ONNX Runtime 1.31.1 float32"
    environment = "litserve"
    ping = "/health"
    path = "/predict"

    def launch(self, setting: Setting) -> Launch:
        """Return what starts it."""
        arguments = (str(setting.converted / "model.onnx"), *map(str, (setting.port, setting.workers, setting.threads)))
        command = [self.python(setting), str(HANDLERS / "litserve_app.py"), *arguments]
        return Launch(command, {"OMP_NUM_THREADS": str(setting.threads)})

    def body(self, picture: bytes) -> tuple[str, bytes]:
        """Return a form with one file."""
        disposition = b'Content-Disposition: form-data; name="request"; filename="picture.jpg"'
        head = b"--%s\r\n%s\r\nContent-Type: image/jpeg\r\n\r\n" % (_BOUNDARY.encode(), disposition)
        return f"multipart/form-data; boundary={_BOUNDARY}", head + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()
