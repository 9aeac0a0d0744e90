# SPDX-License-Identifier: Apache-2.0
"""Which messages of another sensor wait for their image."""

import threading

from mtl_perception.ros.node.nearest import KEPT, NearestByStamp

MS = 1_000_000


def test_the_newest_are_kept_and_the_nearest_is_found():
    messages = NearestByStamp[int](20 * MS)
    for number in range(3 * KEPT):
        messages.put(number * 33 * MS, number)
    assert messages.received == 3 * KEPT
    assert messages.at((3 * KEPT - 2) * 33 * MS + 10 * MS) == 3 * KEPT - 2
    assert messages.at(0) is None and messages.at((2 * KEPT - 1) * 33 * MS) is None
    assert messages.at(2 * KEPT * 33 * MS) == 2 * KEPT


def test_what_is_held_stays_whatever_comes_behind_it():
    """As long as an image is on its way through a slow network."""
    messages = NearestByStamp[int](20 * MS)
    messages.put(0, 0)
    messages.hold(5 * MS)
    for number in range(1, 100):
        messages.put(number * 33 * MS, number)
    assert messages.at(5 * MS) == 0
    messages.hold(98 * 33 * MS)
    messages.put(100 * 33 * MS, 100)
    assert messages.at(5 * MS) is None and messages.at(98 * 33 * MS) == 98


def test_more_are_held_than_are_kept_where_they_come_so_often():
    messages = NearestByStamp[int](500 * MS)
    messages.hold(0)
    for number in range(100):
        messages.put(number * 10 * MS, number)
    assert messages.at(0) == 0


def test_a_dead_sensor_is_not_waited_for_at_every_image():
    """Else it would hold up all cameras, here for an hour."""
    messages = NearestByStamp[int](20 * MS, wait_s=0.1)
    assert messages.at(0) is None
    messages._wait_s = 3600.0
    messages._waited_in_vain_s += 300.0  # a test may be held up itself
    assert messages.at(33 * MS) is None


def test_what_is_late_is_waited_for_also_where_time_began_anew():
    """As with a bag that loops: what is left of the last round has later stamps."""
    messages = NearestByStamp[int](20 * MS, wait_s=300.0)
    for number in range(KEPT):
        messages.put((100 + number) * 33 * MS, number)
    messages.put(0, 0)
    late = threading.Timer(0.1, lambda: messages.put(33 * MS, 1))
    late.start()
    assert messages.at(33 * MS) == 1
    late.join()
