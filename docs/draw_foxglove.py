# SPDX-License-Identifier: Apache-2.0
"""Draws docs/foxglove.jpg from what a viewer of the Foxglove server receives of one image of the demo drive.

    scripts/run python docs/draw_foxglove.py --out docs/foxglove.jpg

The node, the server and the viewer run as they do on a robot; only the drawing is ours.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage
from tf2_msgs.msg import TFMessage

sys.path.insert(0, str(Path(__file__).parents[1] / "test" / "ros"))
from viewer import Viewer

from mtl_perception.bags import Bag
from mtl_perception.bags.transforms import BagTransforms
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import resource
from mtl_perception.core.rotation import quaternion_xyzw
from mtl_perception.core.scene import Boxes3D
from mtl_perception.spatial.picture import Viewpoint, draw_boxes, draw_cloud
from mtl_perception.spatial.points import POINT

TOPICS = [f"/perception/{name}" for name in ("image", "detections", "segmentation/mask", "depth/image_rect", "points", "markers")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", type=float, default=15.0, help="seconds into the drive")
    options = parser.parse_args()
    os.environ |= {"ROS_DOMAIN_ID": str(os.getpid() % 100 + 1), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    module = [sys.executable, "-m"]
    node = subprocess.Popen([*module, "mtl_perception.ros.main", "--ros-args", "-p", "transport:=compressed"])
    command = [*module, "mtl_perception.cli", "foxglove", "--port", "0", "--points", "100000"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+) ", server.stdout.readline())[1])
        seen, up = receive(port, options.at)
    finally:
        for process in (server, node):
            process.send_signal(signal.SIGINT)
            process.wait()
    panels = [annotated(seen), *clouds(seen, up)]
    panels.insert(1, np.vstack([cv2.resize(picture(seen[TOPICS[place]]), (320, 240)) for place in (2, 3)]))
    cv2.imwrite(str(options.out), np.hstack(panels)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def receive(port: int, at_s: float) -> tuple[dict[str, Any], np.ndarray]:
    """The last message of each topic, and the direction against gravity in the camera's frame."""
    with Bag(resource("bags/demo")) as bag:
        topic = bag.find_image()
        transforms, first_ns = BagTransforms(bag, print), None
        for frame in bag.frames(topic, bag.find_camera_info(topic)):
            transforms.advance(frame.time_ns)
            first_ns = first_ns or frame.stamp_ns
            if frame.stamp_ns - first_ns >= at_s * 1e9:
                break
    header = frame.message.header
    pose = transforms.buffer.lookup("odom", header.frame_id, frame.stamp_ns)
    x, y, z, w = quaternion_xyzw(pose[:3, :3]).tolist()
    rclpy.init()
    camera = rclpy.create_node("camera")
    static = TransformStamped(child_frame_id=header.frame_id)
    static.header.frame_id = "odom"
    static.transform.translation = Vector3(**dict(zip("xyz", pose[:3, 3].tolist())))
    static.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    camera.create_publisher(TFMessage, "/tf_static", latched).publish(TFMessage(transforms=[static]))
    images = camera.create_publisher(CompressedImage, "/perception/image/compressed", 1)
    infos = camera.create_publisher(CameraInfo, "/perception/camera_info", 1)
    info, image = CameraInfo(width=640, height=480), CompressedImage(format="jpeg")
    of = frame.intrinsics
    info.k = [of.fx, 0.0, of.cx, 0.0, of.fy, of.cy, 0.0, 0.0, 1.0]
    image.data.frombytes(bytes(frame.message.data))
    image.header.frame_id = info.header.frame_id = header.frame_id
    with Viewer(port) as viewer:
        viewer.subscribe(*TOPICS)
        end_s = time.monotonic() + 300
        while not all(len(viewer.seen[name]) > 2 for name in TOPICS):
            assert time.monotonic() < end_s, {name: len(viewer.seen[name]) for name in TOPICS}
            image.header.stamp = info.header.stamp = camera.get_clock().now().to_msg()
            infos.publish(info)
            images.publish(image)
            viewer.look(0.2)
    camera.destroy_node()
    rclpy.shutdown()
    return {name: messages[-1] for name, messages in viewer.seen.items()}, pose[2, :3]


def picture(message: Any) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def annotated(seen: dict[str, Any]) -> np.ndarray:
    """The camera's picture under the annotations."""
    canvas, said = picture(seen["/perception/image"]), seen["/perception/detections"]
    for box in said.points:
        corners = np.rint([(point.x, point.y) for point in box.points]).astype(np.int32)
        cv2.polylines(canvas, [corners], True, rgb(box.outline_color), 2, cv2.LINE_AA)
    for text in said.texts:
        x, y = round(text.position.x), max(12, round(text.position.y))
        (width, height), _ = cv2.getTextSize(text.text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
        cv2.rectangle(canvas, (x, y - height - 5), (x + width + 4, y), rgb(text.background_color), cv2.FILLED)
        cv2.putText(canvas, text.text, (x + 2, y - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.4, rgb(text.text_color), 1, cv2.LINE_AA)
    return canvas


def clouds(seen: dict[str, Any], up: np.ndarray) -> list[np.ndarray]:
    """Points and boxes from behind the camera."""
    cloud, entities = seen["/perception/points"], seen["/perception/markers"].entities
    raw = np.frombuffer(cloud.data, np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")]))
    points = np.zeros(len(raw), POINT)
    for axis in "xyz":
        points[axis] = raw[axis]
    points["rgb"] = raw["rgb"].view("<f4")
    cubes = [entity.cubes[0] for entity in entities if entity.cubes]
    names = [entity.texts[0].text.partition(" ")[0] for entity in entities if entity.texts]
    boxes = Boxes3D(
        np.array([[getattr(cube.pose.position, axis) for axis in "xyz"] for cube in cubes]).reshape(-1, 3),
        np.array([[getattr(cube.size, axis) for axis in "xyz"] for cube in cubes]).reshape(-1, 3),
        np.array([[getattr(cube.pose.orientation, axis) for axis in "xyzw"] for cube in cubes]).reshape(-1, 4),
        np.zeros((len(cubes), 3, 3)),
        np.ones(len(cubes), bool),
    )
    target = 2.2 * (np.array([0.0, 0.0, 1.0]) - up[2] * up) - 0.9 * up
    view = Viewpoint(np.array([-0.9, 0.0, -1.2]) + 0.9 * up, target, up, Intrinsics(640, 480, 520.0, 520.0, 319.5, 239.5))
    canvas = draw_cloud(points, view)
    draw_boxes(canvas, boxes, names, view, is_level=True)
    return [canvas]


def rgb(color: Any) -> tuple[int, int, int]:
    return round(255 * color.r), round(255 * color.g), round(255 * color.b)


if __name__ == "__main__":
    main()
