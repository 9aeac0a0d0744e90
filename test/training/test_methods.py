# SPDX-License-Identifier: Apache-2.0
"""Every way to balance, share and connect trains on rendered rooms, from a configuration to what the engine says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from runs import small_config

from mtl_perception.data.batch import Batch, collate
from mtl_perception.data.folder import ImageFolder
from mtl_perception.inference import Engine
from mtl_perception.model.checkpoint import build_network, load_checkpoint
from mtl_perception.model.necks import NECKS
from mtl_perception.model.sharing import SHARINGS
from mtl_perception.training import TrainingConfig, train
from mtl_perception.training.balancing import METHODS
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.sources import open_sources
from mtl_perception.training.step import Step
from mtl_perception.training.watch import LossWatch

QUIET = Console(quiet=True)
ROOMS = Path(__file__).parents[1] / "rooms"
"""Made by mtl-perception render --out test/rooms --rooms 4 --views 3 --width 160 --height 120 --seed 7"""
TINY = {"until": 1.0, "width": 64, "height": 64, "batch_size": 2}
GROUPS = [["detection"], ["segmentation", "depth"]]
SHARING_SETTINGS = {**{name: name for name in SHARINGS}, "clustered": {"method": "clustered", "groups": GROUPS}}


def config(folder: Path, balancing: str = "fixed", sharing: object = "hard", neck: str = "pan", **changes: object) -> TrainingConfig:
    architecture = {"encoder": "mobilenet_v3_small", "neck": neck, "neck_channels": 8, "sharing": sharing}
    values = {"data": str(ROOMS), "steps": 2, "stages": [TINY], "warmup_steps": 0, "architecture": architecture, "balancing": balancing}
    return small_config(folder, **{**values, **changes})


def trains_and_answers(settings: TrainingConfig) -> None:
    """Two steps move every part that trains; the checkpoint says what it is, and the engine answers from it."""
    network, card = load_checkpoint(train(settings, QUIET))
    assert card.architecture == settings.built_architecture
    assert card.training["balancing"] == settings.balancing.method
    torch.manual_seed(settings.seed)
    before, after = build_network(card), dict(network.named_parameters())
    moved = {part_of(name) for name, value in before.named_parameters() if not torch.equal(value, after[name])}
    assert moved == {part_of(name) for name in after} >= {f"heads.{task}" for task in settings.tasks}

    sample = ImageFolder(ROOMS)[0]
    engine = Engine.of(network, card, "cpu", "float32")
    engine.score_threshold = 0.0
    scene = engine(sample.image, sample.intrinsics)
    engine.close()
    height, width = sample.image.shape[:2]
    assert scene.segmentation.mask.shape == scene.depth.depth_m.shape == (height, width)
    assert scene.segmentation.mask.max() < len(card.tasks["segmentation"].settings["labels"])
    assert np.isfinite(scene.depth.depth_m).all()
    assert np.ptp(scene.depth.depth_m) > 0
    assert len(scene.detections) > 0


def part_of(parameter: str) -> str:
    """``encoder``, ``neck``, ``heads.depth`` …"""
    names = parameter.split(".")
    return ".".join(names[: 2 if names[0] == "heads" else 1])


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
def test_every_balancing_method_trains_on_rooms_and_answers(tmp_path: Path, method: str) -> None:
    if METHODS[method].__module__.endswith("torchjd_methods"):
        pytest.importorskip("torchjd")
    # Auto-Lambda looks at held-out images.
    validation = {"share": 0.3, "every_steps": 100, "images": 1} if method == "auto_lambda" else None
    trains_and_answers(config(tmp_path, method, validation=validation))


# Each with a way to balance that behaves differently in the loop.
SHARED = {
    "soft": "uncertainty",
    "cross_stitch": "mgda",
    "clustered": "famo",
    "mtan": "gradnorm",
    "mmoe": "fixed",
    "ple": "uncertainty",
    "pad_net": "fixed",
}


@pytest.mark.slow
@pytest.mark.parametrize("sharing", [name for name in SHARINGS if name != "hard"])
def test_every_sharing_trains_on_rooms_and_answers(tmp_path: Path, sharing: str) -> None:
    if SHARED[sharing] == "mgda":
        pytest.importorskip("torchjd")
    trains_and_answers(config(tmp_path, SHARED[sharing], SHARING_SETTINGS[sharing]))


@pytest.mark.slow
@pytest.mark.parametrize("neck", [name for name in NECKS if name != "pan"])
def test_every_neck_trains_on_rooms_and_answers(tmp_path: Path, neck: str) -> None:
    trains_and_answers(config(tmp_path, neck=neck))


def batch_of(learner: Learner, settings: TrainingConfig) -> Batch:
    samples = open_sources(settings).samples
    return collate([samples[i] for i in range(2)], learner.network.tasks)


@pytest.mark.slow
def test_small_heads_train_the_shared_part_and_stay_out_of_the_checkpoint(tmp_path: Path) -> None:
    settings = config(tmp_path, small_heads={"channels": 4, "weight": 0.5})
    sources, ranks, device = open_sources(settings), Ranks(), torch.device("cpu")
    learner = Learner(settings, sources, device, ranks)
    step = Step(settings, learner, device, ranks, LossWatch(1))
    batch = batch_of(learner, settings)
    tasks = list(settings.tasks)
    found = step.losses(batch, tasks)
    # Their loss is added with its weight; what methods weigh tasks by is that of the real heads.
    small = float(found.terms["segmentation/cross_entropy of the small head"])
    assert found.values["segmentation"].item() == pytest.approx(float(found.terms["segmentation/cross_entropy"]))
    assert found.losses["segmentation"].item() == pytest.approx(found.values["segmentation"].item() + 0.5 * small)
    before = learner.small_heads.heads["depth"].squeeze["p2"].weight.clone()
    step(1, 1e-3, [batch], [tasks], dict.fromkeys(tasks, 1.0))
    assert not torch.equal(learner.small_heads.heads["depth"].squeeze["p2"].weight, before)
    # A resumed run goes on with them; the network, which is what is saved, knows nothing of them.
    again = Learner(settings, sources, device, ranks)
    again.load_state_dict(learner.state_dict())
    for name, value in learner.small_heads.state_dict().items():
        torch.testing.assert_close(again.small_heads.state_dict()[name], value, rtol=0, atol=0)
    assert not any("small" in name or "squeeze" in name for name in learner.network.state_dict())
    own = {id(p) for task in tasks for p in learner.balancer.problem.own[task]}
    assert {id(p) for p in learner.small_heads.parameters()} <= own
