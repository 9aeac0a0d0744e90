# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import coco, cocoeval

from mtl_perception.evaluation import DepthMetric, DetectionMetric, SegmentationMetric

LABELS = ["cup", "chair", "table", "bin"]


def random_boxes(rng, count):
    top_left = rng.uniform(0, 500, (count, 2))
    return np.hstack([top_left, top_left + rng.uniform(4, 200, (count, 2))])


def random_images(rng, images):
    """Per image: boxes, scores, ids, true boxes, true ids; most found boxes are shaken true ones."""
    for _ in range(images):
        true_boxes = random_boxes(rng, rng.integers(0, 9))
        true_ids = rng.integers(0, 3, len(true_boxes))  # nothing is ever a bin
        kept = rng.random(len(true_boxes)) < 0.8
        shaken = true_boxes[kept] + rng.normal(0, 3, (kept.sum(), 4))
        noise = random_boxes(rng, rng.integers(0, 120))
        boxes = np.vstack([shaken, noise])
        ids = np.concatenate([true_ids[kept], rng.integers(0, 4, len(noise))])
        order = rng.permutation(len(boxes))
        scores = np.concatenate([rng.uniform(0.3, 1, len(shaken)), rng.uniform(0, 0.6, len(noise))])
        yield boxes[order], scores[order].astype(np.float32), ids[order], true_boxes, true_ids


def test_average_precision_is_that_of_pycocotools():
    metric = DetectionMetric(LABELS)
    images, annotations, results = [], [], []
    for image_id, arrays in enumerate(random_images(np.random.default_rng(0), 40)):
        metric.update(*arrays)
        boxes, scores, ids, true_boxes, true_ids = arrays
        images.append({"id": image_id})
        for box, class_id in zip(true_boxes, true_ids):
            x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": int(class_id),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
        for box, score, class_id in zip(boxes, scores, ids):
            xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            results.append(
                {"image_id": image_id, "category_id": int(class_id), "bbox": xywh, "score": float(score)}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {
            "info": {},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": index, "name": name} for index, name in enumerate(LABELS)],
        }
        truth.createIndex()
        reference = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
        reference.evaluate()
        reference.accumulate()
        reference.summarize()
    found = metric.compute()
    names = ("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
    assert [found[name] for name in names] == pytest.approx(list(reference.stats[:6]), abs=1e-9)
    assert 0.2 < found["mAP"] < 0.95  # the comparison would say little at 0 or 1
    precision = reference.eval["precision"][:, :, :3, 0, 2]
    assert [found["per_class"][name]["AP"] for name in LABELS[:3]] == pytest.approx(
        precision.mean(axis=(0, 1)), abs=1e-9
    )
    assert np.isnan(found["per_class"]["bin"]["AP"])


def test_average_precision_at_its_ends():
    boxes, ids = np.array([[10, 10, 60, 60], [100, 0, 300, 200.0]]), np.array([0, 2])
    nothing = np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)
    perfect, blind, no_truth = (DetectionMetric(LABELS) for _ in range(3))
    perfect.update(boxes, np.array([0.9, 0.8]), ids, boxes, ids)
    blind.update(*nothing, boxes, ids)
    no_truth.update(boxes, np.array([0.9, 0.8]), ids, nothing[0], nothing[2])
    assert perfect.compute()["mAP"] == pytest.approx(1) and blind.compute()["mAP"] == 0
    assert np.isnan(no_truth.compute()["mAP"])
    assert perfect.compute()["mAP"] == pytest.approx(1), "compute() may be called again"


@pytest.mark.parametrize(
    "scores, ids, message",
    [([0.5, 0.4], [0], "scores"), ([0.5], [4], "class id 4, expected 0 to 3"), ([0.5], [-1], "class id -1")],
)
def test_boxes_that_do_not_fit_together_are_named(scores, ids, message):
    with pytest.raises(ValueError, match=message):
        DetectionMetric(LABELS).update(
            np.array([[0, 0, 1, 1]]), np.array(scores), np.array(ids), np.zeros((0, 4)), np.zeros(0, int)
        )


def test_intersection_over_union_counted_by_hand():
    metric = SegmentationMetric(["a", "b", "c", "never"])
    metric.update(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 1, 255]], np.uint8))
    metric.update(np.array([[2, 255, 0, 0]], np.uint8), np.array([[2, 2, 0, 1]], np.uint8))
    found = metric.compute()
    # a: 2 hits, found 4, true 2.  b: 1 hit, found 1, true 3.  c: 1 hit, found 1, true 2.
    assert found["per_class"]["a"]["IoU"] == pytest.approx(2 / 4)
    assert found["per_class"]["b"]["IoU"] == pytest.approx(1 / 3)
    assert found["per_class"]["c"]["IoU"] == pytest.approx(1 / 2)
    assert np.isnan(found["per_class"]["never"]["IoU"])
    assert found["mIoU"] == pytest.approx((2 / 4 + 1 / 3 + 1 / 2) / 3)
    assert found["pixel_accuracy"] == pytest.approx(4 / 7) and found["pixels"] == 7


def test_one_confusion_matrix_is_not_the_mean_of_images():
    metric = SegmentationMetric(["a", "b"])
    metric.update(np.zeros((1, 90), np.uint8), np.zeros((1, 90), np.uint8))
    metric.update(np.zeros((1, 10), np.uint8), np.full((1, 10), 1, np.uint8))
    assert metric.compute()["mIoU"] == pytest.approx((90 / 100 + 0) / 2)


@pytest.mark.parametrize(
    "mask, truth, message",
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), "size"),
        (np.full((2, 2), 4), np.zeros((2, 2)), "mask has class id 4, expected 0 to 1 or 255"),
        (np.full((2, 2), 2), np.zeros((2, 2)), "mask has class id 2"),
        (np.zeros((2, 2)), np.full((2, 2), 2), "true mask has class id 2"),
    ],
)
def test_masks_that_do_not_fit_together_are_named(mask, truth, message):
    with pytest.raises(ValueError, match=message):
        SegmentationMetric(["a", "b"]).update(mask.astype(np.uint8), truth.astype(np.uint8))


def test_depth_errors_in_closed_form():
    metric = DepthMetric()
    metric.update(np.array([[2.0, 2.0, np.nan]]), np.array([[1.0, 0.0, 1.0]]))  # one pixel at twice the depth
    metric.update(np.array([[4.0, 3.0]]), np.array([[4.0, np.nan]]))  # and one exact
    found = metric.compute()
    log2 = np.log(2)
    assert found["AbsRel"] == pytest.approx(0.5)
    assert found["RMSE"] == pytest.approx(np.sqrt(0.5))
    assert found["RMSElog"] == pytest.approx(log2 / np.sqrt(2))
    assert found["SILog"] == pytest.approx(100 * log2 / 2)  # standard deviation of {log 2, 0}
    assert (found["delta1"], found["delta2"], found["delta3"]) == (0.5, 0.5, 0.5)  # 2 > 1.25³
    assert found["coverage"] == pytest.approx(2 / 3) and found["pixels"] == 2


def test_depth_is_not_scaled_and_silog_does_not_see_scale():
    true_m = np.random.default_rng(0).uniform(0.5, 6, (20, 30))
    metric = DepthMetric()
    metric.update(true_m * 1.2, true_m)
    found = metric.compute()
    assert found["AbsRel"] == pytest.approx(0.2)
    assert found["SILog"] == pytest.approx(0, abs=1e-4)
    assert found["delta1"] == 1


def test_depth_without_a_pixel_is_nan():
    metric = DepthMetric()
    metric.update(np.ones((2, 2)), np.zeros((2, 2)))
    assert np.isnan(metric.compute()["AbsRel"])
    with pytest.raises(ValueError, match="size"):
        metric.update(np.ones((2, 2)), np.ones((2, 3)))


def test_every_measure_names_its_direction():
    empty = SegmentationMetric(["a"]), DepthMetric(), DetectionMetric(["a"])
    for metric in empty:
        assert set(metric.directions) <= set(metric.compute())
        assert set(metric.directions.values()) <= {"higher", "lower"}
    assert DepthMetric.directions["AbsRel"] == "lower" and DepthMetric.directions["delta1"] == "higher"


def test_metrics_need_neither_torch_nor_ros():
    code = "import sys, mtl_perception.evaluation; print([m for m in ('torch', 'rclpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
