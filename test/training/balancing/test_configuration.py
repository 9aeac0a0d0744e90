# SPDX-License-Identifier: Apache-2.0
"""What a wrong configuration is told, before anything trains."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn
from toy import Toy, settings_of

from mtl_perception.training.balancing import METHODS, Balancing, build_balancer, torchjd_methods


def test_a_name_alone_is_enough() -> None:
    adapter = TypeAdapter(Balancing)
    for method in METHODS:
        assert adapter.validate_python(method).method == method
        assert adapter.validate_python({"method": method}) == adapter.validate_python(method)


@pytest.mark.parametrize("content", ["mgada", {"method": "mgada"}, {}, None])
def test_an_unknown_name_lists_the_known_ones(content: object) -> None:
    with pytest.raises(ValidationError, match=r"not known; expected one of: fixed, uncertainty.*gradnorm.*mgda.*nash_mtl"):
        TypeAdapter(Balancing).validate_python(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"method": "mgda", "alpha": 1}, "alpha"),
        ({"method": "gradnorm", "alpha": -1}, "alpha.*greater than or equal to 0"),
        ({"method": "dwa", "temperature": 0}, "temperature.*greater than 0"),
        ({"method": "aligned_mtl", "scale_mode": "max"}, "scale_mode"),
    ],
)
def test_a_wrong_setting_is_named(content: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){words}"):
        TypeAdapter(Balancing).validate_python(content)


@pytest.mark.parametrize("method", METHODS)
def test_one_task_has_nothing_to_balance(method: str) -> None:
    if method == "fixed":
        settings_of(method).check(["depth"])
        return
    with pytest.raises(ValueError, match=f"'{method}' needs at least 2 tasks, got 1 \\(depth\\)"):
        settings_of(method).check(["depth"])


@pytest.mark.parametrize("method", ["pcgrad", "upgrad", "cagrad"])
def test_what_is_not_installed_says_how_to_install_it(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = importlib.util.find_spec
    gone = ("torchjd", "scipy", "cvxpy")
    monkeypatch.setattr(torchjd_methods, "find_spec", lambda name: None if name in gone else installed(name))
    with pytest.raises(ValueError, match=f"'{method}' needs torchjd.*pip install 'mtl-perception\\[mtl\\]'"):
        settings_of(method).check(["depth", "detection"])


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan")])
def test_weights_are_positive(factor: float) -> None:
    toy = Toy()
    with pytest.raises(ValueError, match="task 'b' has weight .*, expected more than 0"):
        build_balancer(settings_of("fixed"), {"a": 1.0, "b": factor}, toy.shared, toy.own)


def test_methods_for_shared_parameters_need_some() -> None:
    own = {task: [nn.Parameter(torch.zeros(1))] for task in "ab"}
    with pytest.raises(ValueError, match="'mgda' combines the gradients of shared parameters, and these tasks share none"):
        build_balancer(settings_of("mgda"), dict.fromkeys(own, 1.0), [], own)
    build_balancer(settings_of("uncertainty"), dict.fromkeys(own, 1.0), [], own)


@pytest.mark.parametrize(
    ("method", "settings", "words"),
    [
        ("pcd", {"primary": "pose"}, "primary is 'pose', expected one of: a, b"),
        ("auto_lambda", {"primary": ["pose"]}, r"primary is \['pose'\], expected some of: a, b"),
        ("auto_lambda", {"primary": []}, r"primary is \[\], expected some of"),
        ("krum", {}, "needs at least 3 tasks, got 2"),
        ("trimmed_mean", {}, "needs at least 3 tasks, got 2"),
    ],
)
def test_settings_must_fit_the_tasks(method: str, settings: dict[str, object], words: str) -> None:
    pytest.importorskip("torchjd")
    with pytest.raises(ValueError, match=words):
        settings_of(method, **settings).check(["a", "b"])


def test_losses_of_other_tasks_are_refused() -> None:
    toy = Toy(tasks=("a", "b"))
    with pytest.raises(ValueError, match="losses of tasks c, which are not among a, b"):
        toy.balancer("fixed").backward(Toy().losses(("a", "c")))
