# SPDX-License-Identifier: Apache-2.0
"""What a node left in a bag, as scenes again."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg
from small_bags import HEIGHT, WIDTH, SmallBag

from mtl_perception.bags import Bag
from mtl_perception.evaluation.recorded import recorded_scenes

STATUS = "mtl_perception/msg/PerceptionStatus"


@pytest.mark.parametrize("frames", [[0, 1, 2], [0, 0, 1], [0, 1, 1], [0, 0, 0]])
def test_each_stamp_is_a_scene_even_if_the_camera_gave_it_twice(tmp_path: Path, frames: list[int]) -> None:
    with SmallBag(tmp_path / "bag") as bag:
        bag.store.register(get_types_from_msg("std_msgs/Header header", STATUS))
        for delay_ns, frame in enumerate(frames):
            fields = {"height": HEIGHT, "width": WIDTH, "encoding": "mono8", "is_bigendian": 0, "step": WIDTH}
            mask = bag.make("sensor_msgs/msg/Image", header=bag.header(frame), data=np.full(HEIGHT * WIDTH, frame, np.uint8), **fields)
            bag.write("/perception/segmentation/mask", frame, mask, 2 * delay_ns)
            bag.write("/perception/status", frame, bag.make(STATUS, header=bag.header(frame)), 2 * delay_ns + 1)
        stamps = {bag.stamp_ns(frame): frame for frame in frames}
    with Bag(tmp_path / "bag") as bag:
        found = list(recorded_scenes(bag, []))
    assert [stamp for stamp, _ in found] == list(stamps)
    assert [int(scene.segmentation.mask[0, 0]) for _, scene in found] == list(stamps.values())
