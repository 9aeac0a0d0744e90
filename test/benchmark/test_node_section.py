# SPDX-License-Identifier: Apache-2.0
"""The node's section: a real node in its own process, real DDS."""

import os

import pytest
from rich.console import Console

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("mtl_perception.msg")

from mtl_perception.benchmark.command import benchmark, make_settings
from mtl_perception.benchmark.images import camera_images, camera_intrinsics
from mtl_perception.benchmark.result import load_report
from mtl_perception.ros.latency import LatencyError, LatencyRig


@pytest.mark.slow
def test_stages_and_the_whole_way_over_dds(tmp_path):
    settings = make_settings(True, "96x64", threads=1, backend="torch", device="cpu", frames=4)
    assert not benchmark(settings, ["node"], tmp_path, False, "", Console())
    parts = load_report(tmp_path / "benchmark.json").parts["node"]
    assert list(parts) == ["lite, as it is", "lite, input as the image"]
    for part in parts.values():
        arm = part.arms["one at a time"]
        assert arm.answered == 1.0 and arm.total.count == 4 and arm.facts["device"] == "cpu"
        assert set(arm.stages) == {"wait", "decode", "preprocess", "network", "postprocess", "fill", "publish"}
        inside = sum(stage.mean_ms for stage in arm.stages.values())
        assert 0 < inside - arm.stages["publish"].mean_ms < arm.total.mean_ms
        assert 0 < part.arms["camera at 30 Hz"].answered <= 1
        (ratio,) = part.ratios
        assert ratio.name.endswith("preprocess + postprocess + fill / network") and ratio.median > 0
    assert "answered %" in (tmp_path / "benchmark.md").read_text()


@pytest.mark.slow
def test_a_node_that_cannot_start_gives_its_last_words(tmp_path):
    parameters = {"model": str(tmp_path / "no.safetensors")}
    rig = LatencyRig(parameters, camera_images(96, 64), camera_intrinsics(96, 64), ["depth"], tmp_path / "node.log", dict(os.environ))
    with pytest.raises(LatencyError, match="(?s)ended with exit status 1; its last words:.*no model"):
        rig.__enter__()
