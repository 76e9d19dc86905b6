"""Pages for people: HTML files that open offline, with their pictures inside.

The reports on jobs and on data are made with this. Names of classes and files come from strangers: jinja2 escapes
whatever a template shows.
"""

import base64
import io
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from .decoding.picture import decode

_QUALITY = 80


def render(template: Path, **values: object) -> str:
    """Return a template's page with these values. A value that the template uses and nobody gave is an error."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(**values)


def thumbnail(data: bytes, side: int) -> str:
    """Return an encoded picture, scaled to at most `side` pixels a side, as a data URI of a JPEG.

    Raises UnreadablePicture if the bytes are not a picture.
    """
    image = decode(data, reduce_to=side)
    image.thumbnail((side, side), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
