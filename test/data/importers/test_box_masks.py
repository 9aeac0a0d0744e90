# SPDX-License-Identifier: Apache-2.0
"""Segmentation masks of objects that only have boxes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from imported import imported, write_text

from mtl_perception.core.scene import UNLABELLED

WIDTH, HEIGHT = 320, 240


def speckled(rng: np.random.Generator, color: tuple[int, int, int]) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 of about one colour, as no photograph is of exactly one."""
    return np.clip(rng.normal(color, 14, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


def ellipse(center: tuple[int, int], axes: tuple[int, int]) -> np.ndarray:
    return cv2.ellipse(np.zeros((HEIGHT, WIDTH), np.uint8), center, axes, 0, 0, 360, 1, -1) > 0


def folder_of(root: Path, layers: list[tuple[str, np.ndarray, tuple[int, int, int]]], floor: np.ndarray | None = None) -> Path:
    """A data folder of one picture: ``layers`` of (class, where, colour) before a wall; those with a class have a box."""
    rng = np.random.default_rng(3)
    picture, annotations = speckled(rng, (90, 120, 90)), []
    for label, where, color in layers:
        picture[where] = speckled(rng, color)[where]
        if label:
            x, y, width, height = cv2.boundingRect(where.astype(np.uint8))
            annotations.append({"id": len(annotations), "image_id": 0, "category_id": ["sofa", "cup", "screen"].index(label),
                                "bbox": [x, y, width, height]})  # fmt: skip
    (root / "images").mkdir(parents=True)
    cv2.imwrite(str(root / "images/a.png"), picture)
    tasks = ["detection"]
    if floor is not None:
        (root / "semantic").mkdir()
        cv2.imwrite(str(root / "semantic/a.png"), np.where(floor, 0, UNLABELLED).astype(np.uint8))
        tasks.append("segmentation")
    image = {"id": 0, "file_name": "a.png", "width": WIDTH, "height": HEIGHT, "group": "a", "tasks": tasks}
    categories = [{"id": i, "name": name} for i, name in enumerate(["sofa", "cup", "screen"])]
    write_text(root / "annotations.json", json.dumps({"images": [image], "annotations": annotations, "categories": categories}))
    write_text(root / "cameras.json", json.dumps({"cameras": {}}))
    description = {"format_version": 2, "segmentation_labels": ["floor"], "detection_labels": ["sofa", "cup", "screen"]}
    write_text(root / "dataset.json", json.dumps(description))
    return root


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    return np.count_nonzero(found & true) / np.count_nonzero(found | true)


def test_an_object_gets_the_pixels_that_differ_from_what_is_around_its_box(tmp_path: Path) -> None:
    sofa = ellipse((160, 130), (90, 60))
    source = folder_of(tmp_path / "in", [("sofa", sofa, (40, 40, 200))])
    folder, _ = imported(source, tmp_path / "out", "own", options={"masks": "sofa"})
    assert folder.labels["segmentation"] == ["floor", "sofa"] and folder.entries[0].tasks == ["detection", "segmentation"]
    mask = folder[0].labels["segmentation"]
    assert overlap(mask == 1, sofa) > 0.9
    assert set(np.unique(mask)) == {1, UNLABELLED}
    assert not (mask == 1)[~sofa].any()  # the outline stays unlabelled


def test_what_stands_before_it_and_what_is_labelled_is_not_its(tmp_path: Path) -> None:
    sofa, cup, floor = ellipse((160, 130), (110, 80)), ellipse((150, 120), (22, 22)), np.zeros((HEIGHT, WIDTH), bool)
    floor[170:] = True
    layers = [("sofa", sofa, (40, 40, 200)), ("cup", cup, (210, 60, 60)), ("", floor, (30, 150, 220))]
    folder, _ = imported(folder_of(tmp_path / "in", layers, floor), tmp_path / "out", "own", options={"masks": "sofa"})
    mask = folder[0].labels["segmentation"]
    assert (mask[floor] == 0).all()
    assert (mask == 1)[cup].mean() < 0.02
    assert overlap(mask == 1, sofa & ~cup & ~floor) > 0.85


def test_a_screen_is_its_box_and_too_little_is_nothing(tmp_path: Path) -> None:
    screen, sofa = np.zeros((2, HEIGHT, WIDTH), bool)
    screen[60:160, 100:220], sofa[200:208, 20:30] = True, True
    colors = [("screen", screen, (90, 120, 90)), ("sofa", sofa, (40, 40, 200))]
    folder, _ = imported(folder_of(tmp_path / "in", colors), tmp_path / "out", "own", options={"masks": "sofa, screen"})
    mask = folder[0].labels["segmentation"]
    assert folder.labels["segmentation"] == ["floor", "sofa", "screen"]
    assert overlap(mask == 2, screen) > 0.8 and not (mask == 1).any()


def test_a_class_without_boxes_is_named(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", [("sofa", ellipse((160, 130), (90, 60)), (40, 40, 200))])
    with pytest.raises(ValueError, match="masks: 'soffa' is no class that has boxes here; expected some of: sofa, cup, screen"):
        imported(source, tmp_path / "out", "own", options={"masks": "soffa"})
