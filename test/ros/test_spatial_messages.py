# SPDX-License-Identifier: Apache-2.0
"""Points, 3D boxes and markers, written by us and read back by ROS's own readers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import Marker

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D, Depth, Detections, Scene, Segmentation
from mtl_perception.pipeline import Postprocessor
from mtl_perception.ros.cdr import pack_header
from mtl_perception.ros.outputs.detections_3d import write_detections_3d
from mtl_perception.ros.outputs.markers import MarkersWriter
from mtl_perception.ros.outputs.points import Cloud, point_filter
from mtl_perception.ros.outputs.writer import Result
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.spatial.points import POINT, PointProjector

NAMES = ["", "a", "ab", "abc", "abcd", "camera_färbe"]
"""Lengths of strings decide the alignment of everything behind them."""
WIDTH, HEIGHT = 24, 16
CAMERA = Intrinsics(WIDTH, HEIGHT, 20.0, 20.0, 11.5, 7.5)
LABELS = ["box", "cup", "bottle"]


def header(frame_id: str) -> Header:
    return Header(stamp=Time(sec=-7, nanosec=999_999_999), frame_id=frame_id)


def cloud() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, the image and the mask that they are of; some depths unknown."""
    rng = np.random.default_rng(4)
    depth_m = rng.uniform(0.5, 5.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth_m[rng.random((HEIGHT, WIDTH)) < 0.2] = np.nan
    image_rgb = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    mask = rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    return PointProjector()(Depth(depth_m), CAMERA, image_rgb, Segmentation(mask, mask)), image_rgb, mask


def sent(points: np.ndarray, frame_id: str) -> PointCloud2:
    """As its reader gets it."""
    one = Cloud(*points.shape)
    one.points[:] = points
    one.message.header = header(frame_id)
    return deserialize_message(serialize_message(one.message), PointCloud2)


@pytest.mark.parametrize("frame_id", NAMES)
def test_a_point_cloud_as_ros_reads_it(frame_id):
    points, image_rgb, mask = cloud()
    message = sent(points, frame_id)
    assert message.header == header(frame_id)
    assert (message.height, message.width, message.point_step, message.row_step) == (HEIGHT, WIDTH, 20, 20 * WIDTH)
    assert (message.is_bigendian, message.is_dense) == (False, False)
    fields = {field.name: (field.offset, field.datatype, field.count) for field in message.fields}
    assert fields == {"x": (0, 7, 1), "y": (4, 7, 1), "z": (8, 7, 1), "rgb": (12, 7, 1), "label": (16, 6, 1)}

    dtype = np.dtype([(name, "<u4" if datatype == 6 else "<f4") for name, (_, datatype, _) in fields.items()])
    read = np.frombuffer(message.data, dtype)
    for axis in "xyz":
        np.testing.assert_array_equal(read[axis].reshape(HEIGHT, WIDTH), points[axis])
    packed = np.ascontiguousarray(read["rgb"]).view(np.uint32).reshape(HEIGHT, WIDTH)
    np.testing.assert_array_equal(np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], -1), image_rgb)
    np.testing.assert_array_equal(read["label"].reshape(HEIGHT, WIDTH), mask)


def test_no_colour_and_no_label_is_taken_for_nan():
    """Readers that skip points with a NaN look at every field: a label in the fourth byte of rgb would cost points."""
    image_rgb, mask = np.full((HEIGHT, WIDTH, 3), 255, np.uint8), np.full((HEIGHT, WIDTH), 255, np.uint8)
    points = PointProjector()(Depth(np.ones((HEIGHT, WIDTH), np.float32)), CAMERA, image_rgb, Segmentation(mask, mask))
    assert not any(np.isnan(points[name]).any() for name in POINT.names)


def test_sensor_msgs_py_skips_exactly_the_points_without_depth():
    point_cloud2 = pytest.importorskip("sensor_msgs_py.point_cloud2", reason="comes with apt's ROS alone")
    points, _, mask = cloud()
    message = sent(points, "camera")
    read = point_cloud2.read_points(message, skip_nans=True)
    known = np.isfinite(points["z"])
    assert 0 < len(read) < points.size
    np.testing.assert_array_equal(read["label"], mask[known])


@pytest.mark.parametrize("frame_id", NAMES)
@pytest.mark.parametrize("label", NAMES)
@pytest.mark.parametrize("track", ["", "17", "4711"])
def test_3d_detections_as_ros_reads_them(frame_id, label, track):
    found = Detections(np.zeros((3, 4), np.float32), np.array([0.9, 0.8, 0.7], np.float32), np.array([1, 0, 0]))
    rng = np.random.default_rng(5)
    half = np.sqrt(0.5)
    spread = rng.normal(size=(3, 3, 3))
    boxes = Boxes3D(
        rng.normal(size=(3, 3)),
        rng.uniform(0.1, 2.0, (3, 3)),
        np.array([[0, 0, 0, 1], [half, 0, 0, half], [0, half, 0, half]]),
        spread @ spread.transpose(0, 2, 1),
        np.array([True, False, True]),
    )
    serialised = write_detections_3d(pack_header(header(frame_id)), found, boxes, [label, "cup"], [track, "", "x" + track])
    message = deserialize_message(serialised, Detection3DArray)
    assert message.header == header(frame_id) and len(message.detections) == 2
    for one, number in zip(message.detections, (0, 2)):
        assert one.header == message.header
        (result,) = one.results
        assert result.hypothesis.class_id == ["cup", label, label][number]
        assert result.hypothesis.score == pytest.approx([0.9, 0.8, 0.7][number])
        assert one.id == [track, "", "x" + track][number]
        assert one.bbox.center == result.pose.pose
        position, orientation, size = one.bbox.center.position, one.bbox.center.orientation, one.bbox.size
        np.testing.assert_array_equal([position.x, position.y, position.z], boxes.centers_m[number])
        np.testing.assert_array_equal([orientation.x, orientation.y, orientation.z, orientation.w], boxes.quaternions_xyzw[number])
        np.testing.assert_array_equal([size.x, size.y, size.z], boxes.sizes_m[number])
        covariance = result.pose.covariance.reshape(6, 6)
        np.testing.assert_allclose(covariance[:3, :3], boxes.center_covariances_m2[number])
        assert (np.linalg.eigvalsh(covariance) > 0).all()


def test_no_3d_detections_make_an_empty_array():
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    boxes = BoxEstimator(LABELS)(Scene(WIDTH, HEIGHT, nothing, None, Depth(np.ones((HEIGHT, WIDTH), np.float32))), CAMERA)
    message = deserialize_message(write_detections_3d(pack_header(header("c")), nothing, boxes, LABELS), Detection3DArray)
    assert message.detections == []


def settings(**changed):
    values = {"max_range": 0.0, "min_confidence": 0.0, "max_uncertainty": 0.0, "remove_classes": []} | changed
    return {f"points.{name}": value for name, value in values.items()}


def test_parameters_of_points_become_a_filter_and_zero_is_no_limit():
    free = point_filter(LABELS, settings())
    assert (free.max_range_m, free.max_relative_std, free.removed_ids) == (np.inf, np.inf, frozenset())
    some = point_filter(LABELS, settings(max_range=3.0, max_uncertainty=0.2, min_confidence=0.4, remove_classes=["cup"]))
    assert (some.max_range_m, some.max_relative_std, some.min_confidence) == (3.0, 0.2, 0.4)
    assert some.removed_ids == {1}
    with pytest.raises(ValueError, match="'sofa', expected classes of this model: box, cup, bottle"):
        point_filter(LABELS, settings(remove_classes=["sofa"]))


class _Place:
    up = None

    def __init__(self, frame_id: str, pose: np.ndarray | None = None) -> None:
        self.output_header = header(frame_id)
        self.to_output = np.eye(4) if pose is None else pose


def result(boxes: int, place: _Place | None = None, tracks=None) -> Result:
    corners = np.array([[2, 2, 10, 12], [12, 3, 22, 14]], np.float32)[:boxes]
    found = Detections(corners, np.array([0.9, 0.8], np.float32)[:boxes], np.array([2, 1])[:boxes])
    depth = Depth(np.full((HEIGHT, WIDTH), 2.0, np.float32))
    scene = Scene(WIDTH, HEIGHT, found, None, depth)
    place = place or _Place("camera")
    frame = Postprocessor(LABELS, [])(scene, np.zeros((HEIGHT, WIDTH, 3), np.uint8), CAMERA, placement=place)
    return Result(header("camera"), replace(frame, tracks=tracks), place)


def shown(array) -> dict[str, list[Marker]]:
    """What a viewer that starts with this message shows, by namespace."""
    first, *others = array.markers
    assert first.action == Marker.DELETEALL
    assert all(marker.action == Marker.ADD for marker in others)
    keys = [(marker.ns, marker.id) for marker in others]
    assert len(keys) == len(set(keys))
    return {ns: [marker for marker in others if marker.ns == ns] for ns, _ in keys}


def test_markers_show_each_box_with_its_name_and_what_is_gone_is_deleted():
    writer = MarkersWriter(None, LABELS, {"fixed_frame": "odom"})
    two = shown(writer.fill(result(2)))
    assert [marker.text.split()[0] for marker in two["labels"]] == ["bottle", "cup"]
    for number, marker in enumerate(two["boxes"]):
        assert marker.type == Marker.CUBE and marker.header == header("camera")
        size = result(2).boxes_3d.sizes_m[number]
        np.testing.assert_array_equal([marker.scale.x, marker.scale.y, marker.scale.z], size)
        assert 0 < marker.color.a < 1
        assert two["labels"][number].pose.position.y < marker.pose.position.y - size[1] / 2  # above, y points down
    assert len(shown(writer.fill(result(1)))["boxes"]) == 1
    assert shown(writer.fill(result(0))) == {}


def test_boxes_and_markers_come_in_the_output_frame():
    pose = np.array([[0, 0, 1, 0.5], [-1, 0, 0, 0], [0, -1, 0, 1.0], [0, 0, 0, 1]], float)
    moved, own = result(1, _Place("base_link", pose)), result(1)
    (marker,) = shown(MarkersWriter(None, LABELS, {"fixed_frame": ""}).fill(moved))["boxes"]
    expected = pose[:3, :3] @ own.boxes_3d.centers_m[0] + pose[:3, 3]
    position = marker.pose.position
    np.testing.assert_allclose([position.x, position.y, position.z], expected)
    assert marker.header.frame_id == "base_link"
    quaternion = moved.output_boxes_3d.quaternions_xyzw[0]
    np.testing.assert_allclose(np.abs(quaternion), 0.5, atol=1e-9)


def test_without_its_place_or_calibration_nothing_is_said():
    unknown = _Place("base_link")
    unknown.to_output = None
    writer = MarkersWriter(None, LABELS, {"fixed_frame": ""})
    assert writer.fill(result(1, unknown)) is None
    place = _Place("camera")
    uncalibrated = Postprocessor(LABELS, [])(result(1).scene, np.zeros((HEIGHT, WIDTH, 3), np.uint8), None, placement=place)
    assert writer.fill(Result(header("camera"), uncalibrated, place)) is None


def test_a_trail_grows_with_its_track_and_ends_with_it():
    writer = MarkersWriter(None, LABELS, {"fixed_frame": "odom"})

    def seen(*positions_m, fixed=True):
        tracks = [SimpleNamespace(id=7 + i, class_id=1, position_m=np.array(p)) for i, p in enumerate(positions_m)]
        told = SimpleNamespace(tracks=tracks, is_in_fixed_frame=fixed, detection_ids=["7"])
        return shown(writer.fill(result(1, tracks=told))).get("trails", [])

    assert seen((1.0, 0.0, 0.0)) == []  # one place is no line
    (trail,) = seen((1.5, 0.0, 0.0))
    assert (trail.id, trail.header.frame_id, trail.type) == (7, "odom", Marker.LINE_STRIP)
    assert [point.x for point in trail.points] == [1.0, 1.5]
    assert seen() == []
    assert seen((2.0, 0.0, 0.0)) == []  # the old trail is forgotten
    assert seen((2.5, 0.0, 0.0), fixed=False) == []  # a frame that moves with the camera draws no trail
