# SPDX-License-Identifier: Apache-2.0
"""Masks of detections: read from a folder, followed through augmentation, decoded, scored as COCO does, trained tiny on rendered rooms."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from instance_masks import instance_masks
from model import tiny_card, tiny_network
from shapes import DETECTION_LABELS, write_shapes
from tiny import SHARING_SETTINGS, Tiny, batches_of, tiny_config, tiny_encoder

from mtl_perception.core.geometry import Intrinsics, View
from mtl_perception.core.instances import LEVEL_LIMITS_CELLS, PLACE_TERMS, InstanceMasks, MaskPrototypes
from mtl_perception.core.resources import find_model
from mtl_perception.core.scene import Detections, Scene
from mtl_perception.data.augmentation import crop_and_resize, mirrored, padded
from mtl_perception.data.folder import DataError, ImageFolder
from mtl_perception.data.masks import decode_mask
from mtl_perception.evaluation.cost import count_gmac
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.scenes import evaluate_engine
from mtl_perception.inference.engine import Engine
from mtl_perception.inference.export.run import ExportSettings, export
from mtl_perception.model.checkpoint import load_checkpoint, save_checkpoint
from mtl_perception.model.network import VARIANTS, MultiTaskNetwork
from mtl_perception.prediction.files import PredictionFiles
from mtl_perception.prediction.predictor import Prediction
from mtl_perception.tasks import CollectOptions, Sample, Truth, build_task
from mtl_perception.tasks.instances.labels import InstanceLabels
from mtl_perception.tasks.instances.metric import InstancesMetric
from mtl_perception.training import TrainingConfig, train

ROOMS = Path(__file__).parents[1] / "rooms"
CAMERA = Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5)
TASK = build_task("instances", {})


def edited(root: Path, change: Any) -> Path:
    content = json.loads((root / "annotations.json").read_text())
    change(content)
    (root / "annotations.json").write_text(json.dumps(content))
    return root


def test_a_folder_gives_the_masks_of_its_boxes_to_who_asks() -> None:
    folder = ImageFolder(ROOMS)
    assert "instances" not in folder[0].labels
    asked = folder.with_tasks(["detection", "instances"])
    for i in range(3):
        labels, expected = asked[i].labels, instance_masks(folder, i)
        found = labels["instances"]
        assert found.is_complete
        np.testing.assert_array_equal(found.class_ids, labels["detection"].class_ids)
        for number, mask in enumerate(expected, start=1):  # rendered masks never overlap
            np.testing.assert_array_equal(found.ids == number, mask)
    assert len(expected)


def test_of_the_classes_that_are_wanted_only(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 6)
    whole, cans = (ImageFolder(root).with_tasks(["instances"]) for _ in range(2))
    cans = cans.with_labels({"detection": ["can"]})
    assert len(whole) == len(cans) == 6
    for i in range(6):
        of_all, of_cans = whole[i].labels["instances"], cans[i].labels["instances"]
        is_can = np.isin(of_all.ids, 1 + np.flatnonzero(of_all.class_ids == DETECTION_LABELS.index("can")))
        np.testing.assert_array_equal(of_cans.ids > 0, is_can)
        assert not of_cans.class_ids.any()


def test_images_without_masks_are_not_labelled(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 8, seed=25)

    def without(content: dict) -> None:
        counts = Counter(annotation["image_id"] for annotation in content["annotations"])
        first, second = (image["id"] for image in content["images"] if counts[image["id"]] > 1)
        for annotation in content["annotations"]:
            if annotation["image_id"] == first:
                annotation["segmentation"] = []
        next(a for a in content["annotations"] if a["image_id"] == second)["segmentation"] = []

    folder = ImageFolder(edited(root, without)).with_tasks(["detection", "instances"])
    bare, partly = (sample for sample in map(folder.__getitem__, range(8)) if len(sample.labels["detection"].class_ids) > 1)
    assert "instances" not in bare.labels
    assert not partly.labels["instances"].is_complete  # so it is trained on where there is a mask, and not scored
    assert TASK.is_labelled(partly)
    nothing = next(sample for sample in map(folder.__getitem__, range(8)) if not len(sample.labels["detection"].class_ids))
    assert nothing.labels["instances"].is_complete and not TASK.is_labelled(nothing)  # what is found there is wrong


def test_a_damaged_mask_is_named(tmp_path: Path) -> None:
    root = edited(write_shapes(tmp_path / "shapes", 1), lambda c: c["annotations"][0].update(segmentation=[[1, 2]]))
    with pytest.raises(DataError, match=r"annotations\.json: 0000\.jpg: annotation \d+: its mask has the polygon"):
        ImageFolder(root).with_tasks(["instances"])[0]


def sample_of(ids: np.ndarray) -> Sample:
    height, width = ids.shape
    count = int(ids.max(initial=0))
    camera = Intrinsics(width, height, 100.0, 100.0, width / 2, height / 2)
    return Sample("some", np.zeros((height, width, 3), np.uint8), camera, {"instances": InstanceLabels(ids, np.zeros(count, np.int64))})


def two_objects() -> np.ndarray:
    ids = np.zeros((96, 128), np.uint16)
    ids[8:48, 20:60] = 1
    ids[32:88, 72:120] = 2
    return ids


def test_labels_follow_the_image() -> None:
    sample = sample_of(two_objects())
    np.testing.assert_array_equal(mirrored(sample).labels["instances"].ids, two_objects()[:, ::-1])
    zoomed = crop_and_resize(sample, 64, 0, 64, 48, 128, 96).labels["instances"].ids
    np.testing.assert_array_equal(zoomed, two_objects()[:48, 64:].repeat(2, 0).repeat(2, 1))
    wider = padded(sample, 160, 128).labels["instances"].ids
    np.testing.assert_array_equal(wider[:96, :128], two_objects())
    assert not wider[96:].any() and not wider[:, 128:].any()
    away = crop_and_resize(sample, 0, 60, 20, 20, 128, 96)
    assert not TASK.is_labelled(away) and TASK.is_labelled(sample)


def raw_of(ids: np.ndarray) -> dict[str, torch.Tensor]:
    """What a perfect head says of two objects: a prototype each, and their coefficients all over their boxes, at every level."""
    height, width = ids.shape
    prototypes, coefficients = torch.zeros(1, 16, height // 4, width // 4), torch.zeros(1, 3, 16 + PLACE_TERMS, height // 8, width // 8)
    for number in (1, 2):
        is_thing = torch.from_numpy(ids == number).float()[None, None]
        prototypes[:, number] = F.avg_pool2d(is_thing, 4)[:, 0] * 20
        coefficients[:, :, number] = F.max_pool2d(is_thing, 8)[:, 0]
    coefficients[:, :, 16] = -10
    return {"prototypes": prototypes, "coefficients": coefficients.flatten(1, 2)}


def test_the_loss_is_near_nothing_for_the_truth_and_unlabelled_images_weigh_nothing() -> None:
    targets = TASK.targets([sample_of(two_objects())])
    np.testing.assert_array_equal(targets["boxes_xyxy"][0], [[72, 32, 120, 88], [20, 8, 60, 48]])  # the larger first
    assert targets["numbers"].tolist() == [[2, 1]]
    yes, no, focal = torch.tensor([True]), torch.tensor([False]), torch.ones(1)
    right = TASK.loss(raw_of(two_objects()), targets, yes, focal)
    assert all(float(term.total / term.count) < 0.03 and float(term.count) == 2 for term in right.values())
    wrong = TASK.loss(raw_of(two_objects()[::-1].copy()), targets, yes, focal)
    assert all(float(term.total) > 10 * float(right[name].total) for name, term in wrong.items())
    assert all(float(term.total) == float(term.count) == 0 for term in TASK.loss(raw_of(two_objects()), targets, no, focal).values())
    nothing = TASK.targets([sample_of(np.zeros((96, 128), np.uint16))])
    raw = {name: tensor.requires_grad_() for name, tensor in raw_of(two_objects()).items()}
    terms = TASK.loss(raw, nothing, yes, focal)
    assert all(float(term.total.detach()) == float(term.count) == 0 for term in terms.values())
    sum(term.total for term in terms.values()).backward()
    assert all(tensor.grad is None or not tensor.grad.any() for tensor in raw.values())


def masks_of(raw: dict[str, torch.Tensor], view: View, boxes: np.ndarray) -> InstanceMasks:
    decoded = {name: tensor[0].numpy() for name, tensor in TASK.decode(raw, view, torch.zeros(1)).items()}
    return TASK.collect(decoded, CollectOptions()).of(np.float32(boxes), view.width, view.height)


@pytest.mark.parametrize("scale", [1, 2, 0.5])
def test_decoding_gives_back_the_truth_in_the_size_of_the_image(scale: float) -> None:
    boxes = np.float32([[20, 8, 60, 48], [72, 32, 120, 88]]) * scale
    view = View(int(128 * scale), int(96 * scale), 1 / scale, 128, 96, 128, 96)
    masks = masks_of(raw_of(two_objects()), view, boxes)
    for number in (1, 2):
        expected = (
            F.interpolate(torch.from_numpy(two_objects() == number).float()[None, None], size=(view.height, view.width)).numpy()[0, 0] > 0
        )
        found = masks.whole(number - 1)
        assert (found & expected).sum() / (found | expected).sum() > 0.9
    ids = masks.painted([7, 9])
    assert ids.dtype == np.uint16 and set(np.unique(ids)) == {0, 7, 9}


def test_the_padding_of_a_letterbox_is_cut_off() -> None:
    """And an image whose content ends between two cells is as good."""
    ids = two_objects()
    for height, content in ((48, 48), (49, 49)):
        view = View(128, height, 1.0, 128, content, 128, 96)
        masks = masks_of(raw_of(ids), view, np.float32([[20, 8, 60, 48]]))
        found, expected = masks.whole(0), ids[:height] == 1
        assert found.shape == (height, 128)
        assert (found & expected).sum() / (found | expected).sum() > 0.88


def test_a_mask_is_what_the_shared_upsampling_of_the_whole_would_give() -> None:
    """Box by box only the box is enlarged; the mean of all logits, enlarged whole, says the same of its pixels."""
    rng = np.random.default_rng(0)
    prototypes = rng.normal(size=(16, 24, 32)).astype(np.float32)
    coefficients = rng.normal(size=(3, 16 + PLACE_TERMS, 12, 16)).astype(np.float32)
    box = np.float32([30.3, 20.7, 101.2, 70.9])
    masks = MaskPrototypes(prototypes, coefficients).of(box[None], 128, 96)
    level = int(np.searchsorted(LEVEL_LIMITS_CELLS, np.sqrt(np.prod((box[2:] - box[:2]) / 4)), side="right"))
    middle = (box[:2] + box[2:]) / 2 / 8
    own = coefficients[level, :, int(middle[1]), int(middle[0])]
    x = ((np.arange(32) + 0.5) * 4 - (box[0] + box[2]) / 2) / ((box[2] - box[0]) / 2)
    y = (((np.arange(24) + 0.5) * 4 - (box[1] + box[3]) / 2) / ((box[3] - box[1]) / 2))[:, None]
    logits = np.tensordot(own[:16], prototypes, 1) + own[16] + own[17] * x + own[18] * y + own[19] * x * x + own[20] * y * y
    whole = F.interpolate(torch.from_numpy(logits).float()[None, None], size=(96, 128), mode="bilinear")[0, 0].numpy() > 0
    expected = np.zeros((96, 128), bool)
    expected[20:71, 30:102] = whole[20:71, 30:102]
    assert (masks.whole(0) != expected).sum() < 0.01 * 51 * 72  # by rounding of the places between cells


def test_boxes_without_an_area_or_outside_have_empty_masks() -> None:
    view = View(128, 96, 1.0, 128, 96, 128, 96)
    boxes = np.float32([[50, 40, 50, 60], [-20, -20, -5, -5], [200, 200, 300, 300], [0, 0, 0.2, 0.2], [-50, -50, 400, 400]])
    masks = masks_of(raw_of(two_objects()), view, boxes)
    assert len(masks) == 5 and masks.areas[:3].tolist() == [0, 0, 0]
    assert masks.painted([1, 2, 3, 4, 5]).shape == (96, 128) and masks.outlines(0) == []
    assert len(masks_of(raw_of(two_objects()), view, np.zeros((0, 4)))) == 0


def test_outlines_go_around_and_the_smaller_object_lies_in_front() -> None:
    large, small = np.ones((40, 50), bool), np.ones((10, 10), bool)
    masks = InstanceMasks(100, 80, [(10, 20), (30, 30)], [large, small])
    (outline,) = masks.outlines(0)
    assert outline.min(0).tolist() == [10, 20] and outline.max(0).tolist() == [59, 59] and len(outline) == 4
    for values in ([1, 2], [2, 1]):
        image = masks.painted(values)
        assert image[35, 35] == values[1] and image[25, 15] == values[0] and image[0, 0] == 0
    np.testing.assert_array_equal(masks.first(1).painted([1]) > 0, masks.whole(0))


HALF = np.random.default_rng(0).random((10, 10)) < 0.5


@pytest.mark.parametrize("corner", [(0, 0), (5, 3), (90, 70)])
@pytest.mark.parametrize("crop", [np.ones((10, 10), bool), np.eye(10, dtype=bool), np.zeros((10, 10), bool), np.zeros((0, 0), bool), HALF])
def test_run_lengths_are_those_of_coco(corner: tuple[int, int], crop: np.ndarray) -> None:
    from pycocotools import mask as coco_mask

    masks = InstanceMasks(100, 80, [corner], [crop])
    encoded = masks.run_lengths(0)
    np.testing.assert_array_equal(coco_mask.decode(coco_mask.frPyObjects(encoded, 80, 100)), masks.whole(0))
    np.testing.assert_array_equal(decode_mask(json.loads(json.dumps(encoded)), 80, 100), masks.whole(0))


@pytest.mark.parametrize("crop", [np.ones((10, 10), bool), HALF, np.random.default_rng(1).random((10, 10)) < 0.95])
def test_runs_go_on_from_one_column_to_the_next(crop: np.ndarray) -> None:
    """Where the object reaches from the upper to the lower side; what comes back is what went."""
    from pycocotools import mask as coco_mask

    masks = InstanceMasks(30, 10, [(20, 0)], [crop])
    encoded = masks.run_lengths(0)
    assert 0 not in encoded["counts"][1:] and sum(encoded["counts"]) == 300
    np.testing.assert_array_equal(coco_mask.decode(coco_mask.frPyObjects(encoded, 10, 30)), masks.whole(0))
    np.testing.assert_array_equal(InstanceMasks.of_counts(30, 10, [masks.counts(0)]).whole(0), masks.whole(0))
    with pytest.raises(ValueError, match="of 300 pixels, expected 20x10 = 200"):
        InstanceMasks.of_counts(20, 10, [masks.counts(0)])


def test_predictions_hold_masks_that_pycocotools_reads(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    card = tiny_card(tasks=("detection", "segmentation", "depth", "instances"))
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    scene = Engine.of(tiny_network(card), card, "cpu", "float32")(image)
    found = Detections(np.float32([[20, 8, 60, 48], [72, 32, 120, 88]]), np.float32([0.9, 0.5]), np.array([0, 1]))
    prediction = Prediction(image, replace(scene, detections=found), card)
    files = PredictionFiles(tmp_path, card)
    files.add("some", prediction)
    files.close()
    truth = COCO(str(tmp_path / "detections.json"))
    results = truth.loadRes(json.loads((tmp_path / "detections.json").read_text())["annotations"])
    assert len(results.anns) == 2 and sum(prediction.masks.areas) > 0
    for number, annotation in enumerate(results.anns.values()):
        np.testing.assert_array_equal(results.annToMask(annotation), prediction.masks.whole(number))
    assert (prediction.overlay_rgb != Prediction(image, replace(scene, detections=found, instances=None), card).overlay_rgb).any()


def test_average_precision_is_that_of_pycocotools() -> None:
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(3)
    metric = InstancesMetric(["box", "can"])
    annotations, results, images = [], [], []
    for image_id in range(1, 13):
        images.append({"id": image_id, "width": 160, "height": 120})
        ids, class_ids = np.zeros((120, 160), np.uint16), rng.integers(0, 2, 6)
        for number in range(1, 7):
            x, y, w, h = (int(value) for value in (*rng.integers(0, 100, 2), *rng.integers(8, 60, 2)))
            ids[y : y + h, x : x + w] = number
        corners, crops, found_ids, scores = [], [], [], []
        for number in np.unique(ids)[1:].tolist():
            mask = ids == number
            encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image_id, "category_id": int(class_ids[number - 1]) + 1, "iscrowd": 0}
                | {"segmentation": encoded, "area": int(mask.sum()), "bbox": [0, 0, 1, 1]}
            )
            for _ in range(int(rng.integers(0, 3))):
                shift = rng.integers(-5, 6, 2)
                found = np.roll(mask, shift, (0, 1))
                corners.append((0, 0))
                crops.append(found)
                found_ids.append(int(class_ids[number - 1] if rng.uniform() < 0.9 else 1 - class_ids[number - 1]))
                scores.append(float(rng.uniform()))
        order = np.argsort(-np.array(scores))
        for i in order.tolist():
            encoded = coco_mask.encode(np.asfortranarray(crops[i], np.uint8))
            results.append({"image_id": image_id, "category_id": found_ids[i] + 1, "score": scores[i], "segmentation": encoded})
        masks = InstanceMasks(160, 120, [corners[i] for i in order], [crops[i] for i in order])
        detections = Detections(np.zeros((len(order), 4)), np.array(scores)[order], np.array(found_ids)[order])
        metric.update(masks, detections, InstanceLabels(ids, class_ids))
    truth = COCO()
    truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}, {"id": 2}]}
    truth.createIndex()
    reference = COCOeval(truth, truth.loadRes(results), "segm")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    scores = metric.compute()
    found = [scores[name] for name in metric.directions]
    expected = [np.nan if value == -1 else value for value in reference.stats[:6]]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert 0.1 < scores["mask_mAP"] < 0.9 and scores["masks"] == len(annotations)


def test_what_cannot_be_scored_is_not() -> None:
    true = InstanceLabels(two_objects(), np.array([0, 1]))
    prototypes = MaskPrototypes(np.zeros((16, 24, 32), np.float32), np.zeros((3, 16 + PLACE_TERMS, 12, 16), np.float32))
    found = Detections(np.float32([[20, 8, 60, 48]]), np.float32([0.9]), np.array([0]))
    scene, truth = Scene(128, 96, found, instances=prototypes), Truth(labels={"instances": true})
    assert InstancesMetric.pair(scene, truth) is not None
    assert InstancesMetric.pair(replace(scene, detections=None), truth) is None
    assert InstancesMetric.pair(replace(scene, instances=None), truth) is None
    assert InstancesMetric.pair(scene, Truth()) is None
    assert InstancesMetric.pair(scene, Truth(labels={"instances": true._replace(is_complete=False)})) is None
    metric = InstancesMetric(["a", "b"])
    one = InstanceMasks(128, 96, [(20, 8)], [np.ones((40, 40), bool)])
    assert metric.update(one, found, true, np.array([0, 1])) == {"mask_AP50": 0.5}
    assert metric.update(one, found, InstanceLabels(two_objects() % 2, np.array([1, 1])), np.array([1])) == {"mask_AP50": 0.0}
    before = metric.compute()["per_class"]
    assert metric.update(one, found, true, np.array([0])) == {"mask_AP50": 1.0}, "what a network proposed of other classes is no truth"
    assert metric.compute()["per_class"]["b"] == before["b"]
    with pytest.raises(ValueError, match="1 masks of 0 detections"):
        metric.update(one, found.first(0), true)
    with pytest.raises(ValueError, match="expected both in the image's size"):
        metric.update(one, found, InstanceLabels(np.zeros((2, 2), np.uint16), np.zeros(0, np.int64)))


def test_the_head_costs_less_than_a_twelfth_of_lite() -> None:
    before, _ = load_checkpoint(find_model("lite"))
    with torch.device("meta"):
        without, added = (
            MultiTaskNetwork(VARIANTS["lite"], tasks).to("meta") for tasks in (before.tasks, before.tasks | {"instances": TASK})
        )
    assert count_gmac(added, 512, 384) < 1.08 * count_gmac(without, 512, 384)
    assert "instances" not in before.tasks  # a checkpoint from before loads, and says nothing of it


@pytest.mark.slow
@pytest.mark.parametrize("sharing", SHARING_SETTINGS)
def test_its_gradient_reaches_every_trunk(tmp_path: Path, sharing: str) -> None:
    root = write_shapes(tmp_path / "shapes", 8)
    groups = {"method": "clustered", "groups": [["detection"], ["segmentation", "depth", "instances"]]}
    with tiny_encoder():
        tasks = ["detection", "segmentation", "depth", "instances"]
        changes: dict[str, Any] = {"tasks": tasks}
        if sharing == "clustered":
            changes["architecture"] = {"encoder": "tiny", "neck": "pan", "neck_channels": 8, "sharing": groups}
        tiny = Tiny(tiny_config(root, tmp_path, sharing=sharing, **changes))
        network = tiny.learner.network
        (batch,) = batches_of(root, tiny.learner, 4)
        raw = network(batch.images, ["instances"])["instances"]
        terms = network.tasks["instances"].loss(raw, batch.targets["instances"], batch.labelled["instances"], batch.focal_px)
        sum(term.total for term in terms.values()).backward()
    reached = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert {name for name in reached if name.startswith("heads.")} >= {f"heads.instances.prototypes.{part}" for part in ("weight", "bias")}
    assert not any(name.startswith("heads.") and not name.startswith("heads.instances") for name in reached)
    trunks = [name for name in reached if not name.startswith("heads.")]
    assert any("encoder" in name for name in trunks) and any("neck" in name for name in trunks)


@pytest.mark.slow
def test_an_export_keeps_it(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    card = tiny_card(tasks=("detection", "segmentation", "depth", "instances"))
    save_checkpoint(tmp_path / "tiny.safetensors", tiny_network(card), card, torch.float32)
    report = export(tmp_path / "tiny.safetensors", tmp_path / "tiny.onnx", ExportSettings())
    graph = onnx.load(report.path).graph
    assert {"instances.prototypes", "instances.coefficients"} < {output.name for output in graph.output}
    assert {node.domain for node in graph.node} == {""}
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    boxes = np.float32([[20, 8, 60, 48], [72, 32, 120, 88]])
    found = []
    for path in (report.path, tmp_path / "tiny.safetensors"):
        scene = Engine.load(path, device="cpu", precision="float32")(image)
        found.append(scene.instances.of(boxes, 128, 96).painted([1, 2]))
    assert (found[0] == found[1]).mean() > 0.999 and len(np.unique(found[0])) > 1


@pytest.mark.slow
def test_rendered_rooms_are_learned_and_scored(tmp_path: Path) -> None:
    """Beside a frozen `lite`. The head begins with a blob in each box, which is right of many a thing: that is the yardstick."""

    def scores_after(steps: int, learning_rate: float) -> dict[str, float]:
        config = TrainingConfig(
            name="instances",
            variant="lite",
            tensorboard=False,
            data=ROOMS,
            output=tmp_path / f"{steps}.safetensors",
            start_from=find_model("lite"),
            steps=steps,
            warmup_steps=1,
            learning_rate=learning_rate,
            stages=[{"until": 1.0, "width": 256, "height": 192, "batch_size": 8, "max_zoom": 1.0}],
            tasks={"detection": 2.0, "segmentation": 1.0, "depth": 0.6, "instances": 1.0},
            finetuning={"freeze": ["encoder", "neck", "detection", "segmentation", "depth"], "distillation": 0.0},
            balance_classes=False,
            workers=0,
            ema_decay=0.9,
            threads=1,
            device="cpu",
        )
        engine = Engine.load(train(config), device="cpu", precision="float32", backend="torch")
        assert engine.tasks == ("detection", "segmentation", "depth", "instances")
        with open_samples(ROOMS, engine.card) as samples:
            assert "instances" in samples.tasks
            return evaluate_engine(engine, samples).scores["instances"]

    before, after = scores_after(2, 1e-9), scores_after(60, 6e-3)
    assert after["mask_mAP"] > 1.15 * before["mask_mAP"]
    assert after["mask_AP75"] > 1.3 * before["mask_AP75"]


def test_a_checkpoint_without_it_says_nothing_of_masks() -> None:
    scene = Engine.load(find_model("lite"), device="cpu", precision="float32", backend="torch")(np.zeros((96, 128, 3), np.uint8))
    assert scene.instances is None and scene.instance_masks is None
