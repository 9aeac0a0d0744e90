# SPDX-License-Identifier: Apache-2.0
"""The age of a result does not grow, however slow the network is beside the camera."""

import time

import numpy as np
from peer import image, stamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from mtl_perception.msg import PerceptionStatus

PIXELS = np.zeros((48, 64, 3), np.uint8)
NETWORK_S = 0.1  # of the slow engine; the camera sends every 0.05 s


def test_age_stays_flat_with_a_slow_network(peer, start_node):
    node = start_node(model="slow")
    peer.subscribe(f"{node.name}/segmentation/mask", Image)
    statuses = peer.subscribe(f"{node.name}/status", PerceptionStatus)
    send = lambda: peer.publish(f"{node.name}/image", image(PIXELS))  # noqa: E731
    peer.until(lambda: len(statuses) >= 30 and statuses[-1].frames_processed >= 25, "frames", every=send)
    ages_s = [status.frame_age_s for status in statuses if status.tasks]
    early, late = np.median(ages_s[:8]), np.median(ages_s[-8:])
    # A queue of one frame more would already add a whole NETWORK_S with each frame that waits.
    assert late < early + NETWORK_S
    assert statuses[-1].frames_dropped > statuses[-1].frames_processed / 4


def test_old_frames_are_discarded_and_named(peer, start_node):
    node = start_node("-p", "max_frame_age:=0.5")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    peer.until(
        lambda: masks,
        "a mask of a fresh frame",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS)),
    )
    old = lambda: peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=time.time() - 5))  # noqa: E731
    old()  # stamps go back here: taken as fresh
    peer.spin_for(0.3)
    masks.clear()
    peer.until(lambda: peer.says(node.name, "camera", "older than max_frame_age"), "diagnostics", every=old)
    assert masks == []
    assert "use_sim_time" in peer.status(node.name, "camera").message
    peer.until(
        lambda: masks,
        "a mask of a fresh frame",
        every=lambda: peer.publish(f"{node.name}/image", image(PIXELS)),
    )


def test_a_bag_that_loops_on_simulated_time_goes_on(peer, start_node):
    node = start_node("-p", "max_frame_age:=0.5", "-p", "use_sim_time:=true")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    clock_s = [1000.0]

    def play():
        clock_s[0] += 0.05
        clock = Clock()
        clock.clock = stamped(Image(), clock_s[0]).header.stamp
        peer.publish("/clock", clock)
        peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=clock_s[0]))

    peer.until(lambda: len(masks) >= 10, "masks of the first round", every=play)
    masks.clear()
    clock_s[0] = 1000.0
    peer.until(lambda: len(masks) >= 10, "masks of the second round", every=play)
    assert masks[0].header.stamp.sec < 1002
    peer.silence("/clock")
