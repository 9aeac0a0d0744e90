# SPDX-License-Identifier: Apache-2.0
"""The parameter file for a camera that watches a place: known parameters, and ids that last on the shipped drive."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")

from applications import FOLDER
from small_bags import write_drive
from typer.testing import CliRunner

from mtl_perception.bags import Bag
from mtl_perception.cli.app import app
from mtl_perception.core.resources import find_model, resource
from mtl_perception.core.yaml_file import load_yaml
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.tracking import TrackingMetric
from mtl_perception.inference.engine import Engine
from mtl_perception.pipeline import KnownPlacement, Postprocessor
from mtl_perception.ros.node.specs import SPECS
from mtl_perception.ros.outputs.outputs import pipeline_options
from mtl_perception.ros.replay.replay import node_parameters

FILE = FOLDER / "surveillance.yaml"
PAGE = Path(__file__).parents[2] / "docs" / "applications" / "surveillance.md"


def test_every_parameter_is_one_of_the_node_s_and_of_its_type() -> None:
    defaults = {spec.name: spec.default for spec in SPECS}
    said = load_yaml(FILE)["/**"]["ros__parameters"]
    assert {name: type(value) for name, value in said.items()} == {name: type(defaults[name]) for name in said}
    assert {name for name, value in said.items() if value == defaults[name]} <= {"model", "tracking.low_score", "fixed_frame"}
    assert "params_file:=config/applications/surveillance.yaml" in PAGE.read_text()


@pytest.mark.slow
def test_objects_of_the_shipped_drive_keep_their_ids() -> None:
    engine = Engine.load(find_model("lite"), device="cpu", backend="torch")
    parameters = node_parameters(FILE)
    options = pipeline_options(parameters, engine.card.detection_labels)
    engine.score_threshold = options.least_score
    labels = engine.card.detection_labels, engine.card.segmentation_labels
    follow, metric = Postprocessor(*labels, options), TrackingMetric(*labels, options)
    ids = []
    with open_samples(resource("bags/moving"), engine.card) as samples:
        for image, camera, truth in islice(samples, 8):
            scene = engine(image, camera, parameters["tasks"])
            frame = follow(scene, image, camera, truth.stamp_s, KnownPlacement(truth.camera_pose))
            metric.add(frame.tracks.tracks, truth, frame.tracks.is_in_fixed_frame)
            named = {labels[0][track.class_id] for track in frame.tracks.tracks}
            assert named <= set(parameters["classes"])
            ids.append({track.id for track in frame.tracks.tracks if track.is_seen})
    assert ids[:2] == [set(), set()], "three frames confirm"
    assert len(set.intersection(*ids[3:])) >= 2, "these were seen all along"
    scores = metric.compute()
    assert scores["switches"] == 0 and scores["HOTA"] > 0.2


@pytest.mark.slow
def test_a_replay_with_the_file_records_tracks(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / "drive", 3)
    command = ["replay", str(drive), "--offline", "--params-file", str(FILE), "--device", "cpu", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    with Bag(tmp_path / "out") as bag:
        assert bag.topics["/perception/tracks"].count == 3 and bag.topics["/perception/detections"].count == 3
        assert "/perception/segmentation/mask" not in bag.topics, "no such head is run"
