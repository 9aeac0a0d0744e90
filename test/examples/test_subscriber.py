# SPDX-License-Identifier: Apache-2.0
"""The example that reads the node's topics, beside a real node."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")

from nodes import nodes
from peer import Peer, camera_info, image

EXAMPLE = Path(__file__).parents[2] / "examples" / "nearest_object.py"
PIXELS = np.zeros((96, 128, 3), np.uint8)


@pytest.mark.slow
def test_the_nearest_object_is_named(tmp_path: Path) -> None:
    with Peer() as camera, nodes("nearest") as start, (tmp_path / "said").open("w") as said:
        node = start()
        topics = [f"perception/{topic}:={node.name}/{topic}" for topic in ("detections", "depth/image_rect")]
        remapped = [argument for topic in topics for argument in ("-r", topic)]
        reader = subprocess.Popen([sys.executable, EXAMPLE, "--ros-args", *remapped], stderr=said)

        def show() -> None:
            camera.publish(f"{node.name}/camera_info", camera_info(128, 96))
            camera.publish(f"{node.name}/image", image(PIXELS))

        try:
            text = camera.until(lambda: re.search(r"nearest: (\w+) at \d+\.\d\d m", (tmp_path / "said").read_text()), "a line", every=show)
            assert text
        finally:
            reader.send_signal(signal.SIGINT)
            assert reader.wait(300) == 0
