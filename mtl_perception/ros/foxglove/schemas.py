# SPDX-License-Identifier: Apache-2.0
"""The node's messages as Foxglove's typed schemas, small enough for a laptop on Wi-Fi.

Works on anything with the fields of the ROS messages named; Foxglove draws these schemas without knowing our own.
"""

from __future__ import annotations  # pyright: ignore[reportAssignmentType]

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from foxglove.messages import (
    CameraCalibration,
    Color,
    CompressedImage,
    CubePrimitive,
    FrameTransform,
    FrameTransforms,
    ImageAnnotations,
    KeyValuePair,
    LinePrimitive,
    LinePrimitiveLineType,
    PackedElementField,
    PackedElementFieldNumericType,
    Point2,
    Point3,
    PointCloud,
    PointsAnnotation,
    PointsAnnotationType,
    Pose,
    Quaternion,
    SceneEntity,
    SceneEntityDeletion,
    SceneEntityDeletionType,
    SceneUpdate,
    TextAnnotation,
    TextPrimitive,
    Timestamp,
    Vector3,
)

from mtl_perception.core.drawing import class_color, colorize_depth, colorize_ids, colorize_mask, colorize_normals, colorize_source
from mtl_perception.core.image_files import MAX_PIXELS
from mtl_perception.core.instances import InstanceMasks

NEAR_M, FAR_M = 0.3, 6.0
"""Depths of the warmest and the coldest colour."""

_POINT = np.dtype([(axis, "<f4") for axis in "xyz"] + [(color, "u1") for color in ("blue", "green", "red", "alpha")])
_NUMERIC = {"f4": PackedElementFieldNumericType.Float32, "u1": PackedElementFieldNumericType.Uint8}
_CUBE, _LINE_STRIP, _TEXT, _DELETE_ALL = 1, 4, 9, 3  # visualization_msgs/Marker


def picture(header: Any, image_rgb: np.ndarray, quality: int = 75) -> CompressedImage:
    """(H, W, 3) uint8 as JPEG."""
    return _encoded(header, ".jpg", image_rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])


def compressed_picture(message: Any) -> CompressedImage:
    """A ``sensor_msgs/CompressedImage`` as it is."""
    data = bytes(message.data)
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return CompressedImage(timestamp=_time(message.header), frame_id=message.header.frame_id, data=data, format=kind)


def mask_picture(message: Any, labels: Sequence[str]) -> CompressedImage:
    """A mask in the classes' colours, as PNG, which keeps its edges."""
    return _png(message.header, colorize_mask(_mono8(message), labels))


def depth_picture(message: Any) -> CompressedImage:
    """32FC1 or 16UC1 depth in colours, as JPEG."""
    if message.encoding == "32FC1":
        depth_m = np.frombuffer(message.data, "<f4")
    else:
        depth_m = np.frombuffer(message.data, "<u2").astype(np.float32) / 1000
    return picture(message.header, colorize_depth(depth_m.reshape(message.height, message.width), NEAR_M, FAR_M))


def source_picture(message: Any) -> CompressedImage:
    """Where depth is from, in colours, as PNG."""
    return _png(message.header, colorize_source(_mono8(message)))


def instances_picture(message: Any) -> CompressedImage:
    """mono16 numbers of objects in a colour each, as PNG."""
    ids = np.frombuffer(message.data, "<u2").reshape(message.height, message.width)
    return _png(message.header, colorize_ids(ids))


def outlines(message: Any) -> ImageAnnotations:
    """A ``mtl_perception/InstanceMaskArray``: lines around the parts of each object, over the camera's image."""
    if message.width * message.height > MAX_PIXELS:
        raise ValueError(f"masks are of {message.width}x{message.height} pixels, expected at most {MAX_PIXELS} in all")
    masks = InstanceMasks.of_counts(message.width, message.height, [one.counts for one in message.instances])
    return ImageAnnotations(
        points=[
            PointsAnnotation(
                timestamp=_time(message.header),
                type=PointsAnnotationType.LineLoop,
                points=[Point2(x=float(x), y=float(y)) for x, y in part],
                outline_color=_color(*(value / 255 for value in class_color(one.class_id))),
                thickness=1.0,
                metadata=[KeyValuePair(key="class", value=one.class_id), KeyValuePair(key="id", value=one.id)],
            )
            for number, one in enumerate(message.instances)
            for part in masks.outlines(number)
        ]
    )


def normals_picture(message: Any) -> CompressedImage:
    """32FC3 unit vectors in colours, as JPEG."""
    return picture(message.header, colorize_normals(np.frombuffer(message.data, "<f4").reshape(message.height, message.width, 3)))


def annotations(message: Any) -> ImageAnnotations:
    """A ``vision_msgs/Detection2DArray``: boxes, with class, score and the id of the track, over the camera's image."""
    time, boxes, texts = _time(message.header), [], []
    for one in message.detections:
        hypothesis, middle = one.results[0].hypothesis, one.bbox.center.position
        half_x, half_y = one.bbox.size_x / 2, one.bbox.size_y / 2
        color = _color(*(value / 255 for value in class_color(hypothesis.class_id)))
        corners = [(-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y)]
        told = [("class", hypothesis.class_id), ("score", f"{hypothesis.score:.2f}"), ("id", one.id)]
        metadata = [KeyValuePair(key=key, value=value) for key, value in told]
        boxes.append(
            PointsAnnotation(
                timestamp=time,
                type=PointsAnnotationType.LineLoop,
                points=[Point2(x=middle.x + x, y=middle.y + y) for x, y in corners],
                outline_color=color,
                thickness=2.0,
                metadata=metadata,
            )
        )
        texts.append(
            TextAnnotation(
                timestamp=time,
                position=Point2(x=middle.x - half_x, y=middle.y - half_y),
                text=f"{hypothesis.class_id} {hypothesis.score:.2f}" + (f" #{one.id}" if one.id else ""),
                font_size=12.0,
                text_color=_color(1.0, 1.0, 1.0),
                background_color=color,
                metadata=metadata,
            )
        )
    return ImageAnnotations(timestamp=time, points=boxes, texts=texts)


_GREEN = 0x28C85A
"""0x00RRGGBB."""


def point_cloud(message: Any, most: int) -> PointCloud:
    """A ``sensor_msgs/PointCloud2`` with x, y, z and perhaps rgb: what is known of an even grid of at most ``most`` points.

    Without rgb the points are green.
    """
    offsets = {field.name: field.offset for field in message.fields}
    has_color = "rgb" in offsets
    names = [*"xyz", "rgb"] if has_color else [*"xyz"]
    packed = np.dtype(
        {
            "names": names,
            "formats": ["<f4", "<f4", "<f4", "<u4"][: len(names)],
            "offsets": [offsets[name] for name in names],
            "itemsize": message.point_step,
        }
    )
    grid = np.frombuffer(message.data, packed).reshape(message.height, message.width)
    if message.height == 1:
        stride = max(1, math.ceil(grid.size / most))
        some = grid[0, ::stride]
    else:
        stride = max(1, math.ceil(math.sqrt(grid.size / most)))
        some = grid[stride // 2 :: stride, stride // 2 :: stride]
    some = some[np.isfinite(some["z"])]
    points = np.empty(len(some), _POINT)
    for axis in "xyz":
        points[axis] = some[axis]
    for shift, color in ((0, "blue"), (8, "green"), (16, "red")):
        points[color] = (some["rgb"] if has_color else _GREEN) >> shift & 255
    points["alpha"] = 255
    fields = [
        PackedElementField(name=name, offset=_POINT.fields[name][1], type=_NUMERIC[_POINT.fields[name][0].str[1:]]) for name in _POINT.names
    ]
    return PointCloud(
        timestamp=_time(message.header),
        frame_id=message.header.frame_id,
        pose=Pose(position=Vector3(), orientation=Quaternion(w=1.0)),
        point_stride=_POINT.itemsize,
        fields=fields,
        data=points.tobytes(),
    )


def scene_update(message: Any) -> SceneUpdate:
    """A ``visualization_msgs/MarkerArray`` of boxes, labels and trails; what it does not name is gone."""
    deletions = [
        SceneEntityDeletion(timestamp=_time(marker.header), type=SceneEntityDeletionType.All)
        for marker in message.markers
        if marker.action == _DELETE_ALL
    ]
    return SceneUpdate(deletions=deletions, entities=[_entity(one) for one in message.markers if one.action == 0])


def calibration(message: Any) -> CameraCalibration:
    """A ``sensor_msgs/CameraInfo``."""
    matrices = {name.upper(): list(getattr(message, name)) for name in "dkrp"}
    return CameraCalibration(
        timestamp=_time(message.header),
        frame_id=message.header.frame_id,
        width=message.width,
        height=message.height,
        distortion_model=message.distortion_model,
        **matrices,
    )


def frame_transforms(transforms: Sequence[Any]) -> FrameTransforms:
    """Several ``geometry_msgs/TransformStamped``."""
    return FrameTransforms(
        transforms=[
            FrameTransform(
                timestamp=_time(one.header),
                parent_frame_id=one.header.frame_id,
                child_frame_id=one.child_frame_id,
                translation=_vector(one.transform.translation),
                rotation=_quaternion(one.transform.rotation),
            )
            for one in transforms
        ]
    )


def _entity(marker: Any) -> SceneEntity:
    pose = Pose(position=_vector(marker.pose.position), orientation=_quaternion(marker.pose.orientation))
    color = _color(marker.color.r, marker.color.g, marker.color.b, marker.color.a)
    shapes: dict[str, list] = {}
    if marker.type == _CUBE:
        shapes["cubes"] = [CubePrimitive(pose=pose, size=_vector(marker.scale), color=color)]
    elif marker.type == _TEXT:
        shapes["texts"] = [TextPrimitive(pose=pose, billboard=True, font_size=marker.scale.z, color=color, text=marker.text)]
    elif marker.type == _LINE_STRIP:
        points = [Point3(x=point.x, y=point.y, z=point.z) for point in marker.points]
        kind = LinePrimitiveLineType.LineStrip
        shapes["lines"] = [LinePrimitive(type=kind, pose=pose, thickness=marker.scale.x, points=points, color=color)]
    return SceneEntity(timestamp=_time(marker.header), frame_id=marker.header.frame_id, id=f"{marker.ns}/{marker.id}", **shapes)


def _mono8(message: Any) -> np.ndarray:
    """(H, W) uint8, without the padding of its rows."""
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, : message.width]


def _png(header: Any, image: np.ndarray) -> CompressedImage:
    return _encoded(header, ".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encoded(header: Any, extension: str, image_rgb: np.ndarray, options: list[int]) -> CompressedImage:
    _, data = cv2.imencode(extension, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), options)
    kind = "jpeg" if extension == ".jpg" else "png"
    return CompressedImage(timestamp=_time(header), frame_id=header.frame_id, data=data.tobytes(), format=kind)


def _time(header: Any) -> Timestamp:
    return Timestamp(max(0, header.stamp.sec), header.stamp.nanosec)


def _vector(of: Any) -> Vector3:
    return Vector3(x=of.x, y=of.y, z=of.z)


def _quaternion(of: Any) -> Quaternion:
    return Quaternion(x=of.x, y=of.y, z=of.z, w=of.w)


def _color(r: float, g: float, b: float, a: float = 1.0) -> Color:
    return Color(r=r, g=g, b=b, a=a)
