# SPDX-License-Identifier: Apache-2.0
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from mtl_perception.core.scene import Depth, Detections, Scene, Segmentation
from mtl_perception.demo.charts import latency_chart, stage_bar
from mtl_perception.demo.pictures import Look, contact_sheet, depth_range, film_frame
from mtl_perception.evaluation import Truth
from mtl_perception.pipeline import published

CARD = SimpleNamespace(segmentation_labels=["floor", "wall"], detection_labels=["cup"])
LOOK = Look(CARD, 0.5, 4.0)
IMAGE = np.random.default_rng(0).integers(0, 255, (61, 83, 3), np.uint8)
MASK = np.zeros((61, 83), np.uint8)
DEPTH_M = np.full((61, 83), 1.0, np.float32)
FOUND = Detections(
    np.array([[2, 2, 30, 30], [9, 9, 50, 50]], np.float32),
    np.array([0.8, 0.05], np.float32),
    np.zeros(2, int),
)


def scene(**parts):
    return Scene(83, 61, **parts)


def test_weak_boxes_are_not_shown():
    assert published(scene(detections=FOUND)).detections.scores.tolist() == pytest.approx([0.8])
    assert published(scene()).detections is None


def test_a_object_is_shown_under_one_name():
    twice = Detections(np.array([[2, 2, 30, 30], [2, 2, 30, 31]], np.float32), np.array([0.8, 0.6], np.float32), np.arange(2))
    assert published(scene(detections=twice)).detections.class_ids.tolist() == [0]


@pytest.mark.parametrize("parts", [{}, {"depth": Depth(DEPTH_M)}, {"segmentation": Segmentation(MASK, MASK), "detections": FOUND}])
def test_a_film_frame_has_even_sides_whatever_was_found(parts):
    picture = film_frame(LOOK, IMAGE, scene(**parts), "1.0 s", "lite on cpu")
    assert picture.shape == (60 + 36, 80 + 40, 3) and picture.dtype == np.uint8


def test_panels_hold_what_is_known():
    every = scene(detections=FOUND, segmentation=Segmentation(MASK, MASK), depth=Depth(DEPTH_M))
    panels = LOOK.panels(IMAGE, every, Truth(mask=MASK, depth_m=DEPTH_M))
    assert list(panels) == [
        "boxes and mask",
        "segmentation",
        "depth",
        "camera",
        "true segmentation",
        "true depth",
    ]
    assert (panels["depth"] == panels["true depth"]).all()
    assert list(LOOK.panels(IMAGE, scene())) == ["boxes and mask", "camera"]


def test_the_contact_sheet_shows_each_panel_in_its_place():
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 0)]
    tiles = [np.full((30, 40, 3), color, np.uint8) for color in colors]
    sheet = contact_sheet([("1 s", {"a": tiles[0], "b": tiles[1]}), ("2 s", {"a": tiles[2], "b": tiles[3]})], 40)
    places = [np.argwhere((sheet == color).all(axis=2)) for color in colors]
    assert all(len(place) == 30 * 40 for place in places)
    assert places[0][:, 0].max() < places[2][:, 0].min() and places[0][:, 1].max() < places[1][:, 1].min()


def test_depth_range_covers_the_drive():
    rng = np.random.default_rng(0)
    near_m, far_m = depth_range([rng.uniform(1.04, 5.3, (400, 400)), np.full((80, 80), np.nan)])
    assert (near_m, far_m) == (1.0, 5.5)
    assert depth_range([]) == (0.3, 8.0)


SVG = "{http://www.w3.org/2000/svg}"


def group(chart: ElementTree.Element, name: str) -> ElementTree.Element:
    """What matplotlib drew in its artist of this name."""
    return next(one for one in chart.iter(f"{SVG}g") if one.get("id") == name)


def test_charts_are_well_formed_and_show_each_frame():
    chart = ElementTree.fromstring(latency_chart([0.0, 1.0, 2.0], [10.0, 12.0, 300.0], [0.5, 1.5], 2.0))
    points = list(group(chart, "PathCollection_1").iter(f"{SVG}use"))
    assert len(points) == 3
    assert float(points[2].get("y")) < float(points[1].get("y")) < float(points[0].get("y"))
    assert "p99" in "".join(chart.itertext())
    no_drops = ElementTree.fromstring(latency_chart([0.0, 1.0, 2.0], [10.0, 12.0, 300.0], [], 2.0))
    assert len(list(chart.iter(f"{SVG}use"))) == len(list(no_drops.iter(f"{SVG}use"))) + 2
    ElementTree.fromstring(latency_chart([], [], [0.0], 0.0))
    bar = ElementTree.fromstring(stage_bar({"decode": 1.0, "a < b": 3.0}))
    edges = [[float(x) for x in re.findall(r"[ML] ([0-9.]+)", group(bar, f"patch_{k}")[0].get("d"))] for k in (3, 4)]
    widths = [max(edge) - min(edge) for edge in edges]
    assert widths[1] / widths[0] == pytest.approx(3, rel=0.02)
    assert {"decode 1.0 ms", "a < b 3.0 ms"} <= {text.strip() for text in bar.itertext()}
