# SPDX-License-Identifier: Apache-2.0
"""Classification and lanes, which nothing but their files and the registry knows: promises of a task, and a tiny training
on drawn roads, from a data folder to scores."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mtl_perception.core.geometry import Intrinsics, View
from mtl_perception.core.resources import find_model
from mtl_perception.data.batch import collate
from mtl_perception.data.writer import LabelledImage, write_index, write_sample
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.scenes import evaluate_engine
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import load_checkpoint
from mtl_perception.tasks import CollectOptions, Sample, build_task
from mtl_perception.tasks.classification.labels import ClassLabels
from mtl_perception.tasks.lanes.labels import LaneLabels
from mtl_perception.training import TrainingConfig, train

CLASSES, LANES = ["night", "two lanes", "curve"], ["drivable", "line"]
WIDTH, HEIGHT = 128, 96


def road(rng: np.random.Generator) -> LabelledImage:
    """A road that runs to the horizon, by day or night, straight or in a curve, with lines at its edges and perhaps one in
    the middle."""
    night, two_lanes, curve = rng.random(3) < 0.5
    horizon, bend = int(rng.integers(34, 46)), (rng.choice([-1, 1]) * rng.uniform(25, 40) if curve else 0.0)
    near, far = rng.uniform(35, 50), rng.uniform(5, 9)
    rows = np.arange(horizon, HEIGHT)
    share = (rows - horizon) / (HEIGHT - 1 - horizon)
    middle = WIDTH / 2 + rng.uniform(-8, 8) * share + bend * (1 - share) ** 2
    half = far + (near - far) * share
    columns = np.arange(WIDTH)
    drivable = np.zeros((HEIGHT, WIDTH), bool)
    drivable[horizon:] = np.abs(columns - middle[:, None]) <= half[:, None]
    line = np.zeros((HEIGHT, WIDTH), bool)
    for place in (-0.92, 0.92, 0.0) if two_lanes else (-0.92, 0.92):
        width = 0.7 + 2.2 * share
        line[horizon:] |= np.abs(columns - (middle + place * half)[:, None]) <= width[:, None]
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:horizon], image[horizon:] = (120, 170, 230), (70, 120, 50)
    image[drivable], image[line] = (90, 90, 95), (240, 235, 220)
    image = cv2.GaussianBlur(image * (0.3 if night else 1.0), (0, 0), 0.6) + rng.normal(0, 5, image.shape)
    present = [name for name, applies in zip(CLASSES, (night, two_lanes, curve)) if applies]
    bits = (drivable | line).astype(np.uint8) + 2 * line.astype(np.uint8)
    camera = Intrinsics(WIDTH, HEIGHT, 110.0, 110.0, 63.5, 47.5)
    return LabelledImage(np.clip(image, 0, 255).astype(np.uint8), camera, "roads", classes=present, maps={"lanes": bits})


def write_roads(root: Path, images: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    entries = [write_sample(root, f"{i:04d}", road(rng), jpeg_quality=95) for i in range(images)]
    names = {"classification_labels": CLASSES, "lanes_labels": LANES, "segmentation_labels": [], "detection_labels": []}
    write_index(root, {**names, "generator": "roads", "seed": seed}, entries)
    return root


@pytest.mark.slow
def test_roads_are_learned_and_scored(tmp_path: Path) -> None:
    config = TrainingConfig(
        name="roads",
        variant="lite",
        tensorboard=False,
        data=write_roads(tmp_path / "train", 64, 1),
        output=tmp_path / "roads.safetensors",
        start_from=find_model("lite"),  # its encoder; the heads are new
        steps=60,
        warmup_steps=5,
        learning_rate=3e-3,
        stages=[{"until": 1.0, "width": WIDTH, "height": HEIGHT, "batch_size": 8, "max_zoom": 1.0}],
        tasks={"classification": 1.0, "lanes": 1.0},
        workers=0,
        cache=True,
        ema_decay=0.9,
        threads=1,
        device="cpu",
    )
    engine = Engine.load(train(config), device="cpu")
    assert engine.tasks == ("classification", "lanes")
    assert (engine.card.labels_of("classification"), engine.card.labels_of("lanes")) == (CLASSES, LANES)
    with open_samples(write_roads(tmp_path / "val", 16, 2), engine.card) as samples:
        scores = evaluate_engine(engine, samples).scores
    assert scores["lanes"]["IoU"] > 0.5
    assert scores["lanes"]["per_class"]["drivable"]["IoU"] > 0.8
    assert scores["lanes"]["per_class"]["line"]["F1"] > 0.3
    assert scores["classification"]["per_class"]["night"]["AUC"] > 0.9
    assert scores["classification"]["AUC"] > 0.65


def sample(present=None, bits=None, known=None) -> Sample:
    labels = {}
    if present is not None:
        labels["classification"] = ClassLabels(np.array(present, bool), known)
    if bits is not None:
        labels["lanes"] = LaneLabels(np.array(bits, np.uint8), known)
    camera = Intrinsics(32, 32, 30, 30, 15.5, 15.5)
    return Sample("drawn", np.zeros((32, 32, 3), np.uint8), camera, labels)


@pytest.mark.parametrize("kind", ["classification", "lanes"])
def test_what_is_not_labelled_weighs_nothing(kind: str) -> None:
    task = build_task(kind, {"labels": ["a", "b"]})
    torch.manual_seed(0)
    shape = (3, 2) if kind == "classification" else (3, 2, 8, 8)
    logits, focal_px = torch.randn(shape), torch.ones(3)
    bits = np.random.default_rng(0).integers(0, 4, (2, 32, 32))
    given = {"present": ([1, 0], [1, 1])} if kind == "classification" else {"bits": (bits[0], bits[1])}
    key, (first, second) = next(iter(given.items()))
    only_b = np.array([False, True])
    batch = collate([sample(**{key: first}), sample(), sample(**{key: second}, known=only_b)], {kind: task})
    assert batch.labelled[kind].tolist() == [True, False, True]

    def terms(logits: torch.Tensor) -> dict[str, float]:
        found = task.loss({"logits": logits}, batch.targets[kind], batch.labelled[kind], focal_px)
        return {name: float(term.total) / float(term.count) for name, term in found.items()}

    changed = logits.clone()
    changed[1] += 3  # the sample without labels
    changed[2, 0] -= 3  # the class that was not looked for
    assert terms(changed) == pytest.approx(terms(logits))
    changed[2, 1] += 3
    assert all(abs(a - b) > 1e-3 for a, b in zip(terms(changed).values(), terms(logits).values()))
    nobody = sample(**{key: first}, known=np.zeros(2, bool))
    assert not task.is_labelled(nobody)


def test_lanes_decode_to_the_bits_they_were_trained_on() -> None:
    task = build_task("lanes", {"labels": ["drivable", "line", "kerb"]})
    logits = torch.full((1, 3, 8, 16), -9.0)
    logits[0, 0, 4:], logits[0, 2, 4:, 8:] = 9.0, 9.0
    view = View(64, 32, 1.0, 64, 32, 64, 32)
    decoded = {name: tensor[0].numpy() for name, tensor in task.decode({"logits": logits}, view, torch.zeros(1)).items()}
    bits = task.collect(decoded, CollectOptions()).bits
    assert bits.dtype == np.uint8 and bits.shape == (32, 64)
    assert (bits[:14] == 0).all() and (bits[18:, :30] == 1).all() and (bits[18:, 34:] == 5).all()


def test_a_perfect_answer_costs_next_to_nothing() -> None:
    task = build_task("lanes", {"labels": ["a", "b"]})
    cells = np.random.default_rng(1).integers(0, 4, (8, 8))
    whole = sample(bits=np.kron(cells, np.ones((4, 4))))
    batch = collate([whole], {"lanes": task})
    logits = torch.from_numpy(np.stack([cells & 1, cells >> 1]) * 60.0 - 30.0).float()[None]
    right = task.loss({"logits": logits}, batch.targets["lanes"], batch.labelled["lanes"], torch.ones(1))
    wrong = task.loss({"logits": -logits}, batch.targets["lanes"], batch.labelled["lanes"], torch.ones(1))
    assert float(right["dice"].total / right["dice"].count) < 0.25  # edges between cells are interpolated
    assert float(wrong["dice"].total / wrong["dice"].count) > 0.6


@pytest.mark.slow
def test_a_checkpoint_of_three_tasks_still_loads_and_runs() -> None:
    network, card = load_checkpoint(find_model("lite"))
    assert list(card.tasks) == ["detection", "segmentation", "depth"]
    assert card.labels_of("classification") == card.labels_of("lanes") == []
    scene = Engine.of(network, card, device="cpu")(np.zeros((96, 128, 3), np.uint8))
    assert scene.answers == {}
    assert scene.depth.depth_m.shape == (96, 128)


@pytest.mark.parametrize(("kind", "count"), [("classification", 0), ("lanes", 0), ("lanes", 9)])
def test_a_wrong_number_of_labels_is_named(kind: str, count: int) -> None:
    with pytest.raises(ValueError, match="labels"):
        build_task(kind, {"labels": [f"class {i}" for i in range(count)]})
