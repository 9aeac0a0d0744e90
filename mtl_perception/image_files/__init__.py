# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG, as they stand in files and in messages: the one place where pictures are decoded.

Three rules hold for whoever reads a picture, the node, a bag, training or the check:

- Sizes are read from the header, and what is too large is refused before anything is allocated for it.
- Pixels are those that are stored. EXIF's orientation is never applied, since labels and intrinsics belong to the stored
  pixels; ``orientation`` tells it to whoever wants to name such a file.
- Damage is an error. The decoders (libjpeg-turbo in simplejpeg, Pillow for PNG) say what they found and write nothing to
  the terminal.
"""

from mtl_perception.image_files.decoding import (
    MAX_PIXELS,
    decode_label_map,
    decode_rgb,
    orientation,
    picture_size,
)
from mtl_perception.image_files.errors import CorruptJpeg, ImageError, TooLarge, refuse_too_large
from mtl_perception.image_files.sixteen_bits import AUTO, to_8_bit

__all__ = [
    "AUTO",
    "MAX_PIXELS",
    "CorruptJpeg",
    "ImageError",
    "TooLarge",
    "decode_label_map",
    "decode_rgb",
    "orientation",
    "picture_size",
    "refuse_too_large",
    "to_8_bit",
]
