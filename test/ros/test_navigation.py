# SPDX-License-Identifier: Apache-2.0
"""What navigation reads, over DDS: the free floor and the people."""

import math

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from peer import FRAME_ID, LATCHED, camera_info, image
from sensor_msgs.msg import PointCloud2
from tf2_msgs.msg import TFMessage

people_msgs = pytest.importorskip("people_msgs.msg", reason="needs people_msgs: make setup builds it where ROS comes from PyPI")
pytestmark = pytest.mark.slow

PIXELS = np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8)
HEIGHT_M = 1.0


def camera_on_the_robot(frame: str = "base_footprint", height_m: float = HEIGHT_M) -> TFMessage:
    """The camera ``height_m`` above the floor; it looks ahead and down by 30°."""
    one = TransformStamped(child_frame_id=FRAME_ID)
    one.header.frame_id = frame
    one.transform.translation.z = height_m
    tilt = math.radians(30) / 2
    looks_ahead, looks_down = (-0.5, 0.5, -0.5, 0.5), (-math.sin(tilt), 0.0, 0.0, math.cos(tilt))
    rotate = one.transform.rotation
    rotate.x, rotate.y, rotate.z, rotate.w = _product(looks_ahead, looks_down)
    return TFMessage(transforms=[one])


def _product(a, b) -> tuple[float, ...]:
    (ax, ay, az, aw), (bx, by, bz, bw) = a, b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def show(peer, node) -> None:
    peer.publish(f"{node.name}/camera_info", camera_info(320, 240, fx=300.0))
    peer.publish(f"{node.name}/image", image(PIXELS))


def test_the_free_floor_lies_on_the_ground_in_the_cameras_frame(peer, start_node):
    """The engine sees a stripe of floor at the left; nothing is told, and that is said, until TF knows the camera's height."""
    node = start_node("-p", "free_space.cell:=0.1", "-p", "free_space.max_range:=3.0")
    clouds = peer.subscribe(f"{node.name}/free_space", PointCloud2)
    unknown = "nothing is published on " + f"{node.name}/free_space: "
    peer.until(lambda: peer.says(node.name, "outputs", unknown), "the reason", every=lambda: show(peer, node))
    assert "base_footprint" in peer.status(node.name, "outputs").message and not clouds
    peer.publish("/tf_static", camera_on_the_robot(), LATCHED)
    peer.until(lambda: clouds, "free space", every=lambda: show(peer, node))
    peer.until(lambda: not peer.says(node.name, "outputs", unknown), "no complaint", every=lambda: show(peer, node))
    cloud = clouds[-1]
    assert (cloud.header.frame_id, cloud.height, cloud.is_dense) == (FRAME_ID, 1, True)
    x, y, z = np.frombuffer(cloud.data, np.float32).reshape(cloud.width, 3).T
    assert cloud.width > 0
    # The floor's plane in the optical frame, and the engine's stripe of 64 of 320 pixels.
    np.testing.assert_allclose(y * math.cos(math.radians(30)) + z * math.sin(math.radians(30)), HEIGHT_M, atol=1e-4)
    assert (x / z * 300 + 160 < 64 + 16).all()
    peer.silence("/tf_static")


def test_people_are_told_with_ids_and_without_others(peer, start_node):
    node = start_node("-p", "tracking.enabled:=true", "-p", "fixed_frame:=''", model="every_label")
    heard = peer.subscribe(f"{node.name}/people", people_msgs.People)
    peer.until(lambda: heard and heard[-1].people, "people", every=lambda: show(peer, node))
    people = heard[-1]
    assert people.header.frame_id == FRAME_ID
    names = [one.name for one in people.people]
    assert all(names) and len(set(names)) == len(names)
    assert len(names) <= 50 / 4 + 1  # every fourth of the engine's boxes is a person
    for one in people.people:
        assert one.position.z > 0 and 0 < one.reliability <= 1
        assert all(map(math.isfinite, (one.velocity.x, one.velocity.y, one.velocity.z)))


def test_without_tracking_people_have_places_and_no_names(peer, start_node):
    node = start_node(model="every_label")
    heard = peer.subscribe(f"{node.name}/people", people_msgs.People)
    peer.until(lambda: heard and heard[-1].people, "people", every=lambda: show(peer, node))
    assert {one.name for one in heard[-1].people} == {""} and all(one.position.z > 0 for one in heard[-1].people)


def test_a_model_that_knows_no_people_has_no_such_topic(peer, start_node):
    node = start_node()
    peer.until(lambda: peer.says(node.name, "model", "active"), "the node active")
    peer.spin_for(1.0)  # discovery
    topics = {name.removeprefix(node.name) for name, _ in peer.node.get_publisher_names_and_types_by_node(node.name[1:], "/")}
    assert "/free_space" in topics and "/people" not in topics
