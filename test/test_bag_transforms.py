# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
from small_bags import START_NS, SmallBag

from mtl_perception.bag_transforms import BagTransforms
from mtl_perception.bags import Bag


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
