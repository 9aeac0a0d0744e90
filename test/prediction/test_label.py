# SPDX-License-Identifier: Apache-2.0
"""Labels that are saved change by change, who may do it, and which picture comes next."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from red_onnx import SCORE, write_pictures, write_red_detector
from shapes import write_shapes

from mtl_perception.core.terminal import Terminal
from mtl_perception.data.check_command import check
from mtl_perception.data.errors import DataError
from mtl_perception.data.folder import ImageFolder
from mtl_perception.prediction.autolabel.teachers import Boxes, open_teacher
from mtl_perception.prediction.labelling.proposals import Proposals
from mtl_perception.prediction.labelling.run import add_pictures
from mtl_perception.prediction.labelling.server import LabelServer
from mtl_perception.prediction.labelling.store import LabelStore, RefusedLabels
from mtl_perception.prediction.labelling.worth import doubt, features_of, most_worth, proposed


def test_boxes_of_a_picture_that_is_done_and_of_one_that_is_not(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "set")
    store = LabelStore(root, ["cup", "bin"])
    assert not (root / "annotations.json").exists()  # looking changes nothing
    store.save("0.png", [{"label": "bin", "bbox": [40, 20, 30, 40]}], done=True)
    store.save("1.png", [{"label": "cup", "bbox": [1, 2, 30, 40]}], done=False)
    folder = ImageFolder(root)
    assert [entry.file_name for entry in folder.entries] == ["0.png", "1.png"]
    whole, begun = (folder[i].labels["detection"] for i in range(2))
    assert whole.boxes_xyxy.tolist() == [[40, 20, 70, 60]] and whole.class_ids.tolist() == [1] and whole.labelled is None
    assert begun.labelled.tolist() == [False, False] and begun.weights.tolist() == [1] and begun.class_ids.tolist() == [0]
    assert check(root, Terminal())
    again = LabelStore(root)
    assert (again.classes, again.is_done("0.png"), again.is_done("1.png")) == (["cup", "bin"], True, False)
    again.save("1.png", [], done=False)
    assert [entry.file_name for entry in ImageFolder(root).entries] == ["0.png"]


def test_a_class_that_comes_later_makes_pictures_undone(tmp_path: Path) -> None:
    store = LabelStore(write_pictures(tmp_path / "set"), ["cup"])
    store.save("0.png", [], done=True)
    store.add_class("bin")
    assert not store.is_done("0.png")
    store.save("1.png", [{"label": "bin", "bbox": [40, 20, 30, 40]}], done=True)
    assert [entry.detection_labels for entry in ImageFolder(store.root).entries] == [["cup"], ["cup", "bin"]]


def test_what_else_is_known_of_a_picture_stays(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 2)
    before, raw = ImageFolder(root), json.loads((root / "annotations.json").read_text())
    store = LabelStore(root)
    objects = store.objects("0000.jpg")
    moved = {**objects[0], "bbox": [objects[0]["bbox"][0], objects[0]["bbox"][1], 5, 5]}
    ids = store.save("0000.jpg", [moved, *objects[1:], {"label": "can", "bbox": [0, 0, 4, 4]}], done=True)
    assert ids[:-1] == [obj["id"] for obj in objects]
    after, now = ImageFolder(root), json.loads((root / "annotations.json").read_text())
    for kind in ("segmentation", "depth"):
        assert np.array_equal(before[0].labels[kind], after[0].labels[kind])
    old, new = ({a["id"]: a for a in content["annotations"]} for content in (raw, now))
    assert "segmentation" in old[ids[0]] and "segmentation" not in new[ids[0]]  # the mask was of the old box
    assert all(new[i] == old[i] for i in old if i != ids[0])
    assert after.entries[1] == before.entries[1]


def test_regions_are_saved_and_removed(tmp_path: Path) -> None:
    store = LabelStore(write_pictures(tmp_path / "set"), ["cup"], ["floor", "wall"])
    mask = np.full((96, 128), 255, np.uint8)
    mask[50:] = 1
    store.save_mask("0.png", mask)
    folder = ImageFolder(store.root)
    assert folder.labels["segmentation"] == ["floor", "wall"] and np.array_equal(folder[0].labels["segmentation"], mask)
    with pytest.raises(RefusedLabels, match="the mask holds class id 2, expected 0 to 1"):
        store.save_mask("0.png", np.full((96, 128), 2, np.uint8))
    with pytest.raises(RefusedLabels, match="regions are of 5x4, the picture of 128x96"):
        store.save_mask("0.png", np.zeros((4, 5), np.uint8))
    assert np.array_equal(ImageFolder(store.root)[0].labels["segmentation"], mask)
    store.save("1.png", [], done=True)
    store.save_mask("0.png", None)
    assert [entry.file_name for entry in ImageFolder(store.root).entries] == ["1.png"] and not store.mask_file("0.png").exists()


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        ({"label": "hat", "bbox": [0, 0, 9, 9]}, "class 'hat', expected one of cup"),
        ({"label": "cup", "bbox": [0, 0, 9]}, "expected x, y, width, height"),
        ({"label": "cup", "bbox": [0, 0, float("nan"), 9]}, "expected x, y, width, height"),
        ({"label": "cup", "bbox": [0, 0, True, 9]}, "expected x, y, width, height"),
        ({"label": "cup", "bbox": [500, 0, 9, 9]}, "less than a pixel is in the picture of 128x96"),
    ],
)
def test_boxes_that_can_not_be_change_nothing(tmp_path: Path, obj: dict[str, Any], problem: str) -> None:
    store = LabelStore(write_pictures(tmp_path / "set"), ["cup"])
    store.save("0.png", [{"label": "cup", "bbox": [1, 1, 9, 9]}], done=True)
    before = (store.root / "annotations.json").read_bytes()
    with pytest.raises(RefusedLabels, match=problem):
        store.save("0.png", [obj], done=True)
    assert (store.root / "annotations.json").read_bytes() == before and len(store.objects("0.png")) == 1


def test_pictures_are_added_to_a_folder_once(tmp_path: Path) -> None:
    shots = write_pictures(tmp_path / "shots") / "images"
    assert add_pictures(shots, tmp_path / "set") == 3
    assert add_pictures(shots, tmp_path / "set") == 0
    assert LabelStore(tmp_path / "set", ["cup"]).pictures == ["0.png", "1.png", "2.png"]
    assert not (tmp_path / "set/adding").exists()
    with pytest.raises(DataError, match="is no folder with pictures"):
        add_pictures(tmp_path / "none", tmp_path / "set")


# ---------------------------------------------------------------------------------------------------------------------
# Worth


def test_doubt_is_of_faint_boxes_and_of_pixels_with_two_names() -> None:
    def boxes(*scores: float) -> Boxes:
        return Boxes(np.zeros((len(scores), 4), np.float32), np.float32(scores), np.zeros(len(scores), np.int64))

    mask = np.zeros((10, 10), np.uint8)
    mask[:3] = 255
    assert doubt(boxes(0.5, 0.01), None) == pytest.approx(1)
    assert doubt(boxes(0.99), None) < 0.05 and doubt(boxes(), None) == 0
    assert doubt(boxes(), mask) == pytest.approx(0.3)


def test_the_next_picture_is_far_from_what_is_labelled_and_among_equals_in_doubt() -> None:
    directions = np.radians([0, 2, 90, 92, 91])
    features = np.stack([np.cos(directions), np.sin(directions)], 1).astype(np.float32)
    labelled = np.array([True, False, False, False, False])
    assert most_worth(np.zeros(5), features, labelled) == 3
    assert most_worth(np.array([0, 0, 0, 0, 0.9]), features, labelled) == 4
    assert most_worth(np.zeros(5), features, np.ones(5, bool)) is None
    assert most_worth(np.zeros(5), features, np.zeros(5, bool)) in (2, 4)  # first what stands for the most


def test_what_is_like_nothing_else_is_not_labelled_before_what_stands_for_many() -> None:
    angles = np.array([0.0, 0.9, 0.95, 1.0, 1.05, 2.7])
    features = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    labelled = np.array([True, False, False, False, False, False])
    assert most_worth(np.zeros(6), features, labelled) == 4  # 5 is the farthest, and alone


def test_a_picture_of_which_the_network_is_asked(tmp_path: Path) -> None:
    teacher = open_teacher(str(write_red_detector(tmp_path / "red")))
    image = cv2.imread(str(write_pictures(tmp_path / "set") / "images/0.png"))[..., ::-1].copy()
    proposal = proposed(teacher, features_of("lite"), image)
    assert proposal.boxes.scores == pytest.approx([SCORE]) and proposal.mask is None
    assert np.linalg.norm(proposal.features) == pytest.approx(1, abs=1e-3) and proposal.features.ndim == 1


# ---------------------------------------------------------------------------------------------------------------------
# Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabelServer]:
    store = LabelStore(write_pictures(tmp_path / "set"), ["can"], ["floor"])
    teacher = open_teacher(str(write_red_detector(tmp_path / "red")))
    proposals = Proposals(store, teacher, lambda image: np.float32([1, 0]))
    with LabelServer(store, proposals) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: LabelServer, method: str, path: str, body: bytes | dict | None = None, **headers: str) -> tuple[int, bytes]:
    """With this server's own headers where ``headers`` says nothing else."""
    own = {"Host": server.hosts[0], "Origin": f"http://{server.hosts[0]}"}
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request(method, path.replace("TOKEN", server.token), content, own | headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_proposals_are_served_and_accepted(server: LabelServer) -> None:
    status, content = ask(server, "GET", "/TOKEN/labels/1.png")
    (proposal,) = json.loads(content)["proposals"]
    assert status == 200 and proposal["label"] == "can" and np.allclose(proposal["bbox"], [41, 20, 30, 40], atol=2)
    body = {"objects": [{"label": "can", "bbox": proposal["bbox"]}], "done": True}
    assert ask(server, "PUT", "/TOKEN/labels/1.png", body) == (200, b'{"ids": [1]}')
    after = json.loads(ask(server, "GET", "/TOKEN/labels/1.png")[1])
    assert after["done"] and not after["proposals"] and after["objects"][0]["bbox"] == proposal["bbox"]
    assert json.loads(ask(server, "GET", "/TOKEN/state/")[1])["done"] == ["1.png"]
    assert ImageFolder(server.store.root)[0].labels["detection"].weights is None


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {}, 403),
        ("GET", "/wrong/state/", {}, 403),
        ("GET", "/TOKEN/state/", {"Host": "evil.example"}, 403),
        ("GET", "/TOKEN/image/0.png", {"Host": "evil.example:80"}, 403),
        ("PUT", "/TOKEN/labels/0.png", {"Origin": "http://evil.example"}, 403),
        ("PUT", "/TOKEN/labels/0.png", {"Origin": "null"}, 403),
        ("POST", "/TOKEN/classes/", {"Origin": "http://127.0.0.1:1"}, 403),
        ("GET", "/TOKEN/image/..%2Fannotations.json", {}, 404),
        ("GET", "/TOKEN/image/%2Fetc%2Fpasswd", {}, 404),
        ("GET", "/TOKEN/mask/..%2F..%2Fx.png", {}, 404),
        ("PUT", "/TOKEN/labels/new.png", {}, 404),
        ("GET", "/TOKEN/store.py", {}, 404),
        ("PUT", "/TOKEN/labels/0.png", {"Content-Length": "999999999"}, 413),
        ("PUT", "/TOKEN/labels/0.png", {"Content-Length": "-4"}, 411),
    ],
)
def test_who_and_what_is_refused(server: LabelServer, method: str, path: str, headers: dict[str, str], status: int) -> None:
    body = None if method == "GET" else {"objects": [], "done": True}
    found, content = ask(server, method, path, body, **headers)
    assert found == status and "error" in json.loads(content)
    assert not (server.store.root / "annotations.json").exists()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("labels/0.png", b"{", 400),
        ("labels/0.png", b"[" * 100_000, 400),
        ("labels/0.png", b"[1]", 400),
        ("labels/0.png", {"objects": [1], "done": True}, 400),
        ("labels/0.png", {"objects": [], "done": 1}, 400),
        ("labels/0.png", {"objects": [{"label": ["can"], "bbox": [0, 0, 9, 9]}], "done": True}, 422),
        ("labels/0.png", {"objects": [{"id": {}, "label": "can", "bbox": [0, 0, 9, 9]}], "done": True}, 422),
        ("labels/0.png", b'{"objects": [{"label": "can", "bbox": [NaN, 0, 9, 9]}], "done": true}', 422),
        ("mask/0.png", b"no picture", 400),
    ],
)
def test_bad_requests_are_named_and_change_nothing(server: LabelServer, path: str, body: bytes | dict, status: int) -> None:
    found, content = ask(server, "PUT", f"/TOKEN/{path}", body)
    assert found == status and json.loads(content)["error"]
    assert not (server.store.root / "annotations.json").exists()


def test_it_listens_on_this_machine_alone(server: LabelServer) -> None:
    assert server.server_address[0] == "127.0.0.1" and len(server.token) >= 20


def test_a_picture_that_is_broken_is_left_out(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "set")
    whole = (root / "images/0.png").read_bytes()
    (root / "images/0.png").write_bytes(whole[: len(whole) // 2])
    store = LabelStore(root, ["can"])
    proposals = Proposals(store, open_teacher(str(write_red_detector(tmp_path / "red"))), lambda image: np.float32([1, 0]))
    proposals.start()
    proposals._thread.join()
    assert list(proposals.broken) == ["0.png"] and proposals.known == 2
    assert proposals.next() in ("1.png", "2.png")
    for name in ("1.png", "2.png"):
        store.save(name, [], done=True)
    assert proposals.next() is None
