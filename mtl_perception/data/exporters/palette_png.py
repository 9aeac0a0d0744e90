# SPDX-License-Identifier: Apache-2.0
"""PNGs of ids that people can look at: the ids are stored, and a palette gives each a colour."""

from __future__ import annotations

import io

import numpy as np

from mtl_perception.data.importers.label_colors import pascal_color


def palette_png(ids: np.ndarray) -> bytes:
    """A PNG of (H, W) uint8 ids with Pascal VOC's colours."""
    from PIL import Image

    image = Image.fromarray(ids)
    image.putpalette([channel for i in range(255) for channel in pascal_color(i)] + [224, 224, 192])
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
