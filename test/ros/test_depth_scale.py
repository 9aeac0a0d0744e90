# SPDX-License-Identifier: Apache-2.0
"""Depth is brought to the scale that a laser or the floor tells of, over DDS; poor evidence is named."""

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from peer import BEST_EFFORT, FRAME_ID, LATCHED, camera_info, image, stamped
from sensor_msgs.msg import Image, LaserScan, PointCloud2
from tf2_msgs.msg import TFMessage

from mtl_perception.ros.cdr import LaserScanView, Stamp
from mtl_perception.ros.node.laser import scan_points_m

PIXELS = np.zeros((48, 64, 3), np.uint8)


def camera_on_robot(parent: str, height_m: float) -> TFMessage:
    """A camera that looks along x."""
    one = stamped(TransformStamped(child_frame_id=FRAME_ID))
    one.header.frame_id = parent
    one.transform.translation.z = height_m
    one.transform.rotation.x, one.transform.rotation.y = -0.5, 0.5
    one.transform.rotation.z, one.transform.rotation.w = -0.5, 0.5
    return TFMessage(transforms=[one])


def median_depth_m(message: Image) -> float:
    return float(np.nanmedian(np.frombuffer(message.data, np.float32)))


def twice_as_far(depth: Image) -> LaserScan:
    """What a laser at the camera's place would see of a world that is twice as far as ``depth``, whose middle row it scans."""
    row_m = np.frombuffer(depth.data, np.float32).reshape(48, 64)[24]
    angles = -0.06 + 0.002 * np.arange(60)
    columns = np.rint(32 - 500 * np.tan(angles)).astype(int)
    scan = stamped(LaserScan(angle_min=-0.06, angle_increment=0.002, range_min=0.1, range_max=100.0))
    scan.header.frame_id = "laser"
    scan.ranges = (2 * row_m[columns] / np.cos(angles)).tolist()
    return scan


def stamped_scan(depth: Image, stamp_s: float) -> LaserScan:
    scan = stamped(twice_as_far(depth), stamp_s)
    scan.header.frame_id = "laser"
    return scan


@pytest.mark.slow
def test_a_laser_gives_the_scale(peer, start_node) -> None:
    node = start_node("-p", "depth.scale:=scan", "-p", "fixed_frame:=''")
    found = peer.subscribe(f"{node.name}/depth/image_rect", Image, BEST_EFFORT)
    peer.subscribe(f"{node.name}/free_space", PointCloud2)  # it misses the floor's frame, and the scale does not
    unscaled: list[Image] = []

    def show() -> None:
        if unscaled:
            peer.publish("/tf_static", camera_on_robot("laser", 0.0), LATCHED)
            peer.publish(f"{node.name}/scan", twice_as_far(unscaled[0]), BEST_EFFORT)
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        peer.publish(f"{node.name}/image", image(PIXELS))

    peer.until(lambda: found, "depth", every=show)
    before_m = median_depth_m(found[-1])
    peer.until(lambda: peer.says(node.name, "camera", "no scan within 0.1 s"), "the missing laser", every=show)
    unscaled.append(found[-1])
    peer.until(lambda: abs(median_depth_m(found[-1]) / before_m - 2.0) < 0.3, "depth twice as far", every=show)

    def is_well() -> bool:
        status = peer.status(node.name, "camera")
        return "depth scale" in {value.key for value in status.values} and status.level == DiagnosticStatus.OK

    peer.until(is_well, "no doubt of the scale", every=show)


@pytest.mark.slow
def test_the_scan_of_an_image_is_kept_however_long_the_network_takes(peer, start_node) -> None:
    """A scanner of 40 Hz turns twenty times while a network takes half a second."""
    node = start_node("-p", "depth.scale:=scan", "-p", "fixed_frame:=''", model="gated")
    found = peer.subscribe(f"{node.name}/depth/image_rect", Image, BEST_EFFORT)

    def send(stamp_s: float | None = None) -> None:
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        peer.publish(f"{node.name}/image", image(PIXELS, stamp_s=stamp_s))

    def answer() -> None:
        send()
        node.let_pass()

    peer.until(lambda: found, "depth", every=answer)
    unscaled, count = found[0], 0
    while count < len(found):  # until the gate is closed, and a frame waits at it
        count = len(found)
        send()
        peer.spin_for(0.5)

    def show() -> None:
        now_s = time.time()
        peer.publish("/tf_static", camera_on_robot("laser", 0.0), LATCHED)
        peer.publish(f"{node.name}/scan", stamped_scan(unscaled, now_s))
        send(now_s)
        peer.spin_for(0.2)
        node.let_pass()  # the frame before
        peer.spin_for(0.2)
        for number in range(20):
            peer.publish(f"{node.name}/scan", stamped_scan(unscaled, now_s + 1 + 0.025 * number))
        peer.spin_for(0.2)

    def has_scale() -> bool:
        status = peer.status(node.name, "camera")
        return status is not None and "depth scale" in {value.key for value in status.values} and status.level == DiagnosticStatus.OK

    peer.until(has_scale, "the scale by the scan", every=show)


@pytest.mark.slow
def test_without_the_floors_frame_depth_keeps_its_scale_and_that_is_said(peer, start_node) -> None:
    node = start_node("-p", "depth.scale:=floor", "-p", "fixed_frame:=''")
    found = peer.subscribe(f"{node.name}/depth/image_rect", Image, BEST_EFFORT)

    def show() -> None:
        peer.publish(f"{node.name}/camera_info", camera_info(64, 48))
        peer.publish(f"{node.name}/image", image(PIXELS))

    peer.until(lambda: peer.says(node.name, "camera", "depth keeps its scale"), "the reason", every=show)
    assert "base_footprint" in peer.status(node.name, "camera").message
    before_m = median_depth_m(found[-1])
    peer.publish("/tf_static", camera_on_robot("base_footprint", -1.0), LATCHED)
    peer.until(lambda: peer.says(node.name, "camera", "the camera is -1.00 m above the floor"), "a camera under the floor", every=show)
    assert median_depth_m(found[-1]) == pytest.approx(before_m)


@pytest.mark.slow
def test_usual_sizes_of_objects_are_looked_for_when_depth_alone_is_read(peer, start_node) -> None:
    """The engine's doors of 48 pixels would be far away for this lens, and are refused; for a wider one they give a factor."""
    node = start_node("-p", "depth.scale:=sizes", "-p", "fixed_frame:=''")
    peer.subscribe(f"{node.name}/depth/image_rect", Image, BEST_EFFORT)

    def show(fx: float) -> None:
        peer.publish(f"{node.name}/camera_info", camera_info(320, 240, fx=fx))
        peer.publish(f"{node.name}/image", image(np.zeros((240, 320, 3), np.uint8)))

    def factor() -> float:
        status = peer.status(node.name, "camera")
        return float({one.key: one.value for one in status.values}.get("depth scale", 1)) if status else 1.0

    words = "depth keeps its scale: sizes of objects don't tell one factor"
    peer.until(lambda: peer.says(node.name, "camera", words), words, every=lambda: show(2000.0))
    peer.until(lambda: factor() != 1.0, "a factor", every=lambda: show(60.0))


def test_points_of_a_scan() -> None:
    ranges_m = np.float32([1.0, np.inf, np.nan, 0.05, 50.0, 2.0])
    scan = LaserScanView(Stamp(0, 0), "laser", 0.0, np.pi / 10, 0.1, 30.0, ranges_m)
    np.testing.assert_allclose(scan_points_m(scan), [[1, 0, 0], [0, 2, 0]], atol=1e-6)
