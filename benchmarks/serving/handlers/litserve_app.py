"""LitServe with ONNX Runtime in float32: python litserve_app.py MODEL.onnx PORT WORKERS THREADS."""

import sys

import litserve
import onnxruntime
from fastapi import UploadFile
from pixels import read


class Classifier(litserve.LitAPI):
    """One session per worker."""

    def __init__(self, path, threads):
        super().__init__()
        self.path, self.threads = path, threads

    def setup(self, device):
        """Load the net."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        self.session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def decode_request(self, request: UploadFile):
        """Return the pixels of the file that was sent."""
        return read(request.file.read())

    def predict(self, x):
        """Return the probabilities."""
        return self.session.run(None, {self.name: x})[0][0]

    def encode_response(self, output):
        """Return what becomes JSON."""
        return {"prediction": output.tolist()}


if __name__ == "__main__":
    path, port, workers, threads = sys.argv[1], *map(int, sys.argv[2:])
    server = litserve.LitServer(Classifier(path, threads), accelerator="cpu", workers_per_device=workers)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
