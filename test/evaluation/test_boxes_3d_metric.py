# SPDX-License-Identifier: Apache-2.0
"""Scores of 3D boxes against values worked out by hand, and against exact cuboids."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.rotation import quaternion_xyzw
from mtl_perception.core.scene import Boxes3D, Depth, Detections, Scene, Segmentation
from mtl_perception.evaluation.boxes_3d import Boxes3DMetric
from mtl_perception.evaluation.iou_3d import upright_iou
from mtl_perception.tasks import Truth

UP = np.array([0.0, -1.0, 0.0])
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From a box that stands upright to the optical frame of a level camera: its third axis is up."""
CARD = SimpleNamespace(detection_labels=["box", "cup"], segmentation_labels=["wall", "box", "cup"])
CAMERA = Intrinsics(200, 150, 150.0, 150.0, 99.5, 74.5)


def boxes(centers_m, sizes_m, yaws=None, valid=None) -> Boxes3D:
    centers_m, sizes_m = np.array(centers_m, float).reshape(-1, 3), np.array(sizes_m, float).reshape(-1, 3)
    turns = []
    for yaw in np.zeros(len(centers_m)) if yaws is None else yaws:
        c, s = np.cos(yaw), np.sin(yaw)
        turns.append(UPRIGHT @ [[c, -s, 0], [s, c, 0], [0, 0, 1]])
    valid = np.ones(len(centers_m), bool) if valid is None else np.array(valid)
    quaternions = quaternion_xyzw(np.array(turns).reshape(-1, 3, 3))
    return Boxes3D(centers_m, sizes_m, quaternions, np.zeros((len(centers_m), 3, 3)), valid)


@pytest.mark.parametrize(
    ("center_m", "size_m", "yaw", "expected"),
    [
        ((0, 0, 3), (1, 1, 1), 0.0, 1.0),
        ((0, 0, 3), (1, 1, 1), np.pi / 2, 1.0),
        ((0.5, 0, 3), (1, 1, 1), 0.0, 1 / 3),
        ((0, 0.5, 3), (1, 1, 1), 0.0, 1 / 3),
        ((0, 0, 3.5), (1, 1, 1), 0.0, 1 / 3),
        ((2, 0, 3), (1, 1, 1), 0.0, 0.0),
        ((0, 0, 3), (1, 1, 2), 0.0, 0.5),
        ((0, 0, 3), (1, 1, 1), np.pi / 4, (2 * np.sqrt(2) - 2) / (4 - 2 * np.sqrt(2))),  # an octagon
        ((0, 0, 3), (0.01, 0.01, 0.01), 0.3, 1e-6),
    ],
)
def test_overlap_with_a_unit_cube(center_m, size_m, yaw, expected):
    cube, other = boxes([(0, 0, 3)], [(1, 1, 1)]), boxes([center_m], [size_m], [yaw])
    assert upright_iou(cube, other, UP) == pytest.approx([expected], abs=2e-4 * (expected > 1e-3), rel=1e-2)


def test_small_objects_overlap_as_large_ones_do():
    large, small = (upright_iou(boxes([(0, 0, 3)], [(k, k, k)]), boxes([(0.3 * k, 0, 3)], [(k, k, k)], [0.5]), UP) for k in (1.0, 0.04))
    assert small == pytest.approx(large, rel=1e-3)


def test_boxes_that_lie_down_and_boxes_that_are_none():
    lying = Boxes3D(np.zeros((1, 3)), np.ones((1, 3)), np.array([[0, 0, 0, 1.0]]), np.zeros((1, 3, 3)), np.ones(1, bool))
    with pytest.raises(ValueError, match="upright"):
        upright_iou(lying, lying, UP)
    some = boxes([(0, 0, 3), (np.nan, np.nan, np.nan)], [(1, 1, 1), (0, 0, 0)], valid=[True, False])
    assert upright_iou(some, some, UP).tolist() == [1.0, 0.0]
    assert upright_iou(boxes([], []), boxes([], []), UP).shape == (0,)


def front_of_a_cube(distance_m: float = 2.0, said_m: float | None = None) -> tuple[Scene, Truth]:
    """A box of 0.3 m whose front stands at ``distance_m``; a network that says ``said_m`` instead."""
    side = 150.0 * 0.3 / distance_m / 2
    low, high = 99.5 - side, 99.5 + side
    box_xyxy = np.array([[low, 74.5 - side, high, 74.5 + side]], np.float32)
    rows, columns = np.mgrid[:150, :200]
    inside = (np.abs(columns - 99.5) < side) & (np.abs(rows - 74.5) < side)
    said_m = distance_m if said_m is None else said_m
    depth_m = np.where(inside, said_m, 5.0).astype(np.float32)
    mask = inside.astype(np.uint8)
    found = Detections(box_xyxy, np.array([0.9], np.float32), np.array([0]))
    scene = Scene(200, 150, found, Segmentation(mask, mask), Depth(depth_m))
    true_3d = boxes([(0, 0, distance_m + 0.15)], [(0.3, 0.3, 0.3)])
    return scene, Truth(boxes_xyxy=box_xyxy, class_ids=np.array([0]), boxes_3d=true_3d, intrinsics=CAMERA)


def scored(*frames) -> dict:
    metric = Boxes3DMetric.for_model(CARD)
    for frame in frames:
        metric.update(*Boxes3DMetric.pair(*frame))
    return metric.compute()


def test_exact_depth_gives_the_box():
    scores = scored(front_of_a_cube())
    assert scores["recall25"] == 1.0 and scores["matched"] == scores["boxes"] == 1
    assert scores["center_m"] < 0.03 and scores["size_error"] < 0.12
    assert scores["center_relative"] == pytest.approx(scores["center_m"] / 2.15)
    assert scores["per_class"] == {"box": {key: value for key, value in scores.items() if key != "per_class"}}


def test_wrong_depth_shows_in_the_centre_and_in_recall():
    scores = scored(front_of_a_cube(said_m=2.5))
    assert scores["recall25"] == 0.0
    assert scores["center_m"] == pytest.approx(0.5, abs=0.06)


def test_recall_counts_what_was_not_found_and_leaves_out_what_has_no_true_box():
    (scene, truth), weak = front_of_a_cube(), front_of_a_cube()
    weak = (replace(weak[0], detections=replace(weak[0].detections, scores=np.array([0.2], np.float32))), weak[1])
    unknown = replace(truth, boxes_3d=boxes([(0, 0, 2)], [(1, 1, 1)], valid=[False]), camera_pose=np.eye(4)[[0, 2, 1, 3]])
    unknown.camera_pose[2, 1] = -1.0
    assert scored((scene, truth), weak)["recall25"] == 0.5
    scores = scored((scene, truth), (scene, unknown))
    assert (scores["boxes"], scores["matched"]) == (1, 1)


def test_frames_without_3d_truth_depth_or_calibration_are_not_scored():
    scene, truth = front_of_a_cube()
    assert Boxes3DMetric.pair(replace(scene, depth=None), truth) is None
    assert Boxes3DMetric.pair(scene, replace(truth, boxes_3d=None)) is None
    assert Boxes3DMetric.pair(scene, replace(truth, intrinsics=None)) is None
    nothing = replace(truth, boxes_xyxy=np.zeros((0, 4)), class_ids=np.zeros(0, int), boxes_3d=boxes([], []))
    assert Boxes3DMetric.pair(scene, nothing) is None  # nobody says where up is
    nothing = replace(nothing, camera_pose=np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]))
    scores = scored((scene, nothing))
    assert scores["boxes"] == 0 and np.isnan(scores["recall25"])
