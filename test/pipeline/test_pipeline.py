# SPDX-License-Identifier: Apache-2.0
"""One way from what the engine found to what is published, whoever asks."""

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from mtl_perception.bags import Bag
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import find_model, resource
from mtl_perception.core.scene import Depth, Detections, Scene
from mtl_perception.evaluation.scenes import WEAKEST_SCORE
from mtl_perception.inference.engine import Engine
from mtl_perception.pipeline import (
    FramePipeline,
    KnownPlacement,
    PipelineOptions,
    Postprocessor,
    TrackingOptions,
    published,
    published_detections,
)

CAMERA = Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
IMAGE = np.zeros((48, 64, 3), np.uint8)
LABELS = ["can", "cup"]
SOURCE = Path(__file__).parents[2] / "mtl_perception"


def scene(*rows: tuple[float, float, int]) -> Scene:
    """Detections of (left edge, score, class), 10 × 10 pixels each, two metres away."""
    boxes = np.float32([[left, 10, left + 10, 20] for left, _, _ in rows]).reshape(-1, 4)
    found = Detections(boxes, np.float32([score for _, score, _ in rows]), np.int64([class_id for _, _, class_id in rows]))
    return Scene(64, 48, found, depth=Depth(np.full((48, 64), 2.0, np.float32)))


def test_weak_boxes_and_second_names_are_not_published() -> None:
    found = scene((5, 0.9, 0), (5.2, 0.8, 1), (30, 0.5, 1), (50, 0.2, 0))
    kept = published(found).detections
    assert (kept.scores.tolist(), kept.class_ids.tolist()) == (pytest.approx([0.9, 0.5]), [0, 1])
    assert published(found, PipelineOptions(agnostic_nms_iou=1.0, score_threshold=0.1)).detections.scores.size == 4
    assert published(Scene(4, 4)).detections is None


def test_the_postprocessor_publishes_the_same() -> None:
    found = scene((5, 0.9, 0), (5.2, 0.8, 1), (30, 0.5, 1), (50, 0.2, 0))
    for tracking in (None, TrackingOptions()):
        options = PipelineOptions(tracking=tracking)
        frame = Postprocessor(LABELS, [], options)(found, IMAGE, CAMERA, 1.0)
        np.testing.assert_array_equal(frame.scene.detections.boxes_xyxy, published(found, options).detections.boxes_xyxy)
        assert len(frame.boxes_3d) == 2 and frame.boxes_3d.valid.all()
        assert (frame.tracks is None) == (tracking is None)


def test_tracks_go_on_with_boxes_too_weak_to_be_published() -> None:
    options = PipelineOptions(score_threshold=0.5, tracking=TrackingOptions(low_score=0.2, confirm_hits=2))
    assert options.least_score == 0.2 and replace(options, tracking=None).least_score == 0.5
    camera = Postprocessor(LABELS, [], options)
    for k, score in enumerate((0.9, 0.9, 0.3, 0.3)):
        frame = camera(scene((5, score, 0)), IMAGE, CAMERA, 0.1 * k)
    assert len(frame.scene.detections) == len(frame.tracks.detection_ids) == 0
    assert [(track.id, track.is_seen) for track in frame.tracks.tracks] == [(1, True)]


def test_options_may_change_between_frames() -> None:
    camera = Postprocessor(LABELS, [])
    assert len(camera(scene((5, 0.4, 0)), IMAGE).scene.detections) == 1
    camera.options = PipelineOptions(score_threshold=0.5)
    assert len(camera(scene((5, 0.4, 0)), IMAGE).scene.detections) == 0


class _Asked(KnownPlacement):
    times = 0

    @property
    def up(self) -> np.ndarray | None:
        type(self).times += 1
        return np.array([0.0, -1.0, 0.0])


def test_3d_boxes_are_made_once_and_only_when_somebody_asks() -> None:
    _Asked.times = 0
    frame = Postprocessor(LABELS, [])(scene((5, 0.9, 0)), IMAGE, CAMERA, placement=_Asked())
    assert _Asked.times == 0
    assert frame.boxes_3d is not None and frame.boxes_3d is frame.boxes_3d
    assert _Asked.times == 1


def test_without_a_camera_or_depth_there_are_no_3d_boxes() -> None:
    camera = Postprocessor(LABELS, [])
    assert camera(scene((5, 0.9, 0)), IMAGE).boxes_3d is None
    assert camera(replace(scene((5, 0.9, 0)), depth=None), IMAGE, CAMERA).boxes_3d is None
    assert camera(Scene(64, 48), IMAGE, CAMERA).boxes_3d is None


def test_a_result_can_not_be_changed() -> None:
    frame = Postprocessor(LABELS, [])(scene((5, 0.9, 0)), IMAGE, CAMERA)
    with pytest.raises(FrozenInstanceError):
        frame.scene = Scene(4, 4)  # type: ignore[misc]


def test_images_of_a_bag_walk_through_the_whole_line() -> None:
    engine = Engine.load(find_model("lite"), "cpu", "float32", "torch")
    line = FramePipeline(engine, PipelineOptions(tracking=TrackingOptions()))
    with Bag(resource("bags/demo")) as bag:
        image = bag.find_image()
        for number, frame in enumerate(bag.frames(image, bag.find_camera_info(image))):
            result = line(frame.image_rgb, frame.intrinsics, frame.stamp_ns * 1e-9)
            if number == 3:
                break
    assert len(result.scene.detections) == len(result.boxes_3d) == len(result.tracks.detection_ids) > 0
    assert (result.scene.detections.scores >= line._postprocess.options.score_threshold).all()
    assert any(result.tracks.detection_ids)
    engine.score_threshold = WEAKEST_SCORE
    again = published(engine(frame.image_rgb, frame.intrinsics))
    np.testing.assert_array_equal(again.detections.boxes_xyxy, result.scene.detections.boxes_xyxy)


def test_suppression_across_classes_stands_in_one_place() -> None:
    """Node, replay, scores, pictures and predict publish the same boxes because none of them does it by itself."""
    users = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if ".agnostic_nms(" in path.read_text()]
    assert sorted(users) == ["core/scene.py", "pipeline/pipeline.py"]


def test_scores_are_of_what_is_published_by_default() -> None:
    found = weak_and_double()
    wanted, shown = published_detections(found), found.by_default()
    assert 0 < len(shown) < len(found)
    for name in ("boxes_xyxy", "scores", "class_ids"):
        np.testing.assert_array_equal(getattr(shown, name), getattr(wanted, name))


def weak_and_double() -> Detections:
    """Twenty boxes, the best first: each second one lies over the one before, and the last ones are weak."""
    rng = np.random.default_rng(0)
    corners = np.repeat(rng.uniform(0, 200, (10, 2)), 2, 0) + np.tile([[0, 0], [0.5, 0.5]], (10, 1))
    boxes = np.concatenate([corners, corners + 30], 1).astype(np.float32)
    return Detections(boxes, np.linspace(0.9, 0.1, 20).astype(np.float32), rng.integers(0, 3, 20))
