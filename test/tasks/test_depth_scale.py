# SPDX-License-Identifier: Apache-2.0
"""Depth that is right up to one factor teaches shape and nothing of scale."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import write_shapes

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.data.folder import ImageFolder
from mtl_perception.tasks import Sample, build_task


def sample(factor: float, is_metric: bool) -> Sample:
    rng = np.random.default_rng(4)
    depth_m = factor * rng.uniform(0.5, 6, (32, 48)).astype(np.float32)
    depth_m[:4] = 0
    return Sample("a", np.zeros((32, 48, 3), np.uint8), Intrinsics(48, 32, 40, 40, 23.5, 15.5), {"depth": depth_m}, is_metric)


def loss_and_gradient(samples: list[Sample]) -> tuple[dict[str, float], torch.Tensor]:
    task = build_task("depth", {})
    torch.manual_seed(1)
    z = torch.randn(len(samples), 1, 8, 12, requires_grad=True)
    raw = {"z": z, "log_scale": torch.zeros(len(samples), 1, 8, 12)}
    focal_px = torch.tensor([s.intrinsics.fx for s in samples])
    terms = task.loss(raw, task.targets(samples), torch.ones(len(samples), dtype=torch.bool), focal_px)
    sum(term.weight * term.total for term in terms.values()).backward()
    return {name: float(term.total.detach()) for name, term in terms.items()}, z.grad


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_one_factor_over_a_nominal_image_changes_nothing(factor: float) -> None:
    before, after = loss_and_gradient([sample(1.0, False)]), loss_and_gradient([sample(factor, False)])
    assert after[0] == pytest.approx(before[0], rel=1e-4)
    torch.testing.assert_close(after[1], before[1], rtol=1e-3, atol=1e-5)


def test_a_metric_image_beside_it_keeps_its_metres() -> None:
    alone, _ = loss_and_gradient([sample(1.0, True)])
    off, _ = loss_and_gradient([sample(3.0, True)])
    assert off["log_l1"] > 1.2 * alone["log_l1"]
    _, together = loss_and_gradient([sample(1.0, True), sample(3.0, False)])
    _, others = loss_and_gradient([sample(1.0, True), sample(9.0, False)])
    torch.testing.assert_close(together, others, rtol=1e-3, atol=1e-5)


def test_the_camera_says_which(tmp_path: Path) -> None:
    root = write_shapes(tmp_path / "shapes", 2)
    assert ImageFolder(root)[0].depth_is_metric
    path = root / "cameras.json"
    content = json.loads(path.read_text())
    for camera in content["cameras"].values():
        camera["depth_scale"] = "nominal"
    path.write_text(json.dumps(content))
    read = ImageFolder(root)[0]
    assert not read.depth_is_metric and not replace(read, name="b").depth_is_metric
    path.write_text(json.dumps(content).replace("nominal", "roughly"))
    with pytest.raises(ValueError, match="depth_scale"):
        ImageFolder(root)
