# SPDX-License-Identifier: Apache-2.0
import threading

import pytest

from mtl_perception.ros.node.frames import Frame, FrameAge, NewestFrames

SECOND_NS = 1_000_000_000


def frame(number: int) -> Frame:
    return Frame(str(number).encode(), float(number))


def test_newest_frame_replaces_the_one_that_waits():
    slots = NewestFrames()
    assert not slots.put("front", frame(0))
    assert slots.put("front", frame(1))
    assert slots.take() == [("front", frame(1))]
    assert not slots.put("front", frame(2))


def test_a_fast_camera_does_not_starve_the_others():
    """Front sends ten frames for each that is taken; the slow ones still get every other turn."""
    slots, served = NewestFrames(), []
    for number in range(60):
        for _ in range(10):
            slots.put("front", frame(number))
        if number % 3 == 0:
            slots.put("left", frame(number))
            slots.put("rear", frame(number))
        served += [camera for camera, _ in slots.take()]
    assert {camera: served.count(camera) for camera in ("front", "left", "rear")} == {"front": 20, "left": 20, "rear": 20}


def test_what_waits_is_taken_together_up_to_a_limit():
    """And nobody waits for a camera that has nothing."""
    slots = NewestFrames()
    for number, camera in enumerate(("front", "left", "rear")):
        slots.put(camera, frame(number))
    assert slots.take(2) == [("front", frame(0)), ("left", frame(1))]
    slots.put("front", frame(3))
    assert slots.take(8) == [("rear", frame(2)), ("front", frame(3))]
    slots.put("left", frame(4))
    assert slots.take(8) == [("left", frame(4))]


def test_close_lets_the_worker_go():
    slots, taken = NewestFrames(), [None]
    worker = threading.Thread(target=lambda: taken.append(slots.take()))
    worker.start()
    slots.close()
    worker.join()
    assert taken[-1] == []


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
