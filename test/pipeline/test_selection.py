# SPDX-License-Identifier: Apache-2.0
"""Classes, thresholds by class, sizes and regions: what is not wanted is not published, and hides nothing that is."""

import numpy as np
import pytest

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Depth, Detections, Scene
from mtl_perception.pipeline import PipelineOptions, Postprocessor, Selection, TrackingOptions, published
from mtl_perception.pipeline.selection import parse_classes, parse_region, parse_thresholds

CAMERA = Intrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
IMAGE = np.zeros((48, 64, 3), np.uint8)
LABELS = ["can", "cup", "box"]
CAN, CUP, BOX = range(3)


def scene(*rows: tuple[float, float, int]) -> Scene:
    """Detections of (left edge, score, class), 10 × 10 pixels each, two metres away."""
    boxes = np.float32([[left, 10, left + 10, 20] for left, _, _ in rows]).reshape(-1, 4)
    found = Detections(boxes, np.float32([score for _, score, _ in rows]), np.int64([class_id for _, _, class_id in rows]))
    return Scene(64, 48, found, depth=Depth(np.full((48, 64), 2.0, np.float32)))


def shown(found: Scene, **options) -> list[tuple[int, float]]:
    """(class, score) of what both ways publish, which are to be the same."""
    chosen = PipelineOptions(**options)
    detections = published(found, chosen).detections
    frame = Postprocessor(LABELS, [], chosen)(found, IMAGE, CAMERA, 1.0)
    np.testing.assert_array_equal(frame.scene.detections.boxes_xyxy, detections.boxes_xyxy)
    assert len(frame.boxes_3d) == len(detections)
    return [(class_id, round(score, 2)) for class_id, score in zip(detections.class_ids.tolist(), detections.scores.tolist())]


def test_an_unwanted_class_hides_nothing() -> None:
    found = scene((5, 0.9, CAN), (5.2, 0.8, CUP), (30, 0.7, BOX))
    assert shown(found) == [(CAN, 0.9), (BOX, 0.7)]
    assert shown(found, selection=Selection(class_ids=frozenset({CUP, BOX}))) == [(CUP, 0.8), (BOX, 0.7)]


def test_a_class_has_a_threshold_of_its_own() -> None:
    found = scene((5, 0.6, CAN), (5.2, 0.5, CUP), (30, 0.25, BOX), (45, 0.15, BOX))
    selection = Selection(thresholds=((CAN, 0.7), (BOX, 0.2)))
    assert PipelineOptions(selection=selection).least_score == 0.2
    assert shown(found, selection=selection) == [(CUP, 0.5), (BOX, 0.25)]
    assert shown(found, selection=selection, tracking=TrackingOptions()) == [(CUP, 0.5), (BOX, 0.25)]


def test_a_weak_detection_of_a_strict_class_begins_no_track() -> None:
    options = PipelineOptions(tracking=TrackingOptions(), selection=Selection(thresholds=((CAN, 0.7),)))
    camera = Postprocessor(LABELS, [], options)
    for k in range(4):
        frame = camera(scene((5, 0.6, CAN), (30, 0.5, CUP)), IMAGE, CAMERA, 0.1 * k)
    assert [track.class_id for track in frame.tracks.tracks] == [CUP] and frame.tracks.detection_ids == ["1"]


def test_the_best_so_many() -> None:
    found = scene((5, 0.9, CAN), (20, 0.8, CUP), (40, 0.7, BOX))
    assert shown(found, selection=Selection(max_detections=2)) == [(CAN, 0.9), (CUP, 0.8)]
    frame = Postprocessor(LABELS, [], PipelineOptions(tracking=TrackingOptions(), selection=Selection(max_detections=1)))(
        found, IMAGE, CAMERA, 1.0
    )
    assert len(frame.tracks.detection_ids) == len(frame.boxes_3d) == 1


def test_size_and_region() -> None:
    found = scene((5, 0.9, CAN), (40, 0.8, CUP))
    assert shown(found, selection=Selection(min_side_px=11)) == []
    right_half = parse_region("32,0 64,0 64,48 32,48")
    assert shown(found, selection=Selection(region_xy=right_half)) == [(CUP, 0.8)]
    assert shown(scene(), selection=Selection(min_side_px=1, region_xy=right_half, class_ids=frozenset({CAN}))) == []


def test_what_users_write() -> None:
    assert parse_classes([], LABELS) is None and parse_classes(["box", "can"], LABELS) == {CAN, BOX}
    assert parse_thresholds(["cup=0.5", "box=0"], LABELS) == ((CUP, 0.5), (BOX, 0.0))
    assert parse_thresholds(["cup=0.5", "cup=0.6"], LABELS) == ((CUP, 0.6),)
    assert parse_region(" ") == ()


@pytest.mark.parametrize(
    ("parse", "entry", "said"),
    [
        (parse_classes, ["mug"], "'mug', expected classes of this model: can, cup, box"),
        (parse_thresholds, ["mug=0.5"], "'mug', expected classes"),
        (parse_thresholds, ["cup"], "'cup', expected a class and a score from 0 to 1, such as 'cup=0.5'"),
        (parse_thresholds, ["cup=much"], "'cup=much', expected"),
        (parse_thresholds, ["cup=nan"], "'cup=nan', expected"),
        (parse_thresholds, ["cup=1.5"], "'cup=1.5', expected"),
        (lambda text, _: parse_region(text), "1,2 3,4", "'1,2 3,4', expected at least three corners in pixels"),
        (lambda text, _: parse_region(text), "1 2 3 4 5 6", "'1 2 3 4 5 6', expected at least three corners"),
        (lambda text, _: parse_region(text), "0,0 1,1 2,nan", "'0,0 1,1 2,nan', expected"),
        (lambda text, _: parse_region(text), "0,0 1,1 2,2", "expected a polygon with an area"),
    ],
)
def test_what_makes_no_sense_is_named(parse, entry, said) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        parse(entry, LABELS)
