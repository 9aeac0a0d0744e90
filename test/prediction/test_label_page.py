# SPDX-License-Identifier: Apache-2.0
"""The page of ``mtl-perception label`` in a real browser, by keyboard and pointer."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from red_onnx import write_pictures, write_red_detector

from mtl_perception.data.folder import ImageFolder
from mtl_perception.prediction.autolabel.teachers import open_teacher
from mtl_perception.prediction.labelling.proposals import Proposals
from mtl_perception.prediction.labelling.server import LabelServer
from mtl_perception.prediction.labelling.store import LabelStore

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three pictures with a red object each, classes, and names of regions."""
    root = write_pictures(tmp_path / "set")
    store = LabelStore(root, ["can", "cup"], ["floor", "wall"])
    store.save("2.png", [], done=True)
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, address: str) -> Iterator[Any]:
    """The page, on which nothing may go wrong."""
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    eventually(lambda: page.evaluate("shot !== null"), 120)
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def page(root: Path, tmp_path: Path, browser: Any) -> Iterator[Any]:
    store, teacher = LabelStore(root), open_teacher(str(write_red_detector(tmp_path / "red")))
    with LabelServer(store, Proposals(store, teacher, lambda image: np.float32([1, 0]))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with opened(browser, server.address) as page:
                yield page
        finally:
            server.shutdown()
            thread.join()


def eventually(is_so: Callable[[], bool], timeout_s: float = 300) -> None:
    ends = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.05)


def saved(root: Path, name: str) -> dict[str, Any] | None:
    """The entry of a picture, with its boxes as (class, box)."""
    content = json.loads((root / "annotations.json").read_text())
    entry = next((image for image in content["images"] if image["file_name"] == name), None)
    if entry is None:
        return None
    names = {category["id"]: category["name"] for category in content["categories"]}
    boxes = [(names[a["category_id"]], a["bbox"]) for a in content["annotations"] if a["image_id"] == entry["id"]]
    return {**entry, "boxes": boxes}


def shown(page: Any) -> str:
    return page.evaluate("shot.name")


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """In pixels of the picture."""
    place = page.locator("#canvas").bounding_box()
    scale = page.evaluate("scale")
    points = [(place["x"] + x * scale, place["y"] + y * scale) for x, y in (start, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=5)
    page.mouse.up()


def test_the_command_serves_the_page_until_ctrl_c(root: Path, tmp_path: Path, browser: Any) -> None:
    teacher = write_red_detector(tmp_path / "red")
    command = [sys.executable, "-m", "mtl_perception", "label", str(root), "--model", str(teacher), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = next(line.strip() for line in process.stdout if line.startswith("http://127.0.0.1:"))
    with opened(browser, address) as page:
        name = shown(page)
        page.keyboard.press("Enter")
        eventually(lambda: saved(root, name) is not None)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (130, "interrupted\n")


def test_proposals_are_accepted_by_keys_until_every_picture_is_done(root: Path, page: Any) -> None:
    first = shown(page)
    assert "1 of 3 done" in page.inner_text("#count") and page.inner_text("#objects li").startswith("can")
    page.keyboard.press("Space")
    eventually(lambda: (saved(root, first) or {"boxes": []})["boxes"] != [])
    begun = saved(root, first)
    assert begun["boxes"][0][0] == "can" and np.allclose(begun["boxes"][0][1], [40, 20, 30, 40], atol=3)
    assert begun["detection_labels"] == []  # nobody has said that this is all
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate(f"shot.name !== '{first}'"))
    assert saved(root, first)["detection_labels"] == ["can", "cup"]
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate("document.getElementById('status').textContent === 'every picture is done'"))
    folder = ImageFolder(root)
    assert len(folder) == 3 and [len(folder[i].labels["detection"].class_ids) for i in range(3)] == [1, 1, 0]


def test_boxes_are_drawn_corrected_deleted_and_come_back(root: Path, page: Any) -> None:
    name = shown(page)
    page.keyboard.press("Tab")  # the proposal, and round again
    page.keyboard.press("x")
    eventually(lambda: page.evaluate("shot.proposals.length") == 0)
    page.keyboard.press("2")
    drag(page, (10, 70), (40, 90))
    eventually(lambda: bool((saved(root, name) or {}).get("boxes")))
    (drawn,) = saved(root, name)["boxes"]
    assert drawn[0] == "cup" and np.allclose(drawn[1], [10, 70, 30, 20], atol=1)
    drag(page, (40, 90), (60, 94))  # by its corner
    eventually(lambda: saved(root, name)["boxes"][0][1][2] > 45)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("1")
    eventually(lambda: saved(root, name)["boxes"][0][0] == "can")
    assert np.allclose(saved(root, name)["boxes"][0][1], [11, 70, 50, 23], atol=1)
    for _ in range(4):
        page.keyboard.press("u")
    eventually(lambda: saved(root, name)["boxes"] == [drawn])
    page.keyboard.press("Control+Shift+Z")
    eventually(lambda: saved(root, name)["boxes"][0][1][2] > 45)
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    drag(page, (100, 10), (101, 10.5))  # too small to be meant
    eventually(lambda: page.evaluate("shot.objects.length") == 0)


def test_undo_reaches_the_pictures_before(root: Path, page: Any) -> None:
    first = shown(page)
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate(f"shot.name !== '{first}'"))
    assert saved(root, first)["detection_labels"] == ["can", "cup"]
    page.keyboard.press("u")
    eventually(lambda: page.evaluate(f"shot.name === '{first}' && shot.proposals.length === 1"))
    eventually(lambda: saved(root, first) is None)


def test_regions_are_painted_erased_and_undone(root: Path, page: Any) -> None:
    name = shown(page)
    file = root / "semantic" / name
    page.keyboard.press("m")
    page.keyboard.press("2")
    drag(page, (20, 80), (100, 80))
    eventually(lambda: "segmentation" in (saved(root, name) or {"tasks": []})["tasks"])
    folder = ImageFolder(root)
    mask = folder[[entry.file_name for entry in folder.entries].index(name)].labels["segmentation"]
    assert mask[80, 60] == 1 and mask[10, 10] == 255 and set(np.unique(mask)) == {1, 255}
    page.keyboard.press("e")
    drag(page, (60, 70), (60, 90))
    before = file.read_bytes()
    eventually(lambda: file.read_bytes() != before or page.inner_text("#status") == "saved")
    page.keyboard.press("u")
    page.keyboard.press("u")
    eventually(lambda: saved(root, name) is None and not file.exists())


def test_a_class_that_is_new(root: Path, page: Any) -> None:
    name = shown(page)
    page.keyboard.press("c")
    page.keyboard.type("bin")
    page.keyboard.press("Enter")
    eventually(lambda: (saved(root, name) or {"boxes": []})["boxes"] != [])
    assert saved(root, name)["boxes"][0][0] == "bin"  # the selected proposal is one
    assert ImageFolder(root).labels["detection"] == ["can", "cup", "bin"]
