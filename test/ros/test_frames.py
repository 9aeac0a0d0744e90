# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from mtl_perception.ros.frames import Frame, FrameAge, NewestFrame

SECOND_NS = 1_000_000_000


def test_newest_frame_replaces_the_one_that_waits():
    slot = NewestFrame()
    old, new = Frame(b"old", 0.0), Frame(b"new", 1.0)
    assert not slot.put(old)
    assert slot.put(new)
    assert slot.take() is new
    assert not slot.put(old)


def test_close_lets_the_worker_go():
    slot, taken = NewestFrame(), []
    worker = threading.Thread(target=lambda: taken.append(slot.take()))
    worker.start()
    slot.close()
    worker.join(timeout=10)
    assert taken == [None]


def test_age_follows_from_stamp_and_clock():
    age = FrameAge()
    assert age.measure_s(10 * SECOND_NS, 10 * SECOND_NS + SECOND_NS // 4) == pytest.approx(0.25)
    assert age.measure_s(11 * SECOND_NS, 14 * SECOND_NS) == pytest.approx(3.0)
    assert age.measure_s(20 * SECOND_NS, 14 * SECOND_NS) == pytest.approx(-6.0)


def test_no_age_without_a_stamp():
    assert FrameAge().measure_s(0, 10 * SECOND_NS) is None


def test_a_bag_that_starts_over_is_fresh():
    """The first frame may come before the clock was set back."""
    age = FrameAge()
    age.measure_s(30 * SECOND_NS, 30 * SECOND_NS)
    assert age.measure_s(1 * SECOND_NS, 30 * SECOND_NS) is None
    assert age.measure_s(2 * SECOND_NS, 2 * SECOND_NS) == pytest.approx(0.0)
