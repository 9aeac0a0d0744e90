# SPDX-License-Identifier: Apache-2.0
"""Frames over time, against rotations written out by hand."""

import math
import threading
import time

import numpy as np
import pytest

from mtl_perception.core.transforms import TransformBuffer, TransformError, inverse, matrix, slerp

NS = 1_000_000_000
LEVEL = (0.0, 0.0, 0.0, 1.0)


def yaw(degrees: float) -> tuple[float, float, float, float]:
    half = math.radians(degrees) / 2
    return 0.0, 0.0, math.sin(half), math.cos(half)


@pytest.fixture
def buffer() -> TransformBuffer:
    """A robot that drives along x at 1 m/s and turns by 90° a second; a camera on it that looks ahead."""
    buffer = TransformBuffer()
    buffer.put("base_link", "camera", 0, (0.1, 0.0, 0.5), (-0.5, 0.5, -0.5, 0.5), is_static=True)
    for second in (1, 2, 3):
        buffer.put("odom", "base_link", second * NS, (float(second), 0.0, 0.0), yaw(90 * (second - 1)))
    return buffer


def test_matrix_turns_and_moves() -> None:
    np.testing.assert_allclose(matrix((1, 2, 3), yaw(90)) @ (1, 0, 0, 1), (1, 3, 3, 1), atol=1e-12)
    pose = matrix((1, 2, 3), (0.5, -0.5, 0.5, 0.5))
    np.testing.assert_allclose(inverse(pose) @ pose, np.eye(4), atol=1e-12)


def test_slerp_goes_the_shorter_way_at_even_speed() -> None:
    first, second = np.array(yaw(10)), np.array(yaw(70))
    for end in (second, -second):
        np.testing.assert_allclose(slerp(first, end, 0.25), yaw(25), atol=1e-12)
    np.testing.assert_allclose(slerp(first, first, 0.5), first)


def test_a_chain_is_followed_and_interpolated(buffer: TransformBuffer) -> None:
    """Half-way between two samples: 1.5 m along x, turned by 45°; the optical axis points where the robot looks."""
    pose = buffer.lookup("odom", "camera", 3 * NS // 2)
    ahead = np.array([math.cos(math.pi / 4), math.sin(math.pi / 4), 0.0])
    np.testing.assert_allclose(pose[:3, 3], (1.5, 0, 0.5) + 0.1 * ahead, atol=1e-9)
    np.testing.assert_allclose(pose[:3, 2], ahead, atol=1e-9)  # z of an optical frame
    np.testing.assert_allclose(pose[:3, 1], (0, 0, -1), atol=1e-9)  # y points down
    np.testing.assert_allclose(buffer.lookup("camera", "odom", 3 * NS // 2) @ pose, np.eye(4), atol=1e-9)


def test_frames_meet_below_the_root(buffer: TransformBuffer) -> None:
    """No odometry is needed between two objects on one robot."""
    buffer.put("base_link", "left", 0, (0.0, 0.3, 0.5), LEVEL, is_static=True)
    np.testing.assert_allclose(buffer.lookup("left", "camera", 99 * NS)[:3, 3], (0.1, -0.3, 0.0), atol=1e-9)
    np.testing.assert_array_equal(buffer.lookup("camera", "camera", 99 * NS), np.eye(4))


def test_a_leading_slash_means_nothing(buffer: TransformBuffer) -> None:
    np.testing.assert_array_equal(buffer.lookup("/odom", "/camera", NS), buffer.lookup("odom", "camera", NS))


@pytest.mark.parametrize(
    ("target", "source", "stamp_s", "words"),
    [
        ("odom", "camera", 3.25, "the transform from 'base_link' to 'odom' ends 0.250 s before the image"),
        ("odom", "camera", 0.5, "the transform from 'base_link' to 'odom' begins 0.500 s after the image"),
        ("map", "camera", 2.0, "nobody has published a transform of the frame 'map'"),
        ("odom", "lidar", 2.0, "nobody has published a transform of the frame 'lidar'"),
        ("odom", "elsewhere", 2.0, "the frames 'odom' and 'elsewhere' are not connected"),
    ],
)
def test_what_is_not_known_is_not_guessed(buffer: TransformBuffer, target: str, source: str, stamp_s: float, words: str) -> None:
    buffer.put("other_root", "elsewhere", 0, (0, 0, 0), LEVEL, is_static=True)
    with pytest.raises(TransformError, match=words):
        buffer.lookup(target, source, int(stamp_s * NS))


def test_a_circle_of_frames_is_named(buffer: TransformBuffer) -> None:
    buffer.put("a", "b", 0, (0, 0, 0), LEVEL, is_static=True)
    buffer.put("b", "a", 0, (0, 0, 0), LEVEL, is_static=True)
    with pytest.raises(TransformError, match="go round in a circle: 'a' in 'b' in 'a'"):
        buffer.lookup("odom", "a", NS)


def test_a_circle_above_costs_nothing_below(buffer: TransformBuffer) -> None:
    buffer.put("base_link", "odom", 2 * NS, (0, 0, 0), LEVEL)
    assert buffer.lookup("base_link", "camera", 2 * NS)[2, 3] == 0.5
    with pytest.raises(TransformError, match="go round in a circle: 'base_link' in 'odom' in 'base_link'"):
        buffer.lookup("odom", "camera", 2 * NS)


def test_a_circle_whose_publisher_is_gone_ends(buffer: TransformBuffer, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer.put("base_link", "odom", 2 * NS, (0, 0, 0), LEVEL)
    now_s = time.monotonic() + 11
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    buffer.put("odom", "base_link", 4 * NS, (4.0, 0.0, 0.0), yaw(270))  # which somebody still publishes
    np.testing.assert_allclose(buffer.lookup("odom", "base_link", 4 * NS)[:3, 3], (4, 0, 0))


def chain(frames: int) -> TransformBuffer:
    buffer = TransformBuffer()
    for number in range(frames - 1):
        buffer.put(f"frame_{number}", f"frame_{number + 1}", 0, (1.0, 0.0, 0.0), LEVEL, is_static=True)
    return buffer


def test_a_long_chain_is_added_up_and_a_longer_one_named() -> None:
    assert chain(201).lookup("frame_0", "frame_200", 0)[0, 3] == 200.0
    with pytest.raises(TransformError, match="more than 200 frames lie between 'frame_0' and 'frame_9999'"):
        chain(10_000).lookup("frame_0", "frame_9999", 0)


def test_the_two_ends_of_a_fork_may_be_so_far_apart_together() -> None:
    buffer = chain(150)
    buffer.put("frame_0", "other_1", 0, (0.0, 1.0, 0.0), LEVEL, is_static=True)
    for number in range(1, 150):
        buffer.put(f"other_{number}", f"other_{number + 1}", 0, (0.0, 1.0, 0.0), LEVEL, is_static=True)
    assert buffer.lookup("other_50", "frame_149", 0)[0, 3] == 149.0
    with pytest.raises(TransformError, match="more than 200 frames"):
        buffer.lookup("other_150", "frame_149", 0)


def test_more_frames_than_any_robot_has_are_refused() -> None:
    full = chain(10_001)
    with pytest.raises(ValueError, match="frame 'one_more' beside 10000 others, expected fewer"):
        full.put("frame_0", "one_more", 0, (0, 0, 0), LEVEL)
    assert full.put("frame_0", "frame_1", 0, (0, 0, 0), LEVEL, is_static=True) == ""


def test_a_frame_with_two_parents_in_turns_is_doubted(buffer: TransformBuffer) -> None:
    doubts = [buffer.put(parent, "arm", NS, (0, 0, 0), LEVEL) for parent in ("base_link", "camera", "base_link", "camera")]
    assert doubts[:2] == ["", ""]  # an object that is gripped gets another parent once
    assert "'arm' has two parents in turns, 'camera' and 'base_link'" in doubts[2] and doubts[3]


def test_time_that_goes_back_is_doubted(buffer: TransformBuffer) -> None:
    assert buffer.put("odom", "base_link", 4 * NS, (0, 0, 0), LEVEL) == ""
    assert "time went back by 3.0 s on the transform from 'base_link' to 'odom'" in buffer.put("odom", "base_link", NS, (0, 0, 0), LEVEL)


def test_a_transform_on_its_way_is_waited_for(buffer: TransformBuffer) -> None:
    found: list[np.ndarray] = []
    looking = threading.Thread(target=lambda: found.append(buffer.lookup("odom", "base_link", 7 * NS // 2, timeout_s=300.0)))
    looking.start()
    time.sleep(0.05)
    assert found == []
    buffer.put("odom", "base_link", 4 * NS, (4.0, 0.0, 0.0), yaw(270))
    looking.join()
    np.testing.assert_allclose(found[0][:3, 3], (3.5, 0, 0), atol=1e-9)


def test_what_nobody_publishes_is_not_waited_for(buffer: TransformBuffer) -> None:
    """It would be for an hour."""
    for target, stamp_s in (("map", 2.0), ("odom", 0.5)):
        with pytest.raises(TransformError) as error:
            buffer.lookup(target, "camera", int(stamp_s * NS), timeout_s=3600.0)
        assert not error.value.is_late


def test_a_camera_with_a_wrong_clock_is_waited_for_once(buffer: TransformBuffer) -> None:
    """Its images come before every transform. Waiting for each of them would hold up the other cameras: an hour here."""
    for timeout_s in (0.1, 3600.0):
        with pytest.raises(TransformError) as error:
            buffer.lookup("odom", "base_link", 7 * NS // 2, timeout_s)
        assert error.value.is_late
    with pytest.raises(TransformError) as error:
        buffer.lookup("odom", "camera", 60 * NS, timeout_s=3600.0)
    assert not error.value.is_late


def test_time_that_goes_back_clears_what_moves(buffer: TransformBuffer) -> None:
    buffer.put("odom", "base_link", NS, (50.0, 0.0, 0.0), LEVEL)
    np.testing.assert_allclose(buffer.lookup("odom", "base_link", NS)[:3, 3], (50, 0, 0))
    with pytest.raises(TransformError, match="ends 1.000 s before"):
        buffer.lookup("odom", "base_link", 2 * NS)
    assert buffer.lookup("base_link", "camera", 2 * NS)[2, 3] == 0.5


def test_a_message_that_was_overtaken_takes_its_place(buffer: TransformBuffer) -> None:
    buffer.put("odom", "base_link", 5 * NS // 2, (9.0, 0.0, 0.0), LEVEL)
    assert buffer.lookup("odom", "base_link", 5 * NS // 2)[0, 3] == 9.0
    assert buffer.lookup("odom", "base_link", 3 * NS)[0, 3] == 3.0


def test_history_is_bounded(buffer: TransformBuffer) -> None:
    for step in range(3000):
        buffer.put("odom", "base_link", 4 * NS + step * NS // 100, (0.0, 0.0, 0.0), LEVEL)
    assert len(buffer._links["base_link"].stamps_ns) < 1200
    with pytest.raises(TransformError, match="begins"):
        buffer.lookup("odom", "base_link", 4 * NS)


def test_a_frame_may_get_another_parent(buffer: TransformBuffer) -> None:
    buffer.put("map", "base_link", 9 * NS, (7.0, 0.0, 0.0), LEVEL)
    assert buffer.lookup("map", "base_link", 9 * NS)[0, 3] == 7.0


@pytest.mark.parametrize(
    ("parent", "child", "translation", "rotation", "words"),
    [
        ("odom", "odom", (0, 0, 0), LEVEL, "expected two frames"),
        ("", "camera", (0, 0, 0), LEVEL, "expected two frames"),
        ("odom", "camera", (0, math.nan, 0), LEVEL, "expected finite numbers"),
        ("odom", "camera", (1e300, 0, 0), LEVEL, "expected finite numbers up to 1e[+]08 m"),
        ("odom", "c" * 256, (0, 0, 0), LEVEL, "expected names of at most 255 characters"),
        ("odom", "camera", (0, 0, 0), (0, 0, 0, 0), "quaternion of length 0"),
        ("odom", "camera", (0, 0, 0), (0, 0, 0, math.nan), "quaternion of length nan"),
    ],
)
def test_what_is_no_transform_is_refused(parent: str, child: str, translation: tuple, rotation: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TransformBuffer().put(parent, child, 0, translation, rotation)
