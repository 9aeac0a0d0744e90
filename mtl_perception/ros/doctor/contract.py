# SPDX-License-Identifier: Apache-2.0
"""Rules that the readers of our topics rely on, as checks of messages. Each yields a sentence for whatever is broken.

The reason of each rule is its reader: Nav2's layers, MoveIt's octomap, depth_image_proc, RViz, time synchronisers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from vision_msgs.msg import Detection2DArray, Detection3DArray, LabelInfo
from visualization_msgs.msg import Marker, MarkerArray

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.msg import InstanceMaskArray, TrackArray
from mtl_perception.spatial.depth_fusion import Source

_DEPTH_BYTES = {"32FC1": 4, "16UC1": 2}


def broken_mask(message: Image, what: str = "mask") -> Iterator[str]:
    """The semantic layer reads byte number row × width + column, whatever ``step`` says."""
    if message.encoding != "mono8":
        yield f"{what} has the encoding {cut(message.encoding)!r}, expected mono8"
    if message.step != message.width:
        yield f"{what} has a step of {message.step} bytes at a width of {message.width}, expected no row padding"
    if len(message.data) != message.height * message.step:
        yield f"{what} holds {len(message.data)} bytes, expected {message.height} rows of {message.step}"


def broken_confidence(message: Image, mask: Image | None) -> Iterator[str]:
    """The semantic layer reads both by the same place."""
    yield from broken_mask(message, "confidence")
    if mask is not None and (message.width, message.height) != (mask.width, mask.height):
        yield (f"confidence is {message.width}x{message.height} and the mask {mask.width}x{mask.height}, expected one grid")


def broken_overlay(message: Image, depth: Image | None) -> Iterator[str]:
    """RViz's depth cloud takes its colours from here, by the same place."""
    if message.encoding != "rgb8" or message.step != 3 * message.width or len(message.data) != message.height * message.step:
        yield (
            f"overlay is {cut(message.encoding)} with a step of {message.step} and {len(message.data)} bytes, "
            f"expected rgb8 without row padding of {message.width}x{message.height} pixels"
        )
    if depth is not None and (message.width, message.height) != (depth.width, depth.height):
        yield (
            f"overlay has {message.width}x{message.height} pixels and depth {depth.width}x{depth.height}, "
            "expected those of the camera's image in both"
        )


def broken_ids(mask: Image, labels: LabelInfo) -> Iterator[str]:
    """The semantic layer leaves out ids without a name."""
    unknown = set(np.unique(np.frombuffer(mask.data, np.uint8)).tolist()) - {one.class_id for one in labels.class_map}
    if unknown - {UNLABELLED}:
        yield f"mask holds the ids {sorted(unknown - {UNLABELLED})}, expected those in label_info, or {UNLABELLED}"


def broken_labels(message: LabelInfo) -> Iterator[str]:
    """Costs are found by name, and names by id."""
    ids, names = [one.class_id for one in message.class_map], [one.class_name for one in message.class_map]
    if not ids:
        yield "label_info names no class, expected all that the mask may hold"
    if len(set(ids)) != len(ids) or len(set(names)) != len(names):
        yield "label_info has an id or a name twice, expected each once"
    if any(not 0 <= number < UNLABELLED for number in ids):
        yield f"label_info has ids beyond 0 to {UNLABELLED - 1}; {UNLABELLED} means unlabelled and has no name"
    if not all(names):
        yield "label_info has an empty name"


def broken_depth(message: Image) -> Iterator[str]:
    """REP 118. Readers take 0 m for a point at the camera, and infinity for a far one."""
    if message.encoding not in _DEPTH_BYTES:
        yield f"depth has the encoding {cut(message.encoding)!r}, expected 32FC1 (metres) or 16UC1 (millimetres)"
        return
    row_bytes = message.width * _DEPTH_BYTES[message.encoding]
    if message.step != row_bytes or len(message.data) != message.height * row_bytes:
        yield (f"depth has a step of {message.step} and {len(message.data)} bytes, expected {row_bytes} for each of {message.height} rows")
        return
    if message.is_bigendian:
        yield "depth is big-endian, expected little-endian as its readers' machines are"
    if message.encoding == "32FC1":
        depth_m = np.frombuffer(message.data, "<f4")
        if np.isinf(depth_m).any():
            yield "depth holds infinities, expected NaN where it is unknown"
        if (depth_m <= 0).any():
            yield f"depth holds {depth_m[depth_m <= 0].max()} m, expected more than 0, and NaN where it is unknown"


def broken_source(message: Image, depth: Image | None) -> Iterator[str]:
    """Who weighs depth by where it is from reads it by the same place."""
    yield from broken_mask(message, "depth/source")
    if depth is not None and (message.width, message.height) != (depth.width, depth.height):
        yield f"depth/source is {message.width}x{message.height} and depth {depth.width}x{depth.height}, expected the same"
    values = np.unique(np.frombuffer(message.data, np.uint8)).tolist()
    unknown = [value for value in values if value not in list(Source)]
    if unknown:
        yield f"depth/source holds {unknown[0]}, expected {', '.join(f'{one.value} ({one.name.lower()})' for one in Source)}"


def broken_instances(message: Image, detections: Detection2DArray | None) -> Iterator[str]:
    """Whose pixel it is, is looked up among the detections of the same stamp."""
    if (
        message.encoding != "mono16"
        or message.is_bigendian
        or message.step != 2 * message.width
        or len(message.data) != message.height * message.step
    ):
        yield (
            f"instances is {cut(message.encoding)} with a step of {message.step} and {len(message.data)} bytes, "
            f"expected little-endian mono16 without row padding of {message.width}x{message.height} pixels"
        )
        return
    highest = int(np.frombuffer(message.data, "<u2").max(initial=0))
    if detections is not None and highest > len(detections.detections):
        yield f"instances holds {highest}, and there are {len(detections.detections)} detections: expected at most their number"


def broken_instance_masks(message: InstanceMaskArray, detections: Detection2DArray | None) -> Iterator[str]:
    """Whose mask it is, is known by its place among the detections of the same stamp; readers unpack runs into width x height pixels."""
    if detections is not None and len(message.instances) != len(detections.detections):
        yield f"instances/masks holds {len(message.instances)} masks, expected one for each of {len(detections.detections)} detections"
    elif detections is not None and [one.class_id for one in message.instances] != [
        one.results[0].hypothesis.class_id for one in detections.detections
    ]:
        yield "instances/masks has other classes than detections, expected the same in the same order"
    for one in message.instances:
        pixels = sum(one.counts)
        if pixels != message.width * message.height:
            yield f"a mask has runs of {pixels} pixels, expected {message.width}x{message.height} = {message.width * message.height}"
        if 0 in one.counts[1:]:
            yield "a mask has an empty run, expected none but the first to be"


def broken_normals(message: Image) -> Iterator[str]:
    """Directions are used as they are, without being brought to length one."""
    if message.encoding != "32FC3" or message.step != 12 * message.width or len(message.data) != message.height * message.step:
        yield (
            f"normals/image is {cut(message.encoding)} with a step of {message.step} and {len(message.data)} bytes, "
            f"expected 32FC3 without row padding of {message.width}x{message.height} pixels"
        )
        return
    lengths = np.linalg.norm(np.frombuffer(message.data, "<f4").reshape(-1, 3), axis=1)
    wrong = np.isfinite(lengths) & (np.abs(lengths - 1) > 1e-2)
    if wrong.any():
        yield f"normals/image holds vectors of length {lengths[wrong][0]:.3g}, expected 1, and NaN where there is none"


def broken_camera_info(info: CameraInfo, depth: Image | None) -> Iterator[str]:
    """MoveIt reads K, depth_image_proc P; both take the size from the image."""
    for name, values in (("K", (info.k[0], info.k[4])), ("P", (info.p[0], info.p[5]))):
        if not all(math.isfinite(value) and value > 0 for value in values):
            yield f"depth/camera_info has focal lengths of {values} in {name}, expected positive numbers in both K and P"
    if depth is not None and (info.width, info.height) != (depth.width, depth.height):
        yield (
            f"depth/camera_info is for {info.width}x{info.height} pixels and the depth image has "
            f"{depth.width}x{depth.height}, expected the same"
        )


def broken_points(cloud: PointCloud2, mask: Image | None) -> Iterator[str]:
    """The semantic layer pairs points and mask by their place in the grid; voxel layers read x, y, z as floats."""
    fields = {field.name: field for field in cloud.fields}
    for axis in "xyz":
        if axis not in fields or fields[axis].datatype != PointField.FLOAT32:
            yield f"points have no float32 field {axis}, expected x, y and z"
            return
    if cloud.row_step != cloud.width * cloud.point_step or len(cloud.data) != cloud.height * cloud.row_step:
        yield (f"points hold {len(cloud.data)} bytes in rows of {cloud.row_step}, expected {cloud.height} rows of width × point_step")
        return
    if cloud.height < 2:
        yield f"points are {cloud.width}x{cloud.height}, expected rows and columns as in the mask"
    values = _points(cloud, fields)
    xyz = np.stack([values[axis] for axis in "xyz"])
    if np.isinf(xyz).any():
        yield "points hold infinities, expected NaN in x, y and z where nothing is known"
    if (np.isnan(xyz).any(0) != np.isnan(xyz).all(0)).any():
        yield "some points are NaN in one coordinate only, expected all three"
    if np.isnan(xyz).any() and cloud.is_dense:
        yield "points hold NaN and are said to be dense, expected is_dense false"
    if mask is None:
        return
    if (cloud.width, cloud.height) != (mask.width, mask.height):
        yield f"points are {cloud.width}x{cloud.height} and the mask {mask.width}x{mask.height}, expected one grid"
    elif "label" in fields and (values["label"] != np.frombuffer(mask.data, np.uint8)).any():
        yield "labels of points differ from the mask, expected the same class at the same place"


def broken_free_space(cloud: PointCloud2) -> Iterator[str]:
    """Costmaps clear along the ray to every point."""
    if [(field.name, field.datatype) for field in cloud.fields] != [(axis, PointField.FLOAT32) for axis in "xyz"]:
        yield "free_space has other fields than float32 x, y and z"
    elif len(cloud.data) != cloud.width * cloud.height * cloud.point_step:
        yield f"free_space holds {len(cloud.data)} bytes, expected {cloud.width} points of {cloud.point_step}"
    elif not all(
        np.isfinite(values).all() for values in (_points(cloud, {field.name: field for field in cloud.fields})[axis] for axis in "xyz")
    ):
        yield "free_space has points that are not finite, expected free cells alone"


def broken_people(message: Any) -> Iterator[str]:
    """Costs are laid around a person, ahead of who moves."""
    yield from _broken_track_ids([one.name for one in message.people], "people")
    for one in message.people:
        if not all(map(math.isfinite, (getattr(of, axis) for of in (one.position, one.velocity) for axis in "xyz"))):
            yield "a person has a place or a velocity that is not finite"
        if not 0 <= one.reliability <= 1:
            yield f"a person has a reliability of {one.reliability}, expected 0 to 1"


def broken_detections(message: Detection2DArray) -> Iterator[str]:
    """RViz reads results[0] unasked and colours by class_id."""
    yield from _broken_track_ids([one.id for one in message.detections], "detections")
    for one in message.detections:
        yield from _broken_hypotheses(one, message)
        box = one.bbox
        values = (box.center.position.x, box.center.position.y, box.size_x, box.size_y)
        if not all(map(math.isfinite, values)) or min(box.size_x, box.size_y) < 0:
            yield f"a detection has the box {values}, expected finite numbers and sizes of at least 0"


def broken_detections_3d(message: Detection3DArray) -> Iterator[str]:
    """RViz draws nothing, or aborts, on a quaternion of zeros or a negative size."""
    for one in message.detections:
        yield from _broken_hypotheses(one, message)
        yield from _broken_pose(one.bbox.center, "a 3D detection")
        size = one.bbox.size
        if not all(math.isfinite(value) and value >= 0 for value in (size.x, size.y, size.z)):
            yield f"a 3D detection has the size {(size.x, size.y, size.z)}, expected at least 0"
        for result in one.results:
            yield from _broken_covariance(np.asarray(result.pose.covariance).reshape(6, 6), "a 3D detection")


def broken_tracks(message: TrackArray) -> Iterator[str]:
    """Who follows objects goes by their ids, and weighs places by their covariances."""
    yield from _broken_track_ids([one.id for one in message.tracks], "tracks")
    for one in message.tracks:
        if one.id == 0 or not _is_name(one.class_id):
            yield f"a track has the id {one.id} and the class_id {cut(one.class_id)!r}, expected from 1 on, and a class's name"
        if not one.has_position:
            continue
        if not all(map(math.isfinite, (getattr(of, axis) for of in (one.position, one.velocity) for axis in "xyz"))):
            yield f"the track {one.id} has a place or a velocity that is not finite"
        for values in (one.position_covariance, one.velocity_covariance):
            yield from _broken_covariance(np.asarray(values).reshape(3, 3), f"the track {one.id}")


def broken_markers(message: MarkerArray) -> Iterator[str]:
    """A viewer keeps what is not deleted."""
    if not message.markers or message.markers[0].action != Marker.DELETEALL:
        yield "markers do not begin with DELETEALL, expected that what is gone is deleted"
    for marker in message.markers:
        if marker.action == Marker.ADD:
            yield from _broken_pose(marker.pose, f"the marker {cut(marker.ns)}/{marker.id}")
            if marker.type == Marker.CUBE and min(marker.scale.x, marker.scale.y, marker.scale.z) <= 0:
                yield f"the marker {cut(marker.ns)}/{marker.id} has no volume"


def _broken_hypotheses(one: Any, message: Any) -> Iterator[str]:
    if one.header != message.header:
        yield "a detection has another header than its array, expected the image's in both"
    if not one.results:
        yield "a detection has no results, expected at least one"
    for result in one.results:
        hypothesis = result.hypothesis
        if not _is_name(hypothesis.class_id):
            yield f"a detection has the class_id {cut(hypothesis.class_id)!r}, expected a class's name"
        if not 0 <= hypothesis.score <= 1:
            yield f"a detection has a score of {hypothesis.score}, expected 0 to 1"
        yield from _broken_pose(result.pose.pose, "a detection's result")


def _is_name(class_id: str) -> bool:
    """Whether it may name a class. Boxes may be of classes that the mask lacks, so label_info does not say."""
    return bool(class_id) and not class_id.isdecimal()


def _broken_track_ids(ids: Sequence[Any], what: str) -> Iterator[str]:
    known = [one for one in ids if one]
    if len(set(known)) != len(known):
        yield f"{what} have an id twice, expected each of a frame once"


def _broken_covariance(covariance: np.ndarray, what: str) -> Iterator[str]:
    if not np.isfinite(covariance).all() or not np.allclose(covariance, covariance.T):
        yield f"{what} has a covariance that is not finite and symmetric"
    elif np.linalg.eigvalsh(covariance).min() < -1e-9:
        yield f"{what} has a covariance with a negative eigenvalue"


def _broken_pose(pose: Any, what: str) -> Iterator[str]:
    position, turn = pose.position, pose.orientation
    if not all(map(math.isfinite, (position.x, position.y, position.z))):
        yield f"{what} has a place that is not finite"
    length = math.hypot(turn.x, turn.y, turn.z, turn.w)
    if not abs(length - 1) < 1e-3:
        yield f"{what} has an orientation of length {length:.3g}, expected a unit quaternion"


def _points(cloud: PointCloud2, fields: dict[str, PointField]) -> np.ndarray:
    formats = {PointField.UINT8: "u1", PointField.UINT16: "<u2", PointField.UINT32: "<u4", PointField.FLOAT32: "<f4"}
    wanted = [name for name in ("x", "y", "z", "label") if name in fields and fields[name].datatype in formats]
    dtype = np.dtype(
        {
            "names": wanted,
            "formats": [formats[fields[name].datatype] for name in wanted],
            "offsets": [fields[name].offset for name in wanted],
            "itemsize": cloud.point_step,
        }
    )
    return np.frombuffer(cloud.data, dtype)
