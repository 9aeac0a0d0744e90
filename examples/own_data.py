# SPDX-License-Identifier: Apache-2.0
"""Trains on pictures and masks of your own: ``scripts/run python examples/own_data.py FOLDER [STEPS]``.

``FOLDER/images`` has the pictures, ``FOLDER/semantic`` a PNG of 8 bits of the same name for each: the class's number in each pixel, 255
where nobody knows. The files that say what is in the folder are written here; ``docs/data.md`` has boxes, depth and cameras too, and
``mtl-perception import`` reads COCO, YOLO and many other formats.
"""

import json
import sys
from pathlib import Path

import cv2

from mtl_perception.training import TrainingConfig, train

LABELS = ["floor", "wall", "cup"]  # yours, in the order of the masks' numbers


def describe(folder: Path) -> None:
    """Writes dataset.json, cameras.json and annotations.json of a folder with images/ and semantic/."""
    images = []
    for number, path in enumerate(sorted((folder / "images").iterdir()), start=1):
        height, width = cv2.imread(str(path)).shape[:2]
        # What a group has in common, as a drive or a room, is never split between training and validation.
        entry = {"id": number, "file_name": path.name, "width": width, "height": height, "group": path.stem, "tasks": ["segmentation"]}
        images.append(entry)
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    (folder / "cameras.json").write_text(json.dumps({"cameras": {}}))
    (folder / "dataset.json").write_text(json.dumps({"format_version": 2, "segmentation_labels": LABELS, "detection_labels": []}))


def main(folder: Path, steps: int) -> None:
    """Trains a small network and writes ``FOLDER/model.safetensors``, which the node, ``predict`` and ``Engine.load`` take."""
    describe(folder)
    config = TrainingConfig(
        name="own",
        variant="lite",
        data=folder,
        output=folder / "model.safetensors",
        steps=steps,
        stages=[{"until": 1.0, "width": 160, "height": 128, "batch_size": 4}],
        tasks={"segmentation": 1.0},
    )
    train(config)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
