# SPDX-License-Identifier: Apache-2.0
"""Every way to share with every way to balance, in one batch and in parts: what trains, and that parts are a whole."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.multiprocessing
from combined import ROOMS, VALIDATED, rank_of_two, two_steps
from rich.console import Console
from shapes import write_shapes
from tiny import TASKS, Tiny, batches_of, tiny_config, tiny_encoder
from torch import Tensor

from mtl_perception.model.checkpoint import load_checkpoint
from mtl_perception.model.sharing import SHARINGS
from mtl_perception.tasks import HeadStyle
from mtl_perception.training import train
from mtl_perception.training.balancing import METHODS
from mtl_perception.training.distributed import Ranks
from mtl_perception.training.sources import Sources, open_sources

pytest.importorskip("torchjd")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")]

# They may leave a task out of a step. What that task alone sees of the shared part then waits for another one.
_MAY_LEAVE_OUT = [*itertools.product(SHARINGS, ("pcd", "krum")), ("mtan", "mgda"), ("mtan", "cr_mogm")]
_SEEN_BY_ONE = ("0.neck.lateral", "0.neck.down", "0.own", "0.messages", "0.experts", "0.extraction")
# Soft sharing shares no parameter, and gradient methods say so.
COMBINATIONS = [
    (sharing, method) for sharing, method in itertools.product(SHARINGS, METHODS) if sharing != "soft" or not METHODS[method].needs_shared
]


@pytest.fixture(autouse=True, scope="module")
def encoder() -> Iterator[None]:
    with tiny_encoder():
        yield


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory, encoder: None) -> Sources:
    return open_sources(tiny_config(ROOMS, tmp_path_factory.mktemp("sources"), validation=VALIDATED))


def close(found: dict[str, Tensor | None], expected: dict[str, Tensor | None], rtol: float = 1e-3) -> None:
    for name, gradient in expected.items():
        assert (found[name] is None) == (gradient is None), name
        if gradient is not None:
            distance = (found[name] - gradient).norm()
            assert distance <= rtol * gradient.norm() + 1e-7, f"{name}: {float(distance)} of {float(gradient.norm())}"


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory, sources: Sources) -> dict[str, set[str]]:
    """By kind of sharing, the parameters that the plain sum of the losses moves."""
    found = {}
    for sharing in SHARINGS:
        tiny = Tiny(tiny_config(ROOMS, tmp_path_factory.mktemp(sharing), "fixed", sharing, validation=VALIDATED), sources)
        gradients = tiny.step(batches_of(ROOMS, tiny.learner, 4))
        found[sharing] = {name for name, gradient in gradients.items() if gradient is not None and gradient.any()}
    return found


@pytest.mark.parametrize(("sharing", "method"), COMBINATIONS)
def test_no_way_to_balance_stops_what_the_losses_move(
    tmp_path: Path, sources: Sources, reached: dict[str, set[str]], sharing: str, method: str
) -> None:
    tiny = Tiny(tiny_config(ROOMS, tmp_path, method, sharing, gradient_accumulation=2, validation=VALIDATED), sources)
    for parts in (1, 2):  # building the network costs more than a step of it
        gradients = tiny.step(batches_of(ROOMS, tiny.learner, 4, parts))
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients.values())
        moving = {name for name, gradient in gradients.items() if gradient is not None and gradient.any()}
        if (sharing, method) in _MAY_LEAVE_OUT:
            assert all(name.startswith(_SEEN_BY_ONE) for name in reached[sharing] - moving), parts
        else:
            assert reached[sharing] <= moving, parts
    parts_of = {name.split(".")[1] for name in reached[sharing]}
    assert parts_of == {name.split(".")[1] for name, _ in tiny.learner.trained.named_parameters()}


def test_mixtures_have_a_rate_of_their_own_and_are_not_decayed(tmp_path: Path, sources: Sources) -> None:
    changes = {"mixture_rate": 20.0, "encoder_rate": 0.5, "weight_decay": 0.9}
    tiny = Tiny(tiny_config(ROOMS, tmp_path, "fixed", "cross_stitch", **changes), sources)
    network = tiny.learner.network
    before = {name: value.clone() for name, value in network.named_parameters()}
    gradients = tiny.step(batches_of(ROOMS, tiny.learner, 4), learning_rate=1e-4)
    for name, value in network.named_parameters():
        rate = 20.0 if "stitches" in name else 0.5 if "encoders" in name else 1.0
        decay = 0.9 if value.ndim > 1 and "stitches" not in name else 0.0
        gradient = gradients[f"0.{name}"]
        if gradient is None:
            continue
        # Adam's first step is the learning rate in the direction of the gradient's sign.
        certain = gradient.abs() > 1e-4
        moved = before[name] * (1 - 1e-4 * rate * decay) - 1e-4 * rate * gradient.sign()
        torch.testing.assert_close(value[certain], moved[certain], rtol=1e-5, atol=1e-6)
    assert all(gradients[f"0.stitches.{i}"].abs().max() > 1e-4 for i in range(4))


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_famo_learns_nothing_of_a_network_that_stands_still(tmp_path: Path, sources: Sources, parts: int) -> None:
    """What a step's batches cost before and after it is measured on all of them, not on the last part."""
    settings = {"method": "famo", "weight_decay": 0.0, "learning_rate": 0.5}
    changes = {"gradient_accumulation": parts, "small_heads": {"channels": 4}}
    tiny = Tiny(tiny_config(ROOMS, tmp_path, settings, **changes), sources)
    batches = batches_of(ROOMS, tiny.learner, 8, parts, without={"depth": [0, 1, 2], "detection": [5]})
    for _ in range(3):
        tiny.step(batches, learning_rate=0.0)
    assert {task: float(tiny.learner.balancer.logits[task]) for task in TASKS} == dict.fromkeys(TASKS, 0.0)
    tiny.step(batches, learning_rate=1e-2)
    assert any(float(tiny.learner.balancer.logits[task]) for task in TASKS)


def test_what_is_only_looked_at_leaves_no_trace(tmp_path: Path, sources: Sources) -> None:
    """Neither the look ahead at a step's parts, nor that at the losses after it, nor held-out images, move running statistics."""
    statistics = []
    for method in ("fixed", "famo", "auto_lambda"):
        tiny = Tiny(tiny_config(ROOMS, tmp_path, method, gradient_accumulation=2, validation=VALIDATED), sources)
        held_out, batches = batches_of(ROOMS, tiny.learner, 4), batches_of(ROOMS, tiny.learner, 8, 2)
        tiny.step(batches, held_out=held_out)
        statistics.append(dict(tiny.learner.network.named_buffers()))
    for other in statistics[1:]:
        for name, value in statistics[0].items():
            torch.testing.assert_close(other[name], value, rtol=0, atol=0)
    assert any(name.endswith("running_mean") and value.any() for name, value in statistics[0].items())


@pytest.mark.parametrize("method", METHODS)
def test_parts_make_the_step_of_the_whole_batch(tmp_path: Path, sources: Sources, method: str) -> None:
    """Apart from batch norms, which see one part at a time and here take their running statistics."""
    (whole, weights), (parts, weights_of_parts) = (two_steps(tmp_path, method, sources, Ranks(), parts) for parts in (1, 4))
    close(parts, whole)
    assert weights_of_parts == pytest.approx(weights, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("heads", get_args(HeadStyle))
@pytest.mark.parametrize(("sharing", "method"), [("cross_stitch", "gradnorm"), ("clustered", "mgda"), ("soft", "famo"), ("hard", "fixed")])
def test_parts_make_the_whole_with_every_sharing_and_style_of_heads(
    tmp_path: Path, sources: Sources, sharing: str, method: str, heads: str
) -> None:
    (whole, _), (parts, _) = (two_steps(tmp_path, method, sources, Ranks(), parts, sharing, heads) for parts in (1, 2))
    close(parts, whole)


def test_two_processes_in_two_parts_make_the_step_of_the_whole_batch(tmp_path: Path, sources: Sources) -> None:
    torch.multiprocessing.spawn(rank_of_two, (tmp_path,), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for method in METHODS:
        expected, weights = two_steps(tmp_path, method, sources, Ranks(), parts=1)
        close(first[method][0], expected)
        close(second[method][0], first[method][0], rtol=0)
        assert first[method][1] == pytest.approx(weights, rel=1e-3, abs=1e-6), method


def states_equal(first: object, second: object) -> bool:
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return isinstance(second, dict) and first.keys() == second.keys() and all(states_equal(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return isinstance(second, (list, tuple)) and len(first) == len(second) and all(map(states_equal, first, second))
    return first == second or (first != first and second != second)  # a measure that nothing is known of is NaN


@pytest.mark.parametrize(
    ("method", "sharing"),
    [*((method, "hard") for method in METHODS), *((method, "clustered") for method in METHODS if METHODS[method].needs_shared)],
)
def test_a_run_that_goes_on_is_the_run_that_never_stopped(tmp_path: Path, sources: Sources, method: str, sharing: str) -> None:
    """Bit for bit: weights, their running average, the optimiser and what the method remembers."""
    # So that the run is taken up in the middle of what a window or a warm-up remembers.
    settings = {"dwa": {"window": 2}, "excess_mtl": {"n_warmup_steps": 3}}.get(method, {})
    changes = {"small_heads": {"channels": 4}, "gradient_accumulation": 2, "validation": VALIDATED}
    config = tiny_config(ROOMS, tmp_path, {"method": method, **settings}, sharing, **changes)

    def made() -> Tiny:
        return Tiny(config, sources)

    def train(tiny: Tiny, steps: range) -> None:
        for step in steps:
            # Every third step lacks a task, and each one's schedule is its own.
            without = {"depth": range(8)} if step % 3 == 2 else {"segmentation": [0, 1, 2, 3]}
            held_out = batches_of(ROOMS, tiny.learner, 4)
            tiny.step(batches_of(ROOMS, tiny.learner, 8, 2, without), 1e-2, dict.fromkeys(TASKS, 1 / (1 + step)), held_out)
            tiny.learner.average.update_parameters(tiny.learner.network)

    whole, first = made(), made()
    train(whole, range(6))
    train(first, range(3))
    torch.save(first.learner.state_dict(), tmp_path / "state.pt")
    second = made()
    second.learner.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    train(second, range(3, 6))
    found, expected = second.learner.state_dict(), whole.learner.state_dict()
    assert [key for key in expected if not states_equal(found[key], expected[key])] == []


class StopsAt:
    """A console's file that asks the run to end, as Ctrl-C does, when ``words`` are said."""

    def __init__(self, words: str) -> None:
        self.words, self.text = words, ""

    def write(self, text: str) -> None:
        self.text += text
        if self.words in text:
            os.kill(os.getpid(), signal.SIGINT)

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("stop", ["step 2 ", "step 3: validation", "step 5 "])
def test_a_whole_run_that_is_stopped_anywhere_ends_as_if_it_had_not_been(tmp_path: Path, stop: str) -> None:
    """With all that follows something outside of the step: held-out images, validation scores, the place in the data."""
    write_shapes(tmp_path / "shapes", 16)
    changes = {
        "steps": 7,
        "small_heads": {"channels": 4},
        "gradient_accumulation": 2,
        "data_share": 0.7,
        "validation": {"share": 0.3, "every_steps": 3, "images": 4, "pictures": 0},
        "task_schedule": {"method": "performance_gap", "goals": dict.fromkeys(TASKS, 0.3)},
        "log_every_steps": 1,
        "warmup_steps": 2,
        "learning_rate": 1e-2,
        "ema_decay": 0.5,
    }
    balancing = {"method": "auto_lambda", "learning_rate": 0.05}
    configs = [tiny_config(tmp_path / "shapes", tmp_path / name, balancing, **changes) for name in ("whole", "stopped")]
    train(configs[0], Console(quiet=True))
    with pytest.raises(KeyboardInterrupt):
        train(configs[1], Console(file=StopsAt(stop), width=300))
    train(configs[1], Console(quiet=True))
    whole, stopped = (torch.load(config.folder / "state.pt", weights_only=True) for config in configs)
    # When it was saved, and how long that took, is not part of the result.
    differing = [
        key for key in whole if key not in ("config", "schedule", "card", "validated") and not states_equal(whole[key], stopped[key])
    ]
    assert differing == []
    assert whole["schedule"]["samples"] == stopped["schedule"]["samples"] and states_equal(
        whole["validated"]["scores"], stopped["validated"]["scores"]
    )
    checkpoints = [load_checkpoint(config.output)[0].state_dict() for config in configs]
    assert states_equal(*map(dict, checkpoints))
