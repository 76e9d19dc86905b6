"""Pillow's way from a JPEG to the net's input, for the peers that have no way of their own: as torchvision does it."""

import io

import numpy as np
from PIL import Image

RESIZE, CROP = 256, 224


def read(data):
    """Return a picture as float32 of shape (1, 3, 224, 224), RGB 0-255: shortest side to 256, the centre cut out."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    scale = RESIZE / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - CROP) // 2, (image.height - CROP) // 2
    image = image.crop((left, top, left + CROP, top + CROP))
    return np.ascontiguousarray(np.asarray(image, np.float32).transpose(2, 0, 1)[None])
