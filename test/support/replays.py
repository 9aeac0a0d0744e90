# SPDX-License-Identifier: Apache-2.0
"""A bag's frames through the engine of ``red_engine``, here or in a node, into another bag."""

import sys
from pathlib import Path

import red_engine

from mtl_perception.bags import Bag
from mtl_perception.core.resources import resource
from mtl_perception.ros.replay.depth import DepthStream, choose_depth
from mtl_perception.ros.replay.live import replay_live
from mtl_perception.ros.replay.offline import replay_offline
from mtl_perception.ros.replay.recording import Recording
from mtl_perception.ros.replay.replay import node_parameters

RED_NODE = (sys.executable, red_engine.__file__)


def offline(drive: Path, out: Path, parameters=None, depth_source: str = "network", depth: str | None = None, **options):
    recording = Recording(out)
    with Bag(drive) as bag:
        image = bag.find_image()
        parameters = {**(parameters or node_parameters(resource("config/robot.yaml"))), "depth.source": depth_source}
        try:
            return replay_offline(
                bag,
                image,
                bag.find_camera_info(image),
                red_engine.RedEngine(),
                recording,
                parameters,
                depth=choose_depth(bag, image, depth_source, depth),
                **options,
            )
        finally:
            recording.close()


def live(drive: Path, out: Path, delay_s: float = 0.0, depth_source: str = "network", depth: str | None = None, **options):
    recording = Recording(out)
    with Bag(drive) as bag:
        image = bag.find_image()
        topics = choose_depth(bag, image, depth_source, depth)
        try:
            return replay_live(
                bag,
                image,
                bag.find_camera_info(image),
                {"model": str(delay_s), "depth.source": depth_source},
                recording,
                depth=None if topics is None else DepthStream(bag, topics, 0.02),
                node_command=RED_NODE,
                **options,
            )
        finally:
            recording.close()
