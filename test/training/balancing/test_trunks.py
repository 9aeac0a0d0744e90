# SPDX-License-Identifier: Apache-2.0
"""Tasks that share nothing have nothing to do with each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from toy import settings_of

from mtl_perception.training.balancing import METHODS, build_balancer
from mtl_perception.training.balancing._trunks import connected

pytestmark = pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
PAIR, OTHERS, LONE = ("a", "b"), ("c", "d"), "e"


class Groups:
    """Two pairs of tasks, each with a trunk of its own, and a task that shares nothing; their losses fall as they are trained."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(5)
        self.trunks = {group: nn.Parameter(torch.randn(4, generator=generator)) for group in (PAIR, OTHERS)}
        self.own = {task: nn.Parameter(torch.randn(4, generator=generator)) for task in (*PAIR, *OTHERS, LONE)}
        self.target = {task: torch.randn(4, generator=generator) + i for i, task in enumerate(self.own)}

    def losses(self, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        of_task = {task: trunk for group, trunk in self.trunks.items() for task in group}
        seen = {task: self.own[task] * of_task[task] if task in of_task else self.own[task] for task in tasks}
        return {task: (value - self.target[task]).square().sum() for task, value in seen.items()}

    def train(self, method: str, tasks: tuple[str, ...], steps: int = 5) -> list[dict[str, float]]:
        """The weights of each step."""
        shared = [trunk for group, trunk in self.trunks.items() if set(group) <= set(tasks)]
        factors = {task: 1.0 + i for i, task in enumerate(self.own) if task in tasks}
        balancer = build_balancer(settings_of(method), factors, shared, {task: [self.own[task]] for task in tasks}, seed=3)
        weights = []
        for _ in range(steps):
            if balancer.wants_validation:
                balancer.see_validation(self.losses(tasks))
            weights.append(balancer.backward(self.losses(tasks)))
            with torch.no_grad():
                for parameter in (*shared, *(self.own[task] for task in tasks)):
                    parameter -= 0.01 * parameter.grad
                    parameter.grad = None
        return weights


@pytest.mark.parametrize("method", [name for name, settings in METHODS.items() if settings.needs_shared])
def test_a_trunk_is_trained_as_if_there_were_no_other(method: str) -> None:
    if method != "mgda":
        pytest.importorskip("torchjd")
    # A pair alone can't choose what needs three tasks; among others it gets the mean.
    alone_by = "mean" if method in ("krum", "trimmed_mean") else method
    together, pair = Groups(), Groups()
    weights = together.train(method, (*PAIR, *OTHERS, LONE))
    expected = pair.train(alone_by, PAIR)
    torch.testing.assert_close(together.trunks[PAIR], pair.trunks[PAIR])
    for found, of_pair in zip(weights, expected, strict=True):
        assert {task: found[task] for task in PAIR} == pytest.approx(of_pair, rel=1e-4, abs=1e-6)
    # The lone task is trained by its own gradient, and its weight says so; auto_lambda's weights begin elsewhere.
    if method != "auto_lambda":
        lone = Groups()
        for _ in range(5):
            (gradient,) = torch.autograd.grad(5.0 * lone.losses((LONE,))[LONE], lone.own[LONE])
            lone.own[LONE].data -= 0.01 * gradient
        torch.testing.assert_close(together.own[LONE], lone.own[LONE])
        assert all(found[LONE] == 1.0 for found in weights)


def test_what_hangs_together_is_found() -> None:
    reached = {"a": {0, 1}, "b": {3}, "c": {1, 2}, "d": set(), "e": {4, 3}, "f": {5}}
    assert connected(reached) == [([0, 1, 2], ["a", "c"]), ([3, 4], ["b", "e"]), ([5], ["f"])]
    # Two parts that only a later task joins.
    assert connected({"a": {0}, "b": {1}, "c": {0, 1}}) == [([0, 1], ["a", "b", "c"])]
    assert connected({"a": set()}) == []
