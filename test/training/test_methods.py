# SPDX-License-Identifier: Apache-2.0
"""Every way to balance, share and connect trains a configuration end to end."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from rich.console import Console

from mtl_perception.balancing import METHODS, build_balancer
from mtl_perception.checkpoint import load_checkpoint
from mtl_perception.data.batch import Batch, collate
from mtl_perception.necks import NECKS
from mtl_perception.sharing import SHARINGS
from mtl_perception.training import train
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.learner import Learner
from mtl_perception.training.sources import open_sources
from mtl_perception.training.step import Step
from mtl_perception.training.watch import LossWatch
from runs import small_config
from shapes import write_shapes

QUIET = Console(quiet=True)
TINY = {"until": 1.0, "width": 32, "height": 32, "batch_size": 2}
CLUSTERED = {"method": "clustered", "groups": [["detection"], ["segmentation", "depth"]]}
# One set-up for each sharing and each neck, and a way to balance with each: those that behave differently in the loop.
SETUPS = [
    ("hard", "pan", "gradnorm"),
    ("soft", "fpn", "uncertainty"),
    ("cross_stitch", "bifpn", "mgda"),
    (CLUSTERED, "unet", "famo"),
    ("hard", "pan", "auto_lambda"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    write_shapes(folder / "shapes", 4, width=64, height=48)
    return folder


def config(folder: Path, sharing: object, neck: str, balancing: str, **changes: object) -> object:
    architecture = {"neck": neck, "neck_channels": 8, "sharing": sharing}
    return small_config(folder, steps=2, stages=[TINY], architecture=architecture, balancing=balancing, **changes)


def test_every_sharing_and_neck_is_among_them() -> None:
    assert {s if isinstance(s, str) else s["method"] for s, _, _ in SETUPS} == set(SHARINGS)
    assert {neck for _, neck, _ in SETUPS} == set(NECKS)


@pytest.mark.parametrize(("sharing", "neck", "balancing"), SETUPS, ids=lambda v: v if isinstance(v, str) else v["method"])
def test_a_set_up_trains_saves_and_loads(folder: Path, sharing: object, neck: str, balancing: str) -> None:
    if METHODS[balancing].__module__.endswith("torchjd_methods"):
        pytest.importorskip("torchjd")
    # Auto-Lambda looks at held-out images.
    validation = {"data": str(folder / "shapes"), "every_steps": 100, "images": 1} if balancing == "auto_lambda" else None
    checkpoint = train(config(folder, sharing, neck, balancing, validation=validation), QUIET, restart=True)
    network, card = load_checkpoint(checkpoint)
    assert card.training["balancing"] == balancing
    with torch.no_grad():
        raw = network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert all(torch.isfinite(value).all() for tensors in raw.values() for value in tensors.values())


@pytest.fixture(scope="module")
def learner(folder: Path) -> Learner:
    settings = config(folder, "hard", "pan", "fixed")
    return Learner(settings, open_sources(settings), torch.device("cpu"), Ranks())


def batch_of(folder: Path, learner: Learner) -> Batch:
    samples = open_sources(config(folder, "hard", "pan", "fixed")).samples
    return collate([samples[i] for i in range(2)], learner.network.tasks)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
def test_every_method_moves_a_real_network_and_all_of_its_parts(folder: Path, learner: Learner, method: str) -> None:
    if METHODS[method].__module__.endswith("torchjd_methods"):
        pytest.importorskip("torchjd")
    settings = config(folder, "hard", "pan", method, validation={"share": 0.5, "every_steps": 100})
    network, tasks = learner.network, list(settings.tasks)
    own = {task: network.task_parameters(task) for task in tasks}
    learner.balancer = build_balancer(settings.balancing, settings.tasks, network.shared_parameters(), own, seed=1)
    step, batch = Step(settings, learner, torch.device("cpu"), Ranks(), LossWatch(1)), batch_of(folder, learner)
    if learner.balancer.wants_validation:
        step.see_validation(batch, tasks)
    before = {name: value.clone() for name, value in network.named_parameters()}
    step(1, 1e-4, [batch], [tasks], dict.fromkeys(tasks, 1.0))
    moved = {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {"encoder", "neck", "heads"}
    assert {name.split(".")[1] for name in moved if name.startswith("heads")} == set(tasks)
    assert set(step.weights) == set(tasks)
    assert all(math.isfinite(weight) for weight in step.weights.values())


def test_small_heads_train_the_shared_part_and_stay_out_of_the_checkpoint(folder: Path) -> None:
    settings = config(folder, "hard", "pan", "fixed", small_heads={"channels": 4, "weight": 0.5})
    sources, ranks, device = open_sources(settings), Ranks(), torch.device("cpu")
    learner = Learner(settings, sources, device, ranks)
    step = Step(settings, learner, device, ranks, LossWatch(1))
    batch = batch_of(folder, learner)
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
