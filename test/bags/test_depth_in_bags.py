# SPDX-License-Identifier: Apache-2.0
"""A depth sensor that was recorded beside a camera."""

import numpy as np
import pytest
from small_bags import HEIGHT, WIDTH, SmallBag

from mtl_perception.bags import Bag, BagError
from mtl_perception.bags.depth import BagDepth, find_depth

DEPTH_MM = np.full((HEIGHT, WIDTH), 2500, np.uint16)
DEPTH_MM[:10] = 0


@pytest.mark.parametrize("kind", ["raw", "compressedDepth"])
def test_depth_of_a_stamp_comes_in_metres(tmp_path, kind):
    with SmallBag(tmp_path / "bag") as bag:
        for frame in range(3):
            bag.write_jpeg(frame)
            if frame == 1:
                continue
            bag.write_raw(frame, "/depth", "16UC1", DEPTH_MM) if kind == "raw" else bag.write_compressed_depth(
                frame, "/depth/compressedDepth", DEPTH_MM
            )
        stamps = [bag.stamp_ns(frame) for frame in range(3)]
    with Bag(tmp_path / "bag") as bag:
        depth = BagDepth(bag, find_depth(bag, bag.find_image()))
        for stamp in (stamps[0], stamps[2] + 15_000_000):
            np.testing.assert_allclose(depth.at(stamp), DEPTH_MM / np.float32(1000))
        assert depth.at(stamps[1]) is None and depth.at(stamps[2] + 30_000_000) is None


def test_only_what_is_in_the_cameras_frame_is_registered(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0)
        bag.write_raw(0, "/depth/raw", "16UC1", DEPTH_MM, frame_id="camera_depth_optical_frame")
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
        bag.write_compressed_depth(0, "/depth/b", DEPTH_MM)
    with Bag(tmp_path / "bag") as bag, pytest.raises(BagError, match="several depth topics: choose one out of /depth/a, /depth/b"):
        find_depth(bag, bag.find_image())


@pytest.mark.parametrize(
    "others",
    [
        {"/aligned/compressedDepth": DEPTH_MM},  # the same once more
        {"/b": DEPTH_MM[::2, ::2]},  # smaller
        {"/b": DEPTH_MM[:20]},  # of another shape
        {"/aligned/compressedDepth": DEPTH_MM, "/b": DEPTH_MM[::2, ::2], "/c": DEPTH_MM[:, :50]},
    ],
)
def test_of_several_in_the_cameras_frame_the_one_of_its_size_is_taken_and_raw_before_compressed(tmp_path, others):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0)
        for topic, depth_mm in {**others, "/aligned": DEPTH_MM}.items():
            if topic.endswith("compressedDepth"):
                bag.write_compressed_depth(0, topic, depth_mm)
            else:
                bag.write_raw(0, topic, "16UC1", np.ascontiguousarray(depth_mm))
    with Bag(tmp_path / "bag") as bag:
        assert find_depth(bag, bag.find_image()).name == "/aligned"


def test_a_topic_that_is_asked_for_must_hold_depth(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0)
        bag.write_camera_info(0)
        bag.write_raw(0, "/other")
    with Bag(tmp_path / "bag") as bag:
        for wanted in ("/other", "/camera/camera_info", "/camera/image_raw/compressed"):
            with pytest.raises(BagError, match=f"{wanted} holds no depth .*, expected images of 16UC1 or 32FC1, or compressedDepth"):
                find_depth(bag, bag.find_image(), wanted)
