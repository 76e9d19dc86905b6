"""TorchServe: a TorchScript net, a picture in and probabilities out."""

import os

import torch
from pixels import read


class Classifier:
    """One net per worker."""

    def initialize(self, context):
        """Load the net."""
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        net = torch.jit.load(f"{context.system_properties['model_dir']}/model.pt")
        # Fused, and in oneDNN's layout: cannot be saved, so it is done at each start.
        self.net = torch.jit.optimize_for_inference(net)

    def handle(self, data, context):
        """Answer each request of a batch."""
        batch = torch.from_numpy(read(bytes(data[0].get("body") or data[0].get("data"))))
        with torch.inference_mode():
            return self.net(batch).tolist()
