# SPDX-License-Identifier: Apache-2.0
"""images/, masks/ with the ids as a palette PNG, and palette.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mtl_perception.core.files import write_atomically
from mtl_perception.data.exporters.item import Item, Labels
from mtl_perception.data.exporters.palette_png import palette_png

HOLDS = frozenset({"semantic"})


def write_picture(item: Item, out: Path, labels: Labels) -> None:
    if item.semantic is None:
        item.notes.add("pictures without a label map, left out", item.name)
        return
    item.write_image(out / "images" / item.name)
    png = palette_png(np.where(item.semantic < 0, 255, item.semantic).astype(np.uint8))
    write_atomically(out / "masks" / f"{item.stem}.png", png, durable=False)


def finish(records: Iterable[Any], out: Path, labels: Labels) -> None:
    content = {name: i for i, name in enumerate(labels.segmentation)} | {"void": 255}
    write_atomically(out / "palette.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
