# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG, as they stand in files and in messages: the one place where pictures are decoded.

Three rules hold for whoever reads a picture, the node, a bag, training or the check:

- Sizes are read from the header, and what is too large is refused before anything is allocated for it.
- Pixels are those that are stored. EXIF's orientation is never applied, since labels and intrinsics belong to the stored
  pixels; ``orientation`` tells it to whoever wants to name such a file.
- Damage is an error. libjpeg-turbo (in simplejpeg) tells what it complains of, and the chunks of a PNG are compared with their
  checksums; nothing is written to the terminal.
"""

from mtl_perception.core.image_files.decoding import (
    MAX_FILE_PIXELS,
    MAX_PIXELS,
    decode_label_map,
    decode_rgb,
    orientation,
    picture_size,
)
from mtl_perception.core.image_files.errors import CorruptJpeg, ImageError, TooLarge, WrongKind, refuse_too_large
from mtl_perception.core.image_files.sixteen_bits import AUTO, to_8_bit

__all__ = [
    "AUTO",
    "MAX_FILE_PIXELS",
    "MAX_PIXELS",
    "CorruptJpeg",
    "ImageError",
    "TooLarge",
    "WrongKind",
    "decode_label_map",
    "decode_rgb",
    "orientation",
    "picture_size",
    "refuse_too_large",
    "to_8_bit",
]
