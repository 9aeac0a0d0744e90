# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation
from mtl_perception.evaluation import METRICS, Metric, SceneEvaluator, Truth, evaluate_engine

OBJECTS, STUFF = ["cup", "bin"], ["floor", "wall", "cup"]
CARD = SimpleNamespace(detection_labels=OBJECTS, segmentation_labels=STUFF)
BOX = np.array([[2, 2, 12, 12]], np.float32)


def truth(depth_m=2.0):
    mask, depth = np.full((16, 16), 1, np.uint8), np.full((16, 16), depth_m, np.float32)
    return Truth(boxes_xyxy=BOX, class_ids=np.array([0]), mask=mask, depth_m=depth)


def scene(*, box=BOX, class_id=1, depth_m=2.0):
    mask = np.full((16, 16), class_id, np.uint8)
    found = Detections(np.asarray(box, np.float32), np.array([0.8], np.float32), np.array([0]))
    return Scene(16, 16, found, Segmentation(mask, mask), Depth(np.full((16, 16), depth_m, np.float32)))


def test_scores_cover_all_frames_and_each_frame():
    evaluator = SceneEvaluator(CARD)
    evaluator.update(scene(), truth())
    evaluator.update(scene(class_id=0, depth_m=3.0), truth())
    result = evaluator.compute()
    assert result.scores["detection"]["AP50"] == pytest.approx(1)
    assert result.scores["segmentation"]["pixel_accuracy"] == 0.5
    assert result.scores["depth"]["AbsRel"] == pytest.approx(0.25)
    assert [frame.scores["mIoU"] for frame in result.frames] == [1, 0]
    assert [frame.scores["AbsRel"] for frame in result.frames] == pytest.approx([0, 0.5])
    assert (result.frame_at(1).index, result.frame_at(0).index) == (0, 1)
    assert {"detection", "segmentation", "depth"} <= set(result.scores)


def test_only_what_is_both_found_and_labelled_is_scored():
    evaluator = SceneEvaluator(CARD)
    evaluator.update(Scene(16, 16, depth=scene().depth), truth())
    evaluator.update(scene(), Truth(mask=truth().mask))
    evaluator.update(scene(), Truth())
    result = evaluator.compute()
    assert {task: scores["frames"] for task, scores in result.scores.items()} == {
        "depth": 1,
        "segmentation": 1,
    }
    assert result.frames[2].scores == {} and np.isnan(result.frames[2].quality)


def test_frame_order_leaves_out_frames_without_a_score():
    evaluator = SceneEvaluator(CARD)
    evaluator.update(scene(), Truth())
    with pytest.raises(ValueError, match="ground truth"):
        evaluator.compute().frame_at(0.5)
    evaluator.update(scene(), truth())
    assert evaluator.compute().frame_at(0).index == 1


class OracleEngine:
    """Says what the image's first pixel tells it to, so that the right scores are known beforehand."""

    def __init__(self):
        self.card = CARD
        self.score_threshold = 0.3
        self.thresholds_seen = set()

    def __call__(self, image_rgb, intrinsics=None):
        self.thresholds_seen.add(self.score_threshold)
        return scene(class_id=int(image_rgb[0, 0, 0]))


def test_engine_is_scored_with_weak_boxes_and_left_as_it_was():
    engine, seen = OracleEngine(), []
    samples = ((np.full((16, 16, 3), class_id, np.uint8), None, truth()) for class_id in (1, 1, 0))
    result = evaluate_engine(engine, samples, lambda scene, scores: seen.append(scores.index))
    assert result.scores["segmentation"]["pixel_accuracy"] == pytest.approx(2 / 3)
    assert seen == [0, 1, 2] and engine.thresholds_seen == {0.01} and engine.score_threshold == 0.3


class StepsOfDepth(Metric):
    """How far depth moves from frame to frame: a measure that needs the frames in their order."""

    task = "steps"
    directions = {"mean_step": "lower"}
    main = "mean_step"

    def __init__(self):
        self.seen = []

    @classmethod
    def for_model(cls, card):
        return cls()

    @staticmethod
    def pair(scene, truth):
        return None if scene.depth is None else (scene.depth.depth_m,)

    def update(self, depth_m):
        self.seen.append(float(depth_m.mean()))
        return {}

    def compute(self):
        return {"mean_step": float(np.abs(np.diff(self.seen)).mean())}


def test_a_new_measure_is_one_entry_in_the_registry(monkeypatch):
    monkeypatch.setitem(METRICS, "steps", StepsOfDepth)
    evaluator = SceneEvaluator(CARD)
    for depth_m in (1.0, 2.0, 4.0):
        evaluator.update(scene(depth_m=depth_m), truth())
    evaluator.update(Scene(16, 16), truth())
    result = evaluator.compute()
    assert result.scores["steps"] == {"mean_step": pytest.approx(1.5), "frames": 3}
    assert result.ranked("steps") == []


def test_frames_are_ranked_by_task_the_worst_first():
    evaluator = SceneEvaluator(CARD)
    for class_id, depth_m in ((1, 3.0), (0, 2.0), (1, 2.5)):
        evaluator.update(scene(class_id=class_id, depth_m=depth_m), truth())
    evaluator.update(scene(), Truth(mask=truth().mask))
    result = evaluator.compute()
    assert [frame.index for frame in result.ranked("depth")] == [0, 2, 1]
    assert result.ranked("segmentation")[0].index == 1 and len(result.ranked("segmentation")) == 4
