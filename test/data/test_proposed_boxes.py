# SPDX-License-Identifier: Apache-2.0
"""Boxes that a network proposed: what they teach, and what they must not."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network
from shapes import DETECTION_LABELS, write_shapes

from mtl_perception.data.augmentation import crop_and_resize, mirrored
from mtl_perception.data.batch import collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.importers.run import Settings, import_data
from mtl_perception.evaluation.truth import truth_of
from mtl_perception.model.network import MultiTaskNetwork

UNKNOWN = DETECTION_LABELS[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Shapes in which boxes of one class are proposals and the class is not labelled."""
    root = write_shapes(tmp_path / "shapes", 4)
    path = root / "annotations.json"
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    for image in content["images"]:
        image["detection_labels"] = [name for name in names.values() if name != UNKNOWN]
    for annotation in content["annotations"]:
        if names[annotation["category_id"]] == UNKNOWN:
            annotation["score"] = 0.5
    path.write_text(json.dumps(content))
    return root


def proposed(root: Path) -> tuple[ImageFolder, int]:
    data = ImageFolder(root)
    i = next(i for i in range(len(data)) if data[i].labels["detection"].weights.min() < 1)
    return data, i


def test_a_proposal_is_read_with_its_weight_and_survives_augmentation(folder: Path) -> None:
    data, i = proposed(folder)
    boxes = data[i].labels["detection"]
    unknown = boxes.class_ids == data.labels["detection"].index(UNKNOWN)
    assert unknown.any() and not boxes.labelled[data.labels["detection"].index(UNKNOWN)]
    np.testing.assert_array_equal(boxes.weights, np.where(unknown, 0.5, 1.0).astype(np.float32))
    sample = data[i]
    height, width = sample.image.shape[:2]
    seen = mirrored(crop_and_resize(sample, 0, 0, width, height, width // 2, height // 2)).labels["detection"]
    assert len(seen.weights) == len(seen.class_ids)
    assert set(seen.weights[seen.class_ids == data.labels["detection"].index(UNKNOWN)]) <= {0.5}
    renamed = data.with_labels({"segmentation": [], "detection": [UNKNOWN]})[i].labels["detection"]
    assert len(renamed.class_ids) == unknown.sum() and (renamed.weights == 0.5).all()


def test_a_proposal_is_no_truth_to_score_by(folder: Path) -> None:
    data, i = proposed(folder)
    truth = truth_of(data[i])
    assert data.labels["detection"].index(UNKNOWN) not in truth.class_ids
    assert data.labels["detection"].index(UNKNOWN) not in truth.labelled_ids


def test_what_is_left_of_the_boxes_keeps_its_place_in_space(folder: Path) -> None:
    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    for number, annotation in enumerate(content["annotations"]):
        annotation["box_3d"] = {"center_m": [0.0, 0.0, 1.0 + number], "size_m": [0.1, 0.2, 0.3], "quaternion_xyzw": [0.0, 0.0, 0.0, 1.0]}
    path.write_text(json.dumps(content))
    data, i = proposed(folder)
    boxes, truth = data[i].labels["detection"], truth_of(data[i])
    drawn = boxes.weights == 1
    np.testing.assert_array_equal(truth.boxes_3d.centers_m, boxes.boxes_3d.centers_m[drawn])
    assert len(truth.boxes_3d) == len(truth.class_ids)


def gradient(network: MultiTaskNetwork, data: ImageFolder, i: int) -> torch.Tensor:
    batch = collate([data[i]], network.tasks)
    raw = {k: v.detach().requires_grad_(v.is_floating_point()) for k, v in network(batch.images)["detection"].items()}
    terms = network.tasks["detection"].loss(raw, batch.targets["detection"], batch.labelled["detection"], batch.focal_px)
    terms["quality"].total.backward()
    return raw["class_logits"].grad[0, :, data.labels["detection"].index(UNKNOWN)]


def test_a_proposal_teaches_where_it_is_and_nothing_of_the_rest(folder: Path) -> None:
    """Half as much as a box that somebody drew, and no cell is pushed down because nobody looked there."""
    network = tiny_network(tiny_card())
    data, i = proposed(folder)
    found = gradient(network, data, i)
    assert 0 < (found != 0).sum() <= 10 * (data[i].labels["detection"].class_ids == data.labels["detection"].index(UNKNOWN)).sum()

    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    for image in content["images"]:
        del image["detection_labels"]
    for annotation in content["annotations"]:
        annotation.pop("score", None)
    path.write_text(json.dumps(content))
    drawn = gradient(network, ImageFolder(folder), i)
    assert (drawn != 0).all()
    torch.testing.assert_close(found[found != 0], 0.5 * drawn[found != 0])


def test_pictures_with_nothing_but_proposals_are_imported_anew(folder: Path, tmp_path: Path) -> None:
    """As where classes are renamed or a set is split."""
    path = folder / "annotations.json"
    content = json.loads(path.read_text())
    unknown = next(category["id"] for category in content["categories"] if category["name"] == UNKNOWN)
    content["annotations"] = [annotation for annotation in content["annotations"] if annotation["category_id"] == unknown]
    for image in content["images"]:
        image["tasks"] = ["detection"]
        image["detection_labels"] = []
    shown = {annotation["image_id"] for annotation in content["annotations"]}
    content["images"] = [image for image in content["images"] if image["id"] in shown]
    path.write_text(json.dumps(content))
    import_data(folder, tmp_path / "anew", Settings("own", duplicates="keep"))
    before, after = ImageFolder(folder), ImageFolder(tmp_path / "anew")
    assert len(after) == len(before) > 0
    for i in range(len(before)):
        one, other = before[i].labels["detection"], after[i].labels["detection"]
        np.testing.assert_array_equal(other.boxes_xyxy, one.boxes_xyxy)
        np.testing.assert_array_equal(other.weights, one.weights)
        assert not other.labelled.any()


def test_a_score_out_of_range_is_named(folder: Path) -> None:
    path = folder / "annotations.json"
    path.write_text(path.read_text().replace('"score": 0.5', '"score": 1.5'))
    with pytest.raises(ValueError, match="score"):
        ImageFolder(folder)
