# SPDX-License-Identifier: Apache-2.0
"""The age of a result does not grow, however slow the network is beside the camera."""

import time

import numpy as np
import pytest
from peer import image, since, stamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from mtl_perception.msg import PerceptionStatus

PIXELS = np.zeros((48, 64, 3), np.uint8)
IMAGES_PER_FRAME = 10  # that the camera sends while the network is busy with one


@pytest.mark.slow
def test_age_stays_flat_with_a_slow_network(peer, start_node):
    """Images are numbered by the seconds of their stamps; ages are counted in images."""
    node = start_node(model="gated")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    statuses = peer.subscribe(f"{node.name}/status", PerceptionStatus)
    sent = [0]

    def send():
        sent[0] += 1
        peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=sent[0]))

    node.let_pass()
    peer.until(lambda: masks, "the first mask", every=send)
    ages = []
    for _ in range(8):
        end = sent[0] + IMAGES_PER_FRAME
        peer.until(lambda: sent[0] >= end, "images", every=send)
        answered = len(masks)
        node.let_pass()
        peer.until(lambda: len(masks) > answered, "the next mask")
        ages.append(sent[0] - masks[-1].header.stamp.sec)
    # It was the newest when the one before was done, a round ago. A queue of one frame more would add another round.
    assert max(ages) < 1.5 * IMAGES_PER_FRAME, ages
    peer.until(lambda: statuses[-1].header.stamp == masks[-1].header.stamp, "its status")
    assert statuses[-1].frames_dropped > 4 * statuses[-1].frames_processed


def test_old_frames_are_discarded_and_named(peer, start_node):
    node = start_node("-p", "max_frame_age:=30.0")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    fresh = lambda: peer.publish(f"{node.name}/image", image(PIXELS))  # noqa: E731
    old = lambda: peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=time.time() - 1000))  # noqa: E731
    peer.until(lambda: masks, "a mask of a fresh frame", every=fresh)
    peer.until(lambda: peer.says(node.name, "camera", "older than max_frame_age"), "diagnostics", every=old)
    assert "use_sim_time" in peer.told(node.name, "camera").message
    resumed_s = time.time()
    peer.until(lambda: since(resumed_s, masks), "a mask of a fresh frame", every=fresh)
    assert len(masks) - len(since(resumed_s - 500, masks)) <= 1  # when stamps go back for the first time it is taken as fresh


def test_a_bag_that_loops_on_simulated_time_goes_on(peer, start_node):
    node = start_node("-p", "max_frame_age:=30.0", "-p", "use_sim_time:=true")
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    clock_s = [2000.0]

    def play():
        clock_s[0] += 0.05
        clock = Clock()
        clock.clock = stamped(Image(), clock_s[0]).header.stamp
        peer.publish("/clock", clock)
        peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=clock_s[0]))

    peer.until(lambda: len(masks) >= 10, "masks of the first round", every=play)
    clock_s[0] = 1000.0
    peer.until(lambda: len(masks) - len(since(2000.0, masks)) >= 10, "masks of the second round", every=play)
    peer.silence("/clock")
