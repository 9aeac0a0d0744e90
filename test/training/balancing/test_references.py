# SPDX-License-Identifier: Apache-2.0
"""Equality with torchjd: its own engine for gradients, its scalarizers for losses."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from toy import TASKS, Toy, settings_of

from mtl_perception.training.balancing import METHODS, build_balancer
from mtl_perception.training.balancing.torchjd_methods import TorchjdSettings

pytest.importorskip("torchjd")

FACTORS = (("a", 1.0), ("b", 2.0), ("c", 1.0))
_DRAWN = ("pcgrad", "graddrop", "gradvac", "random")


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name, settings in METHODS.items() if issubclass(settings, TorchjdSettings)])
@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
def test_the_shared_gradient_is_that_of_torchjd_over_the_parameters(method: str) -> None:
    """torchjd's mtl_backward over the features would be wrong here, as it is for a pyramid: one descends from another."""
    from torchjd.autojac import backward, jac_to_grad

    toy = Toy()
    factors = {"a": 1.0, "b": 2.0, "c": 1.0}
    balancer, aggregator = toy.balancer(method), settings_of(method).aggregator()
    for step in range(3):
        balancer.backward(toy.losses(TASKS))
        balanced = toy.gradients()[:2]
        losses = toy.losses(TASKS)
        backward([factors[task] * losses[task] for task in TASKS], inputs=toy.shared)
        if method in _DRAWN:
            torch.manual_seed((7 << 32) + step)
        jac_to_grad(toy.shared, aggregator)
        for parameter, found in zip(toy.shared, balanced, strict=True):
            torch.testing.assert_close(found, parameter.grad, rtol=1e-4, atol=1e-5)
        for parameter in toy.shared:
            parameter.grad = None
            parameter.data += 0.01


@pytest.mark.parametrize(("count", "trim"), [(3, 1), (5, 1), (5, 2), (4, 0)])
def test_where_every_task_has_a_gradient_the_trimmed_mean_is_torchjds(count: int, trim: int) -> None:
    from torchjd.aggregation import TrimmedMean

    tasks = [str(i) for i in range(count)]
    matrix = torch.randn(count, 50, generator=torch.Generator().manual_seed(count))
    shared, own = nn.Parameter(torch.zeros(50)), {task: [nn.Parameter(torch.zeros(()))] for task in tasks}
    balancer = build_balancer(settings_of("trimmed_mean", trim_number=trim), dict.fromkeys(tasks, 1.0), [shared], own)
    balancer.backward({task: row @ shared + own[task][0] for task, row in zip(tasks, matrix, strict=True)})
    torch.testing.assert_close(shared.grad, TrimmedMean(trim)(matrix))


@pytest.mark.parametrize("of", ["pcgrad", "imtl_g", "aligned_mtl"])
def test_smoothed_weights_are_torchjds(of: str) -> None:
    from torchjd.aggregation import CRMOGMWeighting

    toy = Toy()
    balancer = toy.balancer("cr_mogm", of=of, alpha=0.7)
    smoothed = CRMOGMWeighting(settings_of(of).aggregator().weighting, 0.7)
    for step in range(4):
        found = balancer.backward(toy.losses(TASKS))
        losses = toy.losses(TASKS)
        rows = [torch.autograd.grad(factor * losses[task], toy.shared, retain_graph=True, allow_unused=True) for task, factor in FACTORS]
        zeros = [torch.zeros_like(p) for p in toy.shared]
        matrix = torch.stack([torch.cat([(z if g is None else g).flatten() for g, z in zip(row, zeros, strict=True)]) for row in rows])
        torch.manual_seed((7 << 32) + step)
        assert list(found.values()) == pytest.approx(smoothed(matrix).tolist(), rel=1e-4)
        for parameter in toy.shared:
            parameter.data += 0.03


@pytest.mark.slow
@pytest.mark.parametrize("method", ["uncertainty", "imtl_l", "geometric", "stch", "famo", "dwa"])
def test_weights_of_losses_are_those_of_torchjds_scalarizers(method: str) -> None:
    from torchjd import scalarization

    scalarizer = {
        "uncertainty": lambda: scalarization.UW(3),
        "imtl_l": lambda: scalarization.IMTLL(3),
        "geometric": lambda: scalarization.GeometricMean(),
        "stch": lambda: scalarization.STCH(0.1),
        "famo": lambda: scalarization.FAMO(3),
        "dwa": lambda: scalarization.DWA(),
    }[method]()
    learned = list(scalarizer.parameters()) if method in ("uncertainty", "imtl_l") else []
    optimizer = torch.optim.Adam(learned or [torch.zeros(1, requires_grad=True)], lr=0.01)
    toy = Toy()
    balancer = toy.balancer(method)
    factors = torch.tensor([1.0, 2.0, 1.0])
    for step in range(8):
        balancer.backward(toy.losses(TASKS))
        found = toy.gradients()
        optimizer.zero_grad()
        scalarizer(factors * torch.stack(list(toy.losses(TASKS).values()))).backward()
        expected = toy.gradients()
        optimizer.step()
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        with torch.no_grad():
            for parameter, gradient in zip(toy.parameters(), expected, strict=True):
                parameter -= 0.05 * gradient
            if method == "famo":
                after = toy.losses(TASKS)
                scalarizer.update(factors * torch.stack(list(after.values())))
                balancer.after_step(after)
        if method == "dwa" and step % 2:
            scalarizer.step()
