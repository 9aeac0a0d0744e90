# SPDX-License-Identifier: Apache-2.0
"""A depth sensor that was recorded beside a camera."""

import numpy as np
import pytest
from small_bags import HEIGHT, WIDTH, SmallBag

from mtl_perception.bags import Bag, BagError
from mtl_perception.bags.depth import BagDepth, find_depth
from mtl_perception.core.compressed_depth import MILLIMETRES, encode_compressed_depth

DEPTH_MM = np.full((HEIGHT, WIDTH), 2500, np.uint16)
DEPTH_MM[:10] = 0


def write_compressed(bag, frame, topic="/depth/compressedDepth"):
    data = np.frombuffer(encode_compressed_depth(DEPTH_MM / np.float32(1000)), np.uint8)
    bag.write(topic, frame, bag.make("sensor_msgs/msg/CompressedImage", header=bag.header(frame), format=MILLIMETRES, data=data))


@pytest.mark.parametrize("kind", ["raw", "compressedDepth"])
def test_depth_of_a_stamp_comes_in_metres(tmp_path, kind):
    with SmallBag(tmp_path / "bag") as bag:
        for frame in range(3):
            bag.write_jpeg(frame)
            if frame == 1:
                continue
            bag.write_raw(frame, "/depth", "16UC1", DEPTH_MM) if kind == "raw" else write_compressed(bag, frame)
        stamps = [bag.stamp_ns(frame) for frame in range(3)]
    with Bag(tmp_path / "bag") as bag:
        depth = BagDepth(bag, find_depth(bag, bag.find_image()))
        for stamp in (stamps[0], stamps[2] + 15_000_000):
            np.testing.assert_allclose(depth.at(stamp), DEPTH_MM / np.float32(1000))
        assert depth.at(stamps[1]) is None and depth.at(stamps[2] + 30_000_000) is None


def test_only_what_is_in_the_cameras_frame_is_registered(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0)
        message = bag.make(
            "sensor_msgs/msg/Image",
            header=bag.header(0, "camera_depth_optical_frame"),
            height=HEIGHT,
            width=WIDTH,
            encoding="16UC1",
            is_bigendian=0,
            step=2 * WIDTH,
            data=np.frombuffer(DEPTH_MM.tobytes(), np.uint8),
        )
        bag.write("/depth/raw", 0, message)
        bag.write_truth(0)
    with Bag(tmp_path / "bag") as bag:
        image = bag.find_image()
        assert find_depth(bag, image) is None
        assert find_depth(bag, image, "/depth/raw").name == "/depth/raw"
        with pytest.raises(BagError, match="has no topic /depth; it has"):
            find_depth(bag, image, "/depth")


def test_two_sensors_are_named(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0)
        bag.write_raw(0, "/depth/a", "16UC1", DEPTH_MM)
        write_compressed(bag, 0, "/depth/b")
    with Bag(tmp_path / "bag") as bag, pytest.raises(BagError, match="several depth topics: choose one out of /depth/a, /depth/b"):
        find_depth(bag, bag.find_image())
