"""Multi Model Server: what a user gives AWS's MXNet images, a picture in and probabilities out.

The net is the toolkit's own: a Module bound to one picture.
"""

import json

import mxnet as mx
from pixels import read
from sagemaker_mxnet_serving_container.default_inference_handler import DefaultMXNetInferenceHandler


def model_fn(model_dir):
    """Return the toolkit's Module; called here because newer toolkits hand its default a context for a batch size."""
    return DefaultMXNetInferenceHandler().default_model_fn(model_dir)


def transform_fn(model, data, _content_type, _accept):
    """Answer one picture."""
    model.forward(mx.io.DataBatch([mx.nd.array(read(data))]), is_train=False)
    return json.dumps(model.get_outputs()[0].asnumpy()[0].tolist()), "application/json"
