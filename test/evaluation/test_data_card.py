# SPDX-License-Identifier: Apache-2.0
"""The page about a data set, and the labels that it doubts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from shapes import write_shapes

from mtl_perception.evaluation.data_card.doubts import doubts_of

AREA = 100.0 * 100.0


def doubts(
    labels: list[tuple], said: list[tuple], labelled: tuple[str, ...] = ("cup", "box"), **more: object
) -> list[tuple[str, str | None, str | None]]:
    boxes = np.array([row[:4] for row in labels], np.float32).reshape(-1, 4)
    answers = np.array([row[:4] for row in said], np.float32).reshape(-1, 4)
    scores = np.array([row[5] for row in said], np.float32)
    found = doubts_of(boxes, [r[4] for r in labels], answers, [r[4] for r in said], scores, {"cup", "box"}, labelled, AREA, **more)
    return [(doubt.kind, doubt.label, doubt.said) for doubt in found]


def test_what_the_network_sees_too_is_not_doubted_however_faintly() -> None:
    assert doubts([(10, 10, 50, 50, "cup")], [(12, 10, 50, 52, "cup", 0.11), (10, 10, 50, 50, "box", 0.9)]) == []


def test_three_kinds_of_doubt() -> None:
    label = (10, 10, 50, 50, "cup")
    assert doubts([label], [(10, 10, 50, 50, "box", 0.9)]) == [("class", "cup", "box")]
    assert doubts([label], [(60, 60, 90, 90, "cup", 0.3)]) == [("nothing", "cup", None)]
    assert doubts([label], [(10, 10, 50, 50, "cup", 0.9), (60, 60, 90, 90, "box", 0.8)]) == [("missing", None, "box")]
    assert doubts([label], [(10, 10, 50, 50, "box", 0.3)]) == []


def test_nothing_is_said_of_classes_that_the_network_or_the_picture_does_not_know() -> None:
    assert doubts([(10, 10, 50, 50, "lamp")], []) == []
    assert doubts([], [(60, 60, 90, 90, "box", 0.9)], labelled=("cup",)) == []


def test_a_large_object_that_is_not_seen_is_doubted_more_and_not_of_a_class_that_is_never_found() -> None:
    small, large = (0, 0, 8, 8, "cup"), (20, 20, 90, 90, "box")
    assert [label for _, label, _ in doubts([small, large], [])] == ["box", "cup"]
    assert [label for _, label, _ in doubts([small, large], [], reliability={"cup": 0.9, "box": 0.0})] == ["cup", "box"]


@pytest.mark.slow
def test_the_page_shows_classes_copies_and_doubts(tmp_path: Path) -> None:
    from mtl_perception.core.resources import find_model
    from mtl_perception.data.errors import DataError
    from mtl_perception.evaluation.data_card.page import write_data_card
    from mtl_perception.inference.engine import Engine

    data, other = write_shapes(tmp_path / "train", 6), write_shapes(tmp_path / "val", 4, seed=9)
    shutil.copy(data / "images/0002.jpg", other / "images/0001.jpg")
    engine = Engine.load(find_model("lite"), "cpu", "float32")
    found = write_data_card(data, tmp_path / "page.html", [other], engine)
    text = (tmp_path / "page.html").read_text()
    assert found["near_duplicates"] == 1 and "train/images/0002.jpg" in text and "val/images/0001.jpg" in text
    assert re.search(r"<td>can</td>.*?<td class=\"n\">\d+</td>", text, re.DOTALL)
    assert text.count("the network sees") == min(found["doubts"], 24)
    assert text.count("<img") == 2 + min(found["doubts"], 24) and "http" not in text.replace("http-equiv", "")
    engine.card.tasks["detection"].settings["labels"] = ["lamp"] * 14
    with pytest.raises(DataError, match="knows none of the classes box, can"):
        write_data_card(data, tmp_path / "page.html", [], engine)
    engine.close()
