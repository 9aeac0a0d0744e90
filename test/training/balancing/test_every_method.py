# SPDX-License-Identifier: Apache-2.0
"""What holds for every balancing method: absent tasks, resuming, accumulation, loss scaling, several processes."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from torch import Tensor
from toy import TASKS, Toy
from toy_ranks import rank_of_toys

from mtl_perception.training.balancing import METHODS

pytest.importorskip("torchjd")
pytestmark = pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")

EVERY = pytest.mark.parametrize("method", METHODS)
# They choose number by number, so no weights say what they do.
_ELEMENTWISE = ("graddrop", "trimmed_mean")
# With two of the three tasks it takes the mean; a run of two tasks can't choose it.
_NEEDS_THREE = ("krum",)


def close(found: list[Tensor | None], expected: list[Tensor | None], rtol: float = 1e-4) -> None:
    assert [g is None for g in found] == [g is None for g in expected]
    for a, b in zip(found, expected, strict=True):
        if a is not None:
            torch.testing.assert_close(a, b, rtol=rtol, atol=1e-5)


def about(state: Any, task: str) -> list[Any]:
    """What a state remembers of one task."""
    if not isinstance(state, dict):
        return []
    return [v for key, value in state.items() for v in ([value] if task in str(key).split() else about(value, task))]


@EVERY
def test_the_seed_may_be_any_that_a_run_may_have(method: str) -> None:
    """A date and a time of day have more than 32 bits."""
    toy = Toy()
    balancer = toy.balancer(method)
    balancer.problem = replace(balancer.problem, seed=2**64 - 1)
    assert all(gradient is None or gradient.isfinite().all() for gradient in toy.step(balancer))


@pytest.mark.slow
@EVERY
def test_an_absent_task_is_as_if_it_did_not_exist(method: str) -> None:
    if method == "trimmed_mean":
        pytest.skip("of two tasks it takes the mean number by number, which no method that can be chosen for two does")
    three, two = Toy(), Toy(tasks=("a", "c"))
    balancer, without = three.balancer(method), two.balancer("mean" if method in _NEEDS_THREE else method)
    for _ in range(4):
        close(three.step(balancer, ("a", "c"))[:2], two.step(without, ("a", "c"))[:2])
    for task in ("a", "c"):
        torch.testing.assert_close(three.own[task][0], two.own[task][0], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@EVERY
def test_an_absent_task_gets_no_gradient_and_what_was_learned_of_it_stays(method: str) -> None:
    toy = Toy()
    balancer = toy.balancer(method)
    for _ in range(3):
        toy.step(balancer)
    remembered = copy.deepcopy(about(balancer.state_dict(), "b"))
    for _ in range(8):
        gradients = toy.step(balancer, ("a", "c"), learning_rate=0.001)
        assert gradients[3] is None
        assert all(g is None or bool(torch.isfinite(g).all()) for g in gradients)
    assert str(about(balancer.state_dict(), "b")) == str(remembered)
    assert all(bool(torch.isfinite(g).all()) for g in toy.step(balancer))


@EVERY
def test_one_task_alone_trains_by_its_own_gradient_up_to_a_factor(method: str) -> None:
    toy = Toy()
    toy.balancer(method).backward(toy.losses(("b",)))
    found = toy.gradients()
    toy.losses(("b",))["b"].backward()
    for gradient, plain in zip(found, toy.gradients(), strict=True):
        if gradient is not None:
            assert torch.nn.functional.cosine_similarity(gradient.flatten(), plain.flatten(), dim=0) > 0.9999


@EVERY
def test_a_step_without_any_label_leaves_everything_alone(method: str) -> None:
    toy = Toy()
    assert toy.balancer(method).backward({}) == {}
    assert toy.gradients() == [None] * 5


@pytest.mark.slow
@EVERY
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(method: str, tmp_path: Path) -> None:
    whole = Toy()
    balancer = whole.balancer(method)
    for _ in range(4):
        whole.step(balancer)
    torch.save(balancer.state_dict(), tmp_path / "state.pt")
    resumed = copy.deepcopy(whole)
    second = resumed.balancer(method)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(4):
        close(resumed.step(second), whole.step(balancer), rtol=1e-5)


@pytest.mark.slow
@EVERY
def test_two_half_batches_are_one_whole(method: str) -> None:
    toy, halves = Toy(), Toy()
    balancer, accumulating = toy.balancer(method), halves.balancer(method)
    for _ in range(3):
        if balancer.wants_validation:
            balancer.see_validation(toy.losses(TASKS, slice(4)))
            accumulating.see_validation(halves.losses(TASKS, slice(4)))
        weights = balancer.backward(toy.losses(TASKS))
        whole = halves.losses(TASKS)
        accumulating.backward(halves.losses(TASKS, slice(4), 8), whole=whole, last=False)
        assert accumulating.backward(halves.losses(TASKS, slice(4, 8), 8), whole=whole) == pytest.approx(weights, rel=1e-3, abs=1e-6)
        close(halves.gradients(), toy.gradients())


@EVERY
def test_a_task_that_only_one_of_the_batches_has_counts_in_full(method: str) -> None:
    toy = Toy()
    balancer = toy.balancer(method)
    expected = [*toy.step(toy.balancer(method), learning_rate=0)]
    if balancer.wants_validation:
        balancer.see_validation(toy.losses(TASKS, slice(4)))
    half = {"b": 0.5 * toy.losses(("b",))["b"]}
    balancer.backward(toy.losses(("a",)) | half, whole=toy.losses(TASKS), last=False)
    half = {"b": 0.5 * toy.losses(("b",))["b"]}
    balancer.backward(half | toy.losses(("c",)), whole=toy.losses(TASKS))
    close(toy.gradients(), expected)


@EVERY
def test_a_schedule_scales_a_tasks_part_however_the_method_weighs_it(method: str) -> None:
    """A task that is only beginning, with a hundredth of its loss, would else have the shortest gradient, and all the weight."""
    toy = Toy()
    plain = toy.balancer(method)
    if plain.wants_validation:
        plain.see_validation(toy.losses(TASKS, slice(4)))
    weights = plain.backward(toy.losses(TASKS))
    expected = toy.gradients()
    scheduled = toy.balancer(method)
    if scheduled.wants_validation:
        scheduled.see_validation(toy.losses(TASKS, slice(4)))
    schedule = {"a": 1.0, "b": 0.01, "c": 0.5}
    found = scheduled.backward(toy.losses(TASKS), schedule=schedule)
    gradients = toy.gradients()
    for i, task in enumerate(TASKS):
        torch.testing.assert_close(gradients[2 + i], schedule[task] * expected[2 + i])
    if method not in _ELEMENTWISE:
        assert found == pytest.approx({task: schedule[task] * weight for task, weight in weights.items()}, rel=1e-4, abs=1e-6)
        rows = {t: torch.autograd.grad(loss, toy.shared[0], retain_graph=True)[0] for t, loss in toy.losses(TASKS).items()}
        factors = toy.balancer("fixed").problem.factors
        combined = torch.stack([found[task] * factors[task] * rows[task] for task in TASKS]).sum(0)
        torch.testing.assert_close(gradients[0], combined, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@EVERY
def test_a_loss_scale_cancels(method: str) -> None:
    plain, scaled = Toy(), Toy()
    balancer, other = plain.balancer(method), scaled.balancer(method)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(scaled.parameters(), lr=0.0)
    for _ in range(3):
        if balancer.wants_validation:
            balancer.see_validation(plain.losses(TASKS))
            other.see_validation(scaled.losses(TASKS), scaler.scale)
        balancer.backward(plain.losses(TASKS))
        other.backward(scaled.losses(TASKS), scale=scaler.scale)
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        close(scaled.gradients(), plain.gradients())


@pytest.mark.parametrize("method", [name for name, settings in METHODS.items() if settings.needs_shared])
def test_a_gradient_that_overflowed_skips_the_step_and_teaches_nothing(method: str) -> None:
    toy = Toy()
    balancer = toy.balancer(method)
    toy.step(balancer, learning_rate=0)
    before = {k: v for k, v in copy.deepcopy(balancer.state_dict()).items() if k != "step"}
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120, growth_interval=1)
    optimizer = torch.optim.SGD(toy.parameters(), lr=1.0)
    start = [p.detach().clone() for p in toy.parameters()]
    if balancer.wants_validation:
        balancer.see_validation(toy.losses(TASKS))
    balancer.backward({t: 1e6 * loss for t, loss in toy.losses(TASKS).items()}, scale=scaler.scale)
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**119
    assert all(torch.equal(p, was) for p, was in zip(toy.parameters(), start, strict=True))
    assert str({k: v for k, v in balancer.state_dict().items() if k != "step"}) == str(before)


@EVERY
def test_a_regulariser_is_added_once_and_as_it_is(method: str) -> None:
    toy = Toy()
    expected = toy.step(toy.balancer(method), learning_rate=0)
    balancer = toy.balancer(method)
    if balancer.wants_validation:
        balancer.see_validation(toy.losses(TASKS, slice(4)))
    balancer.backward(toy.losses(TASKS), regulariser=3 * toy.shared[0].sum())
    found = toy.gradients()
    torch.testing.assert_close(found[0], expected[0] + 3, rtol=1e-4, atol=1e-5)
    close(found[1:], expected[1:])


@pytest.mark.slow(20)
def test_two_processes_come_to_the_gradient_of_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(rank_of_toys, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for method in METHODS:
        toy = Toy()
        balancer = toy.balancer(method)
        for tasks in (TASKS, ("a", "c"), TASKS):
            losses = toy.losses(tasks)
            if "b" in tasks:
                losses["b"] = toy.losses(("b",), slice(4, 8))["b"]
            if balancer.wants_validation:
                balancer.see_validation(toy.losses(tasks))
            balancer.backward(losses, regulariser=toy.shared[0].sum())
            expected = toy.gradients()
        close(first[method], expected)
        close(second[method], first[method], rtol=0)
