# SPDX-License-Identifier: Apache-2.0
"""Cases of two tasks whose answer is known on paper."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from toy import settings_of

from mtl_perception.training.balancing import Balancer, build_balancer

# Gradients of the two tasks by the shared parameter: g1·g2 = −6, |g1|² = 10, |g2|² = 4. Their sum harms the second.
G1, G2 = torch.tensor([3.0, 1.0]), torch.tensor([-2.0, 0.0])


class Linear:
    """Losses that are linear in the shared parameter, so that their gradients stay the same."""

    def __init__(self, rows: Mapping[str, Tensor], offsets: Mapping[str, float] | None = None) -> None:
        self.rows = rows
        self.shared = nn.Parameter(torch.zeros(len(next(iter(rows.values())))))
        self.own = {task: nn.Parameter(torch.ones(())) for task in rows}
        self.offsets = offsets or dict.fromkeys(rows, 1.0)

    def losses(self) -> dict[str, Tensor]:
        return {task: row @ self.shared + self.own[task] - 1 + self.offsets[task] for task, row in self.rows.items()}

    def balancer(self, method: str, seed: int = 0, **settings: object) -> Balancer:
        own = {task: [parameter] for task, parameter in self.own.items()}
        return build_balancer(settings_of(method, **settings), dict.fromkeys(self.rows, 1.0), [self.shared], own, seed)

    def gradient(self, balancer: Balancer) -> Tensor:
        self.shared.grad = None
        for parameter in self.own.values():
            parameter.grad = None
        balancer.backward(self.losses())
        return self.shared.grad


def two(**offsets: float) -> Linear:
    return Linear({"a": G1, "b": G2}, offsets or None)


def test_fixed_is_the_weighted_sum() -> None:
    problem = two()
    own = {task: [parameter] for task, parameter in problem.own.items()}
    balancer = build_balancer(settings_of("fixed"), {"a": 0.5, "b": 3.0}, [problem.shared], own)
    torch.testing.assert_close(problem.gradient(balancer), 0.5 * G1 + 3 * G2)
    assert problem.own["b"].grad.item() == 3


def test_mgda_takes_the_shortest_vector_between_the_gradients() -> None:
    # γ = (g2 − g1)·g2 / |g1 − g2|² = (4 + 6) / 26 for g1
    share = 10 / 26
    problem = two()
    balancer = problem.balancer("mgda")
    torch.testing.assert_close(problem.gradient(balancer), share * G1 + (1 - share) * G2)
    assert balancer.backward(problem.losses()) == pytest.approx({"a": share, "b": 1 - share}, rel=1e-4)
    assert problem.own["a"].grad.item() == 2  # heads: their own gradient, twice by now


@pytest.mark.parametrize("normalization", ["none", "l2", "loss", "loss+"])
def test_mgda_finds_the_shortest_vector_between_normalised_gradients(normalization: str) -> None:
    losses = {"a": 0.1, "b": 5.0}
    sizes = dict.fromkeys(losses, 1.0)
    if normalization.startswith("loss"):
        sizes = dict(losses)
    if normalization in ("l2", "loss+"):
        sizes = {"a": sizes["a"] * float(G1.norm()), "b": sizes["b"] * float(G2.norm())}
    first, second = G1 / sizes["a"], G2 / sizes["b"]
    share = float(((second - first) @ second / (first - second).square().sum()).clamp(0, 1))
    weights = {"a": share / sizes["a"], "b": (1 - share) / sizes["b"]}
    total = sum(weights.values())
    problem = two(**losses)
    found = problem.balancer("mgda", normalization=normalization).backward(problem.losses())
    assert found == pytest.approx({task: weight / total for task, weight in weights.items()}, rel=1e-5)
    assert all(float(row @ problem.shared.grad) > -1e-6 for row in (G1, G2))


def test_mgda_does_not_care_about_the_unit_of_a_loss() -> None:
    """A task's loss of a thousandth does not stop the others, as a shortest gradient would that is nearly zero."""
    whole, small = two(a=1.0, b=1.0), Linear({"a": G1, "b": 1e-3 * G2}, {"a": 1.0, "b": 1e-3})
    expected, found = whole.gradient(whole.balancer("mgda")), small.gradient(small.balancer("mgda"))
    torch.testing.assert_close(found / found.norm(), expected / expected.norm())
    stopped = small.gradient(small.balancer("mgda", normalization="none"))
    assert stopped.norm() < 0.01 * G1.norm()


def test_a_task_whose_gradient_is_zero_stops_nobody() -> None:
    for method in ("mgda", "cr_mogm", "gradnorm"):
        problem = Linear({"a": G1, "b": G2, "still": torch.zeros(2)})
        without = two()
        torch.testing.assert_close(problem.gradient(problem.balancer(method)), without.gradient(without.balancer(method)))


def test_trimmed_mean_asks_only_those_that_reach_a_parameter() -> None:
    """Of one gradient among two zeros the middle one would be zero, step after step."""
    pytest.importorskip("torchjd")
    rows = {"a": 1.0, "b": 5.0, "c": -7.0}
    shared = [nn.Parameter(torch.zeros(1)) for _ in range(3)]
    own = {task: [nn.Parameter(torch.ones(()))] for task in rows}
    balancer = build_balancer(settings_of("trimmed_mean"), dict.fromkeys(rows, 1.0), shared, own)
    reached = {"a": shared, "b": shared[:2], "c": shared[:1]}
    balancer.backward({task: (row * sum(reached[task])).sum() + own[task][0] for task, row in rows.items()})
    assert [p.grad.item() for p in shared] == [1.0, 3.0, 1.0]


def test_pcgrad_takes_from_each_what_points_against_the_other() -> None:
    pytest.importorskip("torchjd")
    expected = (G1 - (G1 @ G2) / (G2 @ G2) * G2) + (G2 - (G1 @ G2) / (G1 @ G1) * G1)
    problem = two()
    torch.testing.assert_close(problem.gradient(problem.balancer("pcgrad")), expected)


@pytest.mark.parametrize("method", ["upgrad", "dualproj", "mgda", "nash_mtl", "imtl_g", "config", "cagrad"])
@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem")
def test_no_task_is_harmed_where_the_method_promises_it(method: str) -> None:
    pytest.importorskip("torchjd")
    problem = two()
    gradient = problem.gradient(problem.balancer(method, **({"c": 1.0} if method == "cagrad" else {})))
    # torchjd regularises its quadratic programs a little.
    assert G1 @ gradient > -2e-3
    assert G2 @ gradient > -2e-3
    assert G1 @ (G1 + G2) > 0 > G2 @ (G1 + G2)  # the plain sum harms the second


def test_imtl_g_projects_equally_on_both() -> None:
    pytest.importorskip("torchjd")
    problem = two()
    gradient = problem.gradient(problem.balancer("imtl_g"))
    torch.testing.assert_close(gradient @ G1 / G1.norm(), gradient @ G2 / G2.norm(), rtol=1e-3, atol=1e-4)


def test_graddrop_keeps_one_sign_of_each_number() -> None:
    pytest.importorskip("torchjd")
    problem = two()
    for seed in range(8):
        first, second = problem.gradient(problem.balancer("graddrop", seed)).tolist()
        assert first in (3.0, -2.0)
        assert second == 1.0


def test_geometric_mean_weighs_by_one_over_the_loss() -> None:
    problem = two(a=2.0, b=8.0)
    torch.testing.assert_close(problem.gradient(problem.balancer("geometric")), 4 / (2 * 2.0) * G1 + 4 / (2 * 8.0) * G2)


def test_smooth_tchebycheff_is_nearly_the_largest_loss_alone() -> None:
    problem = two(a=1.0, b=3.0)
    torch.testing.assert_close(problem.gradient(problem.balancer("stch", mu=0.05)), G2 / 2, rtol=1e-4, atol=1e-4)


def test_smooth_tchebycheff_divides_each_loss_by_its_mean_at_the_beginning() -> None:
    """With a unit a thousand times smaller a loss gets the same say, whatever is the largest number."""
    problem = two(a=1.0, b=3000.0)
    balancer = problem.balancer("stch", mu=0.05, warmup=2)
    for _ in range(2):
        torch.testing.assert_close(problem.gradient(balancer), (G1 + G2) / 2)
    problem.offsets = {"a": 0.9, "b": 1500.0}  # a has fallen to .9 of its beginning, b to half
    torch.testing.assert_close(problem.gradient(balancer), G1 / 2, rtol=0.02, atol=0.02)
    resumed = problem.balancer("stch", mu=0.05, warmup=2)
    resumed.load_state_dict(balancer.state_dict())
    torch.testing.assert_close(problem.gradient(resumed), problem.gradient(balancer))


def test_nash_bargains_whatever_the_lengths_of_gradients() -> None:
    """Nash's direction is Σ wᵢgᵢ with equal gain a weight, wᵢ·(gᵢ·d) the same for all, also where one is a million times the other."""
    rows = {"a": 1e6 * G1, "b": 1e-3 * G2}
    problem = Linear(rows)
    balancer = problem.balancer("nash_mtl", max_norm=0)
    gradient = problem.gradient(balancer).double()
    length = {task: float(row.norm()) for task, row in rows.items()}
    # In the plane of G1 and G2 the bargained direction makes gains of equal share: cos² of both is balanced by their weights.
    units = {task: row.double() / length[task] for task, row in rows.items()}
    weights = torch.linalg.solve(torch.stack(list(units.values()), 1), gradient)
    gains = torch.stack([units[task] @ gradient for task in rows])
    torch.testing.assert_close(weights[0] * gains[0], weights[1] * gains[1], rtol=1e-3, atol=0.0)


def test_nash_says_once_that_gradients_which_cancel_can_not_bargain_and_goes_on() -> None:
    problem = Linear({"a": torch.tensor([2.0, 0.0]), "b": torch.tensor([-4.0, 0.0])})
    balancer = problem.balancer("nash_mtl")
    with pytest.warns(RuntimeWarning, match="gradients of a, b cancel or are nearly the same .* This is said once"):
        gradient = problem.gradient(balancer)
    assert gradient.isfinite().all() and gradient.norm() < 1e-5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem.gradient(balancer)


@pytest.mark.parametrize(("method", "rest"), [("uncertainty", 1 / (2 * 3.0)), ("imtl_l", 1 / 3.0)])
def test_learned_scales_come_to_rest_where_their_gradient_is_zero(method: str, rest: float) -> None:
    problem = two(a=3.0, b=0.5)
    balancer = problem.balancer(method, learning_rate=0.05)
    for _ in range(300):
        weights = balancer.backward(problem.losses())
    assert weights["a"] == pytest.approx(rest, rel=0.01)
    assert weights["b"] == pytest.approx(rest * 6, rel=0.01)


def test_dwa_looks_at_the_ratio_of_the_last_two_windows() -> None:
    problem = two(a=4.0, b=4.0)
    balancer = problem.balancer("dwa", window=2, temperature=2.0)
    for a, b in ((4.0, 4.0), (2.0, 2.0), (1.0, 3.0), (0.5, 3.0)):
        problem.offsets = {"a": a, "b": b}
        assert balancer.backward(problem.losses()) == {"a": 1.0, "b": 1.0}
    ratio_a, ratio_b = 0.75 / 3.0, 3.0 / 3.0
    expected = 2 / (1 + math.exp((ratio_b - ratio_a) / 2.0))
    assert balancer.backward(problem.losses()) == pytest.approx({"a": expected, "b": 2 - expected})


def test_random_weights_are_positive_sum_to_the_number_of_tasks_and_change() -> None:
    problem = two()
    balancer = problem.balancer("rlw", seed=3)
    drawn = [balancer.backward(problem.losses()) for _ in range(3)]
    assert all(sum(w.values()) == pytest.approx(2) and min(w.values()) > 0 for w in drawn)
    assert len({w["a"] for w in drawn}) == 3
    assert problem.balancer("rlw", seed=3).backward(problem.losses()) == drawn[0]
    assert problem.balancer("rlw", seed=4).backward(problem.losses()) != drawn[0]


@pytest.mark.slow
def test_gradnorm_makes_the_norms_equal_when_alpha_is_zero() -> None:
    problem = two()
    balancer = problem.balancer("gradnorm", alpha=0.0, learning_rate=0.01)
    for _ in range(400):
        weights = balancer.backward(problem.losses())
    # wᵢ ∝ 1/|gᵢ|, and they sum to 2
    lengths = {"a": float(G1.norm()), "b": float(G2.norm())}
    assert sum(weights.values()) == pytest.approx(2, abs=0.02)
    assert weights["a"] * lengths["a"] == pytest.approx(weights["b"] * lengths["b"], rel=0.05)


@pytest.mark.slow
def test_gradnorm_gives_the_task_that_lags_behind_the_longer_gradient() -> None:
    problem = two(a=4.0, b=4.0)
    balancer = problem.balancer("gradnorm", alpha=1.0, learning_rate=0.01)
    balancer.backward(problem.losses())
    problem.offsets = {"a": 1.0, "b": 3.0}  # a fell to 1/4, b to 3/4
    for _ in range(400):
        weights = balancer.backward(problem.losses())
    ratio = (weights["b"] * float(G2.norm())) / (weights["a"] * float(G1.norm()))
    assert ratio == pytest.approx(3.0, rel=0.08)


def test_famo_moves_weight_to_the_task_whose_loss_fell_least() -> None:
    problem = two(a=2.0, b=2.0)
    balancer = problem.balancer("famo", learning_rate=0.1, weight_decay=0.0)
    assert balancer.backward(problem.losses()) == pytest.approx({"a": 0.5, "b": 0.5})
    balancer.after_step({"a": torch.tensor(1.0), "b": torch.tensor(2.0)})
    # Adam's first step is the learning rate: logits −0.1 and 0.1
    expected = 1 / (1 + math.exp(0.2))
    assert balancer.backward(problem.losses()) == pytest.approx({"a": expected, "b": 1 - expected}, rel=1e-4)


def test_auto_lambda_finds_the_task_that_helps_the_primary_one() -> None:
    """The primary task has noisy labels in training; one auxiliary pulls the same way, the other against it."""
    rows = {"primary": torch.tensor([1.0, 0.0]), "helper": torch.tensor([2.0, 1.0]), "foe": torch.tensor([-1.0, 1.0])}
    problem = Linear(rows, {"primary": 1.0, "helper": 1.0, "foe": 1.0})
    balancer = problem.balancer("auto_lambda", primary=["primary"], start=0.1, learning_rate=0.01)
    assert balancer.wants_validation
    for _ in range(50):
        balancer.see_validation(problem.losses())
        weights = balancer.backward(problem.losses())
    assert weights["foe"] == pytest.approx(0, abs=1e-6)
    assert weights["helper"] == pytest.approx(0.1 + 49 * 0.01, rel=0.05)
    balancer.backward(problem.losses())  # without a held-out batch weights stay
    assert balancer.backward(problem.losses()) == pytest.approx(weights, abs=0.011)


def test_auto_lambda_sees_gradients_of_held_out_images_that_half_precision_loses_without_a_scale() -> None:
    problem = Linear({"helper": torch.tensor([1e6, 0.0]), "foe": torch.tensor([-1e6, 0.0])})
    balancer = problem.balancer("auto_lambda", start=0.1, learning_rate=0.01)
    scale = torch.amp.GradScaler("cpu").scale
    small = problem.shared.half() * 1e-4
    # 1e-8 by the shared parameter; the least number of half precision is 6e-8
    balancer.see_validation(dict.fromkeys(problem.rows, small.float().sum() * 0.5e-4), scale)
    balancer.backward(problem.losses())
    assert balancer.backward(problem.losses()) == pytest.approx({"helper": 0.11, "foe": 0.09}, rel=1e-3)


def test_the_values_that_methods_weigh_by_need_not_be_the_losses() -> None:
    problem = two(a=-1.0, b=8.0)  # a's likelihood term is negative
    balancer = problem.balancer("geometric")
    with pytest.raises(ValueError, match="'geometric' needs positive losses, task 'a' has -1"):
        balancer.backward(problem.losses())
    weights = balancer.backward(problem.losses(), values={"a": torch.tensor(2.0), "b": torch.tensor(8.0)})
    assert weights == pytest.approx({"a": 1.0, "b": 0.25})
