# SPDX-License-Identifier: Apache-2.0
"""One HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import cv2
import numpy as np

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
except ImportError:
    raise ImportError("HTML reports need jinja2: pip install 'mtl-perception[evaluate]'") from None

from mtl_perception.reporting.numbers import fixed


def render_page(template: Path, content: dict[str, Any]) -> str:
    """Fill a Jinja template; ``{% include "style.css" %}`` gives it the reports' look.

    Filters: ``fixed`` (``numbers.fixed``), ``jpeg`` and ``png`` ((H, W, 3) uint8 RGB to a data URI).
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"fixed": fixed, "jpeg": jpeg_uri, "png": png_uri}
    return environment.get_template(template.name).render(content)


def jpeg_uri(picture_rgb: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as a data URI."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 85]
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR), options)[1]
    return data_uri(encoded.tobytes(), "image/jpeg")


def png_uri(picture_rgb: np.ndarray) -> str:
    """(H, W, 3) uint8 RGB as a data URI."""
    encoded = cv2.imencode(".png", cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR))[1]
    return data_uri(encoded.tobytes(), "image/png")


def data_uri(data: bytes, kind: str) -> str:
    """Bytes of a media type such as image/jpeg."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
