# SPDX-License-Identifier: Apache-2.0
"""What every kind of sharing promises, and what is special to each."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_card, tiny_network
from pydantic import ValidationError
from tiny import tiny_encoder

from mtl_perception.inference import Engine
from mtl_perception.model.checkpoint import CheckpointError, build_network, load_checkpoint, read_card, save_checkpoint
from mtl_perception.model.network import Architecture
from mtl_perception.model.sharing import SHARINGS

TASKS = ("detection", "segmentation", "depth")
GROUPS = [["detection"], ["segmentation", "depth"]]
KINDS: dict[str, object] = {
    "hard": "hard",
    "soft": {"method": "soft", "strength": 0.5},
    "cross_stitch": "cross_stitch",
    "clustered": {"method": "clustered", "groups": GROUPS, "encoders": ["resnet18", "mobilenet_v3_small"]},
    "mtan": "mtan",
    "mmoe": {"method": "mmoe", "experts": 2},
    "ple": {"method": "ple", "layers": 3},
    "pad_net": "pad_net",
}
ONE_ENCODER = ("hard", "mtan", "mmoe", "ple", "pad_net")
EVERY = pytest.mark.parametrize("kind", KINDS)


def card_with(sharing: object, tasks: tuple[str, ...] = TASKS, **changes: object) -> object:
    architecture = {"encoder": "mobilenet_v3_small", "neck_channels": 16, **changes}
    return tiny_card(tasks=tasks, architecture=Architecture(**architecture, sharing=sharing))


@functools.cache
def network_of(kind: str) -> object:
    return tiny_network(card_with(KINDS[kind]))


@pytest.fixture
def encoder() -> Iterator[None]:
    with tiny_encoder():
        yield


def image(count: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_every_kind_is_tested() -> None:
    assert set(KINDS) == set(SHARINGS)


@pytest.mark.slow
@EVERY
def test_a_head_alone_gives_the_numbers_it_gives_among_all(kind: str) -> None:
    network = network_of(kind)
    with torch.no_grad():
        everything = network(image())
        for task in TASKS:
            only = network(image(), tasks=(task,))
            assert list(only) == [task]
            torch.testing.assert_close(only[task], everything[task], rtol=0, atol=0)
    assert list(everything) == list(TASKS)


@pytest.mark.slow
@EVERY
def test_only_what_the_wanted_heads_need_is_run(kind: str) -> None:
    network = build_network(card_with(KINDS[kind])).eval()
    ran: set[str] = set()
    for name, module in network.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.add(name))
    with torch.no_grad():
        network(image(), tasks=("depth",))
    # An encoder of the cross-stitch network is called stage by stage.
    encoders = {".".join(name.split(".")[: 1 if kind in ONE_ENCODER else 2]) for name in ran if name.startswith("encoder")}
    expected = {
        **dict.fromkeys(ONE_ENCODER, {"encoder"}),
        "soft": {"encoders.depth"},
        "cross_stitch": {f"encoders.{task}" for task in TASKS},
        "clustered": {"encoders.segmentation_depth"},
    }
    assert encoders == expected[kind]
    assert {name for name in ran if name.startswith("heads.") and name.count(".") == 1} == {"heads.depth"}


@pytest.mark.slow
@EVERY
def test_what_a_task_owns_no_other_task_trains_and_the_rest_is_shared(kind: str) -> None:
    network = build_network(card_with(KINDS[kind]))
    reached: dict[str, set[int]] = {}
    for task in TASKS:
        raw = network(image(2), tasks=(task,))[task]
        sum(t.sum() for t in raw.values() if t.requires_grad).backward()
        reached[task] = {id(p) for p in network.parameters() if p.grad is not None}
        network.zero_grad()
    everything = {id(p) for p in network.parameters()}
    own = {task: {id(p) for p in network.task_parameters(task)} for task in TASKS}
    shared = {id(p) for p in network.shared_parameters()}
    for task in TASKS:
        others = set().union(*(reached[other] for other in TASKS if other != task))
        # A path of a neck that a single head uses belongs to the neck all the same.
        assert not own[task] & others
        assert reached[task] - own[task] <= shared
    assert shared == everything - set().union(*own.values())
    assert reached["depth"] & reached["segmentation"] <= shared


@pytest.mark.slow
@EVERY
def test_a_checkpoint_comes_back_and_runs_in_the_engine(kind: str, tmp_path: Path, encoder: None) -> None:
    card = card_with(KINDS[kind], encoder="tiny")  # the engine compiles it
    network = tiny_network(card)
    save_checkpoint(tmp_path / "x.safetensors", network, card, dtype=torch.float32)
    loaded, found = load_checkpoint(tmp_path / "x.safetensors")
    assert found.architecture == card.architecture
    with torch.no_grad():
        torch.testing.assert_close(loaded(image()), network(image()), rtol=0, atol=0)
    picture = image()[0].permute(1, 2, 0).contiguous().numpy()
    engine = Engine.load(tmp_path / "x.safetensors", device="cpu", precision="float32")
    # The engine folds batch norms into convolutions; what it says is what the network says.
    with torch.no_grad():
        logits = network(image())["segmentation"]["logits"].softmax(1).amax(1)
    assert np.isfinite(engine(picture).depth.depth_m).all()
    assert abs(engine(picture).segmentation.confidence.mean() / 255 - logits.mean().item()) < 0.02
    assert engine(picture, tasks=("depth",)).segmentation is None


@pytest.mark.slow
def test_a_card_without_a_choice_is_hard_and_stays_readable_by_older_versions(tmp_path: Path) -> None:
    card = tiny_card()
    assert "sharing" not in json.loads(card.model_dump_json())["architecture"]
    save_checkpoint(tmp_path / "x.safetensors", tiny_network(card), card)
    assert read_card(tmp_path / "x.safetensors").architecture.sharing.method == "hard"


@pytest.mark.slow
def test_soft_tasks_start_alike_and_the_penalty_pulls_them_together() -> None:
    network = build_network(card_with(KINDS["soft"]))
    penalty = network.regulariser()
    assert penalty.item() == pytest.approx(0, abs=1e-9)
    stem = [network.encoders[task].get_parameter("stages.0.0.0.weight") for task in TASKS]
    with torch.no_grad():
        stem[0] += 3.0
    penalty = network.regulariser()
    # Three copies, one moved by 3: they lie 2, 1 and 1 from their mean.
    assert penalty.item() == pytest.approx(0.5 / 2 * stem[0].numel() * (4 + 1 + 1), rel=1e-4)
    penalty.backward()
    torch.testing.assert_close(stem[0].grad, torch.full_like(stem[0], 0.5 * 2.0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(stem[1].grad, torch.full_like(stem[1], -0.5 * 1.0), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_cross_stitch_without_mixing_is_separate_networks() -> None:
    network = tiny_network(card_with({"method": "cross_stitch", "own_share": 1.0}))
    with torch.no_grad():
        x = (image().float() - network.mean) / network.std
        for task in TASKS:
            alone = network.necks[task](network.encoders[task](x))
            torch.testing.assert_close(network.features(x, [task])[task], alone, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_cross_stitch_mixes_channel_by_channel() -> None:
    network = tiny_network(card_with("cross_stitch"))
    assert [tuple(s.shape) for s in network.stitches] == [(3, 3, 16), (3, 3, 24), (3, 3, 48), (3, 3, 96)]
    expected = torch.tensor([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    torch.testing.assert_close(network.stitches[0][:, :, 5], expected)
    with torch.no_grad():
        before = network(image(), tasks=("depth",))["depth"]["z"]
        network.encoders["detection"].stages[1][0].block[0][0].weight += 1
        assert not torch.equal(network(image(), tasks=("depth",))["depth"]["z"], before)


@pytest.mark.parametrize(
    ("sharing", "tasks", "words"),
    [
        ({"method": "clustered", "groups": [["detection"], ["pose"]]}, TASKS, "task 'pose', which is not trained"),
        ({"method": "clustered", "groups": [["detection"], ["depth"]]}, TASKS, "leave out task 'segmentation'"),
        ("soft", ("depth",), "'soft' needs at least 2 tasks, got 1"),
        ("cross_stitch", ("depth",), "'cross_stitch' needs at least 2 tasks, got 1"),
    ],
)
def test_tasks_that_do_not_fit_are_refused(sharing: object, tasks: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_network(card_with(sharing, tasks))


@pytest.mark.parametrize(
    ("sharing", "words"),
    [
        ("harder", "sharing 'harder' is not known; expected one of: hard, soft, cross_stitch, clustered"),
        ({"groups": GROUPS}, "sharing None is not known"),
        ({"method": "clustered", "groups": [["depth"], ["depth"]]}, "task 'depth' more than once"),
        ({"method": "clustered", "groups": [["depth"], []]}, "an empty group"),
        ({"method": "clustered", "groups": GROUPS, "encoders": ["resnet18"]}, "1 names for 2 groups"),
        ({"method": "soft", "strength": -1}, "strength"),
    ],
)
def test_settings_that_make_no_sense_are_refused(sharing: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Architecture(encoder="resnet18", neck_channels=8, sharing=sharing)


@pytest.mark.slow
def test_a_checkpoint_whose_groups_do_not_fit_says_so(tmp_path: Path) -> None:
    card = card_with(KINDS["clustered"])
    network = build_network(card)
    card.tasks.pop("depth")
    save_checkpoint(tmp_path / "x.safetensors", network, card)
    with pytest.raises(CheckpointError, match="task 'depth', which is not trained"):
        load_checkpoint(tmp_path / "x.safetensors")
