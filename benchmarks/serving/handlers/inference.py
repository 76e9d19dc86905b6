"""Multi Model Server: what a user gives AWS's MXNet images, a picture in and probabilities out.

The net is the toolkit's own: a Module bound to one picture. Pictures go through MXNet's OpenCV, the way its docs teach.
"""

import json

import mxnet as mx
from sagemaker_mxnet_serving_container.default_inference_handler import DefaultMXNetInferenceHandler

RESIZE, CROP = 256, 224
# Shrinks by averaging areas, OpenCV's counterpart of what Pillow does.
AREA = 2


def model_fn(model_dir):
    """Return the toolkit's Module; called here because newer toolkits hand its default a context for a batch size."""
    return DefaultMXNetInferenceHandler().default_model_fn(model_dir)


def transform_fn(model, data, _content_type, _accept):
    """Answer one picture."""
    image = mx.image.resize_short(mx.image.imdecode(data), RESIZE, interp=AREA)
    image, _ = mx.image.center_crop(image, (CROP, CROP))
    batch = image.transpose((2, 0, 1)).expand_dims(0).astype("float32")
    model.forward(mx.io.DataBatch([batch]), is_train=False)
    return json.dumps(model.get_outputs()[0].asnumpy()[0].tolist()), "application/json"
