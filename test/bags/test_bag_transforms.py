# SPDX-License-Identifier: Apache-2.0
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from small_bags import START_NS, SmallBag

from mtl_perception.bags import Bag, stamp_ns
from mtl_perception.bags.transforms import BagTransforms
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import resource


def test_a_long_bag_is_followed_as_it_is_read(tmp_path: Path) -> None:
    """Thirty seconds, of which the buffer remembers ten; one message among them is no transform."""
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_transform(0, "base_link", "camera", 0.5, topic="/tf_static")
        for frame in range(300):
            bag.write_transform(frame, "odom", "base_link", frame / 10)
        bag.write_transform(300, "odom", "broken", 0.0, w=0.0)
    warnings: list[str] = []
    with Bag(tmp_path / "bag") as bag:
        transforms = BagTransforms(bag, warnings.append)
        for second in (0, 5, 15, 29):
            time_ns = START_NS + second * 1_000_000_000
            transforms.advance(time_ns)
            np.testing.assert_allclose(transforms.buffer.lookup("odom", "camera", time_ns + 50_000_000)[0, 3], second + 0.55)
    assert len(warnings) == 1 and warnings[0].startswith("/tf: transform from 'broken' to 'odom'")


def test_a_bag_without_transforms_has_none(tmp_path: Path) -> None:
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_jpeg(0)
    with Bag(tmp_path / "bag") as bag:
        BagTransforms(bag, print).advance(START_NS)


def test_the_floor_of_the_recorded_drive_lies_at_height_zero() -> None:
    """True depth of true floor pixels, through the camera's intrinsics and the bag's transforms into odom."""
    with Bag(resource("bags/demo")) as bag:
        image = bag.find_image()
        transforms = BagTransforms(bag, print)
        truth = zip(*(map(bag.deserialize, bag.messages(f"/ground_truth/{name}")) for name in ("depth", "segmentation")))
        heights_m = []
        depth, mask = next(truth)  # of some of the frames only
        for frame in islice(bag.frames(image, bag.find_camera_info(image)), 20):
            if frame.stamp_ns != stamp_ns(depth):
                continue
            transforms.advance(frame.time_ns)
            camera_pose = transforms.buffer.lookup("odom", frame.message.header.frame_id, frame.stamp_ns)
            heights_m.append(floor_heights_m(decoded(depth) / 1000, decoded(mask), frame.intrinsics, camera_pose))
            depth, mask = next(truth)
    assert len(heights_m) > 1
    heights_m = np.concatenate(heights_m)
    assert len(heights_m) > 1000
    assert np.abs(np.median(heights_m)) < 0.005
    assert np.percentile(np.abs(heights_m), 95) < 0.03


def floor_heights_m(depth_m: np.ndarray, mask: np.ndarray, intrinsics: Intrinsics, camera_pose: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero((mask == 0) & (depth_m > 0))
    camera, z = intrinsics.scaled(*depth_m.shape[::-1]), depth_m[rows, columns]
    x, y = (columns - camera.cx) / camera.fx * z, (rows - camera.cy) / camera.fy * z
    return (camera_pose @ np.stack([x, y, z, np.ones_like(z)]))[2]


def decoded(message: Any) -> np.ndarray:
    return cv2.imdecode(np.asarray(message.data), cv2.IMREAD_UNCHANGED)
