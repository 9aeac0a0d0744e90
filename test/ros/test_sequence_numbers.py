# SPDX-License-Identifier: Apache-2.0
"""Messages that never came are counted, and no event of the middleware is asked for it, which can deadlock."""

from pathlib import Path

import numpy as np
import pytest
import rclpy
from peer import BEST_EFFORT, RELIABLE, image
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_msgs.msg import String

from mtl_perception.ros.main import choose_executor
from mtl_perception.ros.sequence_numbers import SequenceNumbers, WithInfo, number_of

PACKAGE = Path(__file__).parents[2] / "mtl_perception"


def followed(*numbers: int | None) -> tuple[list[bool], int]:
    """For each message whether none is missing before it, and how many were lost for certain."""
    sequence = SequenceNumbers()
    return [sequence.follows(number) for number in numbers], sequence.take_certain()[0]


def test_gaps_are_found_at_once_and_counted_when_they_are_certain():
    assert followed(7, 8, 9) == ([True, True, True], 0)
    assert followed(7, 9, 10)[0] == [True, False, True]
    assert followed(7, 900) == ([True, False], 0)
    assert followed(7, 9, *range(12, 21))[1] == 1 + 2
    assert followed(*range(0, 90, 3))[1] == 2 * 20


def test_the_share_of_lost_messages_is_right_however_late_it_is_certain():
    numbers, taken = SequenceNumbers(), []
    for number in range(0, 400, 4):
        numbers.follows(number)
        taken.append(numbers.take_certain())
    assert [one for one in taken if one != (0, 0)] == [(30, 10)] * 9


def test_a_publisher_that_starts_anew_lost_nothing():
    assert followed(70, 71, *range(1, 30))[1] == 0


def test_two_publishers_of_one_topic_do_not_make_losses_of_each_other():
    one, other = iter(range(10, 400)), iter(range(50_000, 60_000))
    mixed = [next(source) for _ in range(150) for source in (one, other, other)]
    assert followed(*mixed)[1] == 0
    assert followed(*mixed, *range(401, 411), 416, *range(417, 430))[1] == 5


def test_without_numbers_nothing_is_missing():
    assert followed(None, None, 5, None, 9) == ([True] * 5, 0)


@pytest.mark.ros
@pytest.mark.parametrize("make_executor", [SingleThreadedExecutor, choose_executor])
def test_every_executor_passes_the_numbers(make_executor):
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node("numbers", context=context)
        executor = make_executor(context=context)
        executor.add_node(node)
        found = []
        node.create_subscription(String, "numbered", WithInfo(lambda data, info: found.append((data, number_of(info)))), RELIABLE, raw=True)
        publisher = node.create_publisher(String, "numbered", RELIABLE)
        for _ in range(400):
            if len(found) >= 5:
                break
            publisher.publish(String(data="here"))
            executor.spin_once(timeout_sec=0.05)
        assert all(b"here" in data for data, _ in found)
        numbers = [number for _, number in found]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) >= 5
        executor.remove_node(node)
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def test_images_that_did_not_reach_the_node_are_named(peer, start_node):
    node = start_node()
    publisher = peer.node.create_publisher(Image, f"{node.name}/image", BEST_EFFORT)
    peer.until(publisher.get_subscription_count, "the node listening")
    message = image(np.full((48, 64, 3), 80, np.uint8))

    def burst():
        for _ in range(200):  # more than the node's queue of one can hold
            publisher.publish(message)

    peer.until(lambda: peer.says(node.name, "camera", "of the images did not reach the node"), "the losses", every=burst)


def test_nothing_asks_the_middleware_for_events():
    """See ``mtl_perception.ros.sequence_numbers``: under a flood of packets on a busy machine the node deadlocked."""
    asking = [path.name for path in PACKAGE.rglob("*.py") if "EventCallbacks" in path.read_text(encoding="utf-8")]
    assert asking == []
