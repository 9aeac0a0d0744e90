# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from pycocotools import coco, cocoeval
from random_boxes import LABELS, random_images

from mtl_perception.evaluation import DepthMetric, DetectionMetric, SegmentationMetric


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
            results.append({"image_id": image_id, "category_id": int(class_id), "bbox": xywh, "score": float(score)})
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
    for column, expected in (
        ("AP", precision.mean(axis=(0, 1))),
        ("AP50", precision[0].mean(axis=0)),
        ("AP75", precision[5].mean(axis=0)),
    ):
        assert [found["per_class"][name][column] for name in LABELS[:3]] == pytest.approx(expected, abs=1e-9)
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


def test_small_objects_are_a_group_of_their_own():
    labels = ["chair", "cup", "bottle", "book"]
    metric = DetectionMetric(labels)
    boxes = np.array([[0, 0, 50, 50], [60, 0, 70, 10], [80, 0, 90, 10.0]])
    metric.update(boxes[:2], np.array([0.9, 0.8]), np.array([1, 2]), boxes, np.array([0, 1, 2]))
    found = metric.compute()
    # The chair was taken for a cup, so both are missed; the bottle's box lies on the cup: 0 of chair, cup, bottle.
    assert found["AP50"] == 0 and found["AP50_small_things"] == 0
    metric.update(boxes[1:2], np.array([0.99]), np.array([1]), boxes[1:2], np.array([1]))
    found = metric.compute()
    # Of two cups one is found, by the strongest box: precision 1 up to recall .5.
    assert found["per_class"]["cup"]["AP50"] == pytest.approx(51 / 101)
    assert found["AP50_small_things"] == pytest.approx((51 / 101 + 0) / 2)  # no book anywhere: it does not count
    assert found["AP50"] == pytest.approx((0 + 51 / 101 + 0) / 3)
    cup = found["per_class"]["cup"]
    assert (cup["boxes"], cup["precision"], cup["recall"]) == (2, 0.5, 0.5)
    assert cup["best_threshold"] == pytest.approx(0.99)


def test_classes_that_nobody_looked_for_are_neither_right_nor_wrong():
    true, noise = np.array([[0, 0, 20, 20.0]]), np.array([[50, 50, 80, 80.0]])
    boxes, scores, ids = np.vstack([noise, true, noise]), np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1])
    everything, partly = DetectionMetric(LABELS), DetectionMetric(LABELS)
    for metric, labelled_ids in ((everything, None), (partly, np.array([0]))):
        metric.update(boxes, scores, ids, true, np.array([0]), labelled_ids)
        metric.update(boxes, scores, ids, true, np.array([1]), labelled_ids=None)
    assert partly.compute()["per_class"]["cup"] == everything.compute()["per_class"]["cup"]
    assert partly.compute()["per_class"]["chair"]["AP50"] == everything.compute()["per_class"]["chair"]["AP50"] == 0
    partly.update(boxes, scores, ids, true, np.array([0]), labelled_ids=np.array([2]))
    assert partly.calibration[:, 0].sum() == 2 + 3 + 0


def test_calibration_counts_boxes_by_their_score():
    metric = DetectionMetric(LABELS)
    true = np.array([[0, 0, 20, 20.0]])
    metric.update(np.vstack([true, true + 100]), np.array([0.97, 0.96]), np.array([0, 0]), true, np.array([0]))
    assert metric.calibration[-1] == pytest.approx([2, 1, 0.97 + 0.96])
    assert metric.calibration[:-1].sum() == 0


@pytest.mark.parametrize(
    "scores, ids, message",
    [([0.5, 0.4], [0], "scores"), ([0.5], [4], "class id 4, expected 0 to 3"), ([0.5], [-1], "class id -1")],
)
def test_boxes_that_do_not_fit_together_are_named(scores, ids, message):
    with pytest.raises(ValueError, match=message):
        DetectionMetric(LABELS).update(np.array([[0, 0, 1, 1]]), np.array(scores), np.array(ids), np.zeros((0, 4)), np.zeros(0, int))


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


def test_a_class_that_is_found_where_it_never_is_counts_as_zero():
    metric = SegmentationMetric(["a", "b", "c"])
    metric.update(np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 0, 0, 0]], np.uint8))
    # Found only where nothing is labelled, c is neither right nor wrong.
    metric.update(np.array([[2, 2]], np.uint8), np.array([[255, 255]], np.uint8))
    found = metric.compute()
    assert found["mIoU"] == pytest.approx((3 / 4 + 0) / 2) and found["pixels"] == 4
    assert found["per_class"]["b"]["IoU"] == 0 and np.isnan(found["per_class"]["c"]["IoU"])
    assert found["per_class"]["a"] == {"IoU": 0.75, "precision": 1, "recall": 0.75, "share": 1}


def test_a_class_that_the_data_cannot_name_has_no_score_but_is_wrong_on_others():
    metric = SegmentationMetric(["a", "b", "sofa"])
    own = metric.update(np.array([[0, 0, 2, 1]], np.uint8), np.array([[0, 0, 0, 1]], np.uint8), np.array([0, 1]))
    found = metric.compute()
    assert own["mIoU"] == found["mIoU"] == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(found["per_class"]["sofa"]["IoU"]) and found["pixel_accuracy"] == 3 / 4
    # Other data, of which it is a class.
    metric.update(np.array([[2, 2]], np.uint8), np.array([[2, 2]], np.uint8))
    assert metric.compute()["mIoU"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


def test_masks_without_a_labelled_pixel_have_no_score():
    metric = SegmentationMetric(["a", "b"])
    assert metric.update(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)) == {}
    assert np.isnan(metric.compute()["mIoU"])


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


def test_depth_by_distance_and_class():
    metric = DepthMetric(["floor", "wall"])
    true_m = np.array([[0.5, 0.99, 1.0, 3.0], [8.0, 20.0, 3.0, 0.0]])
    found_m = np.array([[0.6, 0.99, 1.5, 3.0], [4.0, 20.0, 6.0, 2.0]])
    mask = np.array([[0, 0, 1, 255], [1, 255, 1, 0]], np.uint8)
    metric.update(found_m, true_m, mask)
    found = metric.compute()
    ranges = found["by_distance"]
    assert {name: row["pixels"] for name, row in ranges.items()} == {
        "0–1 m": 2, "1–2 m": 1, "2–4 m": 2, "over 8 m": 2,
    }  # fmt: skip
    assert ranges["0–1 m"]["AbsRel"] == pytest.approx((0.2 + 0) / 2)
    assert ranges["over 8 m"]["bias"] == pytest.approx((-4 + 0) / 2)
    assert ranges["2–4 m"]["RMSE"] == pytest.approx(np.sqrt((0 + 9) / 2))
    assert ranges["2–4 m"]["delta1"] == 0.5
    assert {name: row["pixels"] for name, row in found["per_class"].items()} == {"floor": 2, "wall": 3}
    assert found["per_class"]["wall"]["AbsRel"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert found["pixels"] == 7
    with pytest.raises(ValueError, match="mask of"):
        metric.update(found_m, true_m, mask[:1])


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
        assert metric.main in metric.directions and metric.rank in metric.directions
        assert set(metric.directions.values()) <= {"higher", "lower"}
    assert DepthMetric.directions["AbsRel"] == "lower" and DepthMetric.directions["delta1"] == "higher"


def test_a_missing_package_is_named_before_the_first_image(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "faster_coco_eval", raising=False)
    sys.path_importer_cache.clear()
    with pytest.raises(ImportError, match=r"pip install 'mtl-perception\[evaluate\]'"):
        DetectionMetric(LABELS)


def test_metrics_need_neither_torch_nor_ros():
    code = "import sys, mtl_perception.evaluation; print([m for m in ('torch', 'rclpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
