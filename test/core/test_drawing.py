# SPDX-License-Identifier: Apache-2.0
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_perception.core.drawing import class_color, colorize_depth, colorize_mask, draw_overlay
from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation

LABELS = "floor wall ceiling door window table chair shelf cabinet box can bottle cup bowl fruit book bin".split()
CARD = SimpleNamespace(segmentation_labels=LABELS, detection_labels=LABELS[3:])


def scene_of(height, width, boxes, *, mask_id=0, depth_m=2.0, seed=0):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    mask = np.full((height, width), mask_id, np.uint8)
    return Scene(
        width,
        height,
        Detections(boxes, np.linspace(0.9, 0.3, len(boxes), dtype=np.float32), np.arange(len(boxes)) % 14),
        Segmentation(mask, mask),
        Depth(np.full((height, width), depth_m, np.float32)),
    )


def test_colors_of_the_shipped_classes_can_be_told_apart():
    for one, other in combinations(LABELS, 2):
        assert np.abs(np.subtract(class_color(one), class_color(other))).sum() > 40, (one, other)


def test_color_of_an_unknown_class_depends_on_its_name_alone():
    assert class_color("forklift") == class_color("forklift") != class_color("pallet")


def test_mask_colors_follow_labels_and_ids_without_a_label_are_dark():
    picture = colorize_mask(np.array([[0, 1, 255, 17]], np.uint8), LABELS)
    assert tuple(picture[0, 0]) == class_color("floor")
    assert tuple(picture[0, 1]) == class_color("wall")
    assert picture[0, 2:].max() < 40


def test_depth_is_warm_near_and_cold_far_clamped_and_dark_where_unknown():
    picture = colorize_depth(np.array([[0.1, 0.5, 8.0, 100.0, np.nan, 0.0, -1.0, np.inf]]), 0.5, 8.0).astype(int)
    red, blue = picture[0, :, 0], picture[0, :, 2]
    assert (picture[0, 0] == picture[0, 1]).all() and (picture[0, 2] == picture[0, 3]).all()
    assert red[1] > blue[1] and blue[2] > red[2]
    assert picture[0, 4:].max() < 40


@pytest.mark.parametrize("near_m, far_m", [(0, 1), (2, 1), (1, 1), (float("nan"), 2), (1, float("inf"))])
def test_depth_range_that_makes_no_sense_is_named(near_m, far_m):
    with pytest.raises(ValueError, match="expected 0 < near < far"):
        colorize_depth(np.ones((2, 2)), near_m, far_m)


@pytest.mark.parametrize("height, width", [(480, 640), (97, 131), (8, 8), (1080, 1920)])
def test_overlay_takes_boxes_anywhere_and_leaves_its_input_alone(height, width):
    boxes = [
        [-9, -9, 3, 3],
        [width - 2, 0, width, height],
        [0, 0, width, height],
        [4, 4, 4, 4],
        [width, height, width, height],
    ]
    image = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    before = image.copy()
    picture = draw_overlay(image, scene_of(height, width, boxes), CARD)
    assert picture.shape == image.shape and picture.dtype == np.uint8
    assert (image == before).all() and not np.shares_memory(picture, image)


def test_overlay_of_a_strided_image_is_that_of_its_copy():
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    view = np.asfortranarray(image[:, :, ::-1])
    scene = scene_of(60, 90, [[10, 20, 50, 50]])
    assert (draw_overlay(view, scene, CARD) == draw_overlay(image[:, :, ::-1].copy(), scene, CARD)).all()


def test_unlabelled_pixels_keep_the_image():
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    scene = scene_of(60, 90, [], mask_id=255)
    assert (draw_overlay(image, scene, CARD) == image).all()
    assert (draw_overlay(image, scene_of(60, 90, []), CARD) != image).any()


def test_a_box_in_a_corner_has_its_whole_label_in_the_image():
    image = np.zeros((120, 160, 3), np.uint8)
    scene = scene_of(120, 160, [[150, 0, 160, 10]], mask_id=255)
    same_box_in_the_middle = scene_of(120, 160, [[60, 50, 70, 60]], mask_id=255)
    color = class_color("door")
    in_corner = (draw_overlay(image, scene, CARD) == color).all(axis=2).sum()
    in_middle = (draw_overlay(image, same_box_in_the_middle, CARD) == color).all(axis=2).sum()
    assert in_corner >= in_middle - 10 * 4  # the label may cover a part of the box


def test_boxes_carry_the_ids_of_their_tracks():
    image, scene = np.full((60, 90, 3), 100, np.uint8), scene_of(60, 90, [[10, 20, 80, 50], [5, 5, 70, 40]])
    without = draw_overlay(image, scene, CARD)
    assert (draw_overlay(image, scene, CARD, ["", ""]) == without).all()
    assert (draw_overlay(image, scene, CARD, ["7", ""]) != without).any()


def test_each_task_can_be_missing():
    image = np.full((60, 90, 3), 100, np.uint8)
    full = scene_of(60, 90, [[10, 10, 40, 40]])
    assert (draw_overlay(image, Scene(90, 60), CARD) == image).all()
    for name in ("detections", "segmentation", "depth"):
        assert (draw_overlay(image, Scene(90, 60, **{name: getattr(full, name)}), CARD) != image).any()
    nothing_known = Scene(90, 60, depth=Depth(np.full((60, 90), np.nan, np.float32)))
    assert (draw_overlay(image, nothing_known, CARD) == image).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 2), (2, 1), (2, 2), (1, 640), (480, 1), (3, 5)])
def test_tiny_images_are_drawn_with_whatever_there_is(height, width):
    """OpenCV takes arrays of one pixel, and of four, for numbers."""
    image = np.full((height, width, 3), 90, np.uint8)
    whole = scene_of(height, width, [[0, 0, width, height]])
    for count in range(4):
        for kinds in combinations(("detections", "segmentation", "depth"), count):
            scene = Scene(width, height, **{kind: getattr(whole, kind) for kind in kinds})
            assert draw_overlay(image, scene, CARD).shape == image.shape
