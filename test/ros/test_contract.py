# SPDX-License-Identifier: Apache-2.0
"""Each rule of the contract holds for what we write and names what breaks it."""

from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header
from vision_msgs.msg import (
    BoundingBox3D,
    Detection2D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    VisionClass,
)
from visualization_msgs.msg import Marker, MarkerArray

from mtl_perception.msg import InstanceMask, InstanceMaskArray, Track, TrackArray
from mtl_perception.ros.doctor import contract
from mtl_perception.spatial.points import POINT


def mask(**changed) -> Image:
    pixels = np.array([[0, 1, 255], [1, 1, 0]], np.uint8)
    values = {"height": 2, "width": 3, "encoding": "mono8", "step": 3, "data": pixels.ravel().tolist()} | changed
    return Image(**values)


def depth(values=(1.0, 2.0, np.nan, 0.5), **changed) -> Image:
    data = np.array(values, "<f4").tobytes()
    return Image(**{"height": 2, "width": 2, "encoding": "32FC1", "step": 8, "data": list(data)} | changed)


def info(**changed) -> CameraInfo:
    k, p = [50.0, 0, 1, 0, 50.0, 1, 0, 0, 1], [50.0, 0, 1, 0, 0, 50.0, 1, 0, 0, 0, 1, 0]
    return CameraInfo(**{"width": 2, "height": 2, "k": k, "p": p} | changed)


def labels(*pairs) -> LabelInfo:
    return LabelInfo(class_map=[VisionClass(class_id=number, class_name=name) for number, name in pairs])


def points(change=lambda values: None, **changed) -> PointCloud2:
    values = np.zeros((2, 3), POINT)
    values["z"], values["label"] = 1.0, [[0, 1, 255], [1, 1, 0]]
    for axis in "xyz":
        values[axis][0, 2] = np.nan
    change(values)
    fields = [PointField(name=name, offset=POINT.fields[name][1], datatype=6 if name == "label" else 7, count=1) for name in POINT.names]
    message = {"height": 2, "width": 3, "fields": fields, "point_step": 20, "row_step": 60, "is_dense": False}
    return PointCloud2(**message | {"data": list(values.tobytes())} | changed)


def hypothesis(class_id="box", score=0.5, w=1.0) -> ObjectHypothesisWithPose:
    result = ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=class_id, score=score))
    result.pose.pose.orientation.w = w
    return result


def detections(*results, size=2.0, header=Header()) -> Detection2DArray:
    one = Detection2D(header=header, results=list(results))
    one.bbox.size_x = one.bbox.size_y = size
    return Detection2DArray(detections=[one])


def detections_3d(result=None, size=1.0, w=1.0, x=0.0) -> Detection3DArray:
    pose = Pose(position=Point(x=x), orientation=Quaternion(w=w))
    box = BoundingBox3D(center=pose, size=Vector3(x=size, y=1.0, z=1.0))
    return Detection3DArray(detections=[Detection3D(results=[result or hypothesis()], bbox=box)])


def uncertain(**places) -> ObjectHypothesisWithPose:
    result = hypothesis()
    covariance = np.eye(6)
    for place, value in places.items():
        covariance[int(place[1]), int(place[2])] = value
    result.pose.covariance = covariance.ravel()
    return result


def markers(*, clear=True, **changed) -> MarkerArray:
    cube = Marker(**{"type": Marker.CUBE, "ns": "boxes", "scale": Vector3(x=1.0, y=1.0, z=1.0)} | changed)
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL)] * clear + [cube])


def overlay(**changed) -> Image:
    return Image(**{"height": 2, "width": 2, "encoding": "rgb8", "step": 6, "data": [0] * 12} | changed)


def track(**changed) -> Track:
    unit = np.eye(3).ravel()
    known = {"has_position": True, "position_covariance": unit, "velocity_covariance": unit}
    return Track(**{"id": 1, "class_id": "box", **known} | changed)


def tracks(*some: Track) -> TrackArray:
    return TrackArray(tracks=list(some))


def twice() -> Detection2DArray:
    message = detections(hypothesis())
    message.detections[0].id = "7"
    message.detections *= 2
    return message


def set_point(axis, value):
    def change(values):
        values[axis][1, 1] = value

    return change


def everywhere(axis_values):
    def change(values):
        for axis in "xyz":
            values[axis][1, 1] = axis_values

    return change


@pytest.mark.parametrize(
    "answer",
    [
        contract.broken_mask(mask()),
        contract.broken_ids(mask(), labels((0, "a"), (1, "b"))),
        contract.broken_labels(labels((0, "a"), (1, "b"))),
        contract.broken_depth(depth()),
        contract.broken_depth(Image(height=1, width=2, encoding="16UC1", step=4, data=[0, 0, 1, 2])),
        contract.broken_camera_info(info(), depth()),
        contract.broken_points(points(), mask()),
        contract.broken_points(points(), None),
        contract.broken_detections(detections(hypothesis())),
        contract.broken_detections(Detection2DArray()),
        contract.broken_detections_3d(detections_3d(uncertain())),
        contract.broken_detections_3d(Detection3DArray()),
        contract.broken_markers(markers()),
        contract.broken_confidence(mask(), mask()),
        contract.broken_overlay(overlay(), depth()),
        contract.broken_tracks(tracks(track(), track(id=2, has_position=False))),
        contract.broken_tracks(TrackArray()),
    ],
)
def test_what_is_right_breaks_nothing(answer):
    assert list(answer) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (contract.broken_mask(mask(encoding="8UC1")), "'8UC1', expected mono8"),
        (contract.broken_mask(mask(step=4, data=[0] * 8)), "step of 4 bytes at a width of 3"),
        (contract.broken_mask(mask(data=[0] * 5)), "5 bytes"),
        (contract.broken_ids(mask(), labels((0, "a"))), r"ids \[1\]"),
        (contract.broken_labels(labels()), "no class"),
        (contract.broken_labels(labels((0, "a"), (0, "b"))), "twice"),
        (contract.broken_labels(labels((0, "a"), (1, "a"))), "twice"),
        (contract.broken_labels(labels((0, "a"), (255, "nothing"))), "beyond 0 to 254"),
        (contract.broken_labels(labels((0, ""))), "empty name"),
        (contract.broken_depth(depth(encoding="64FC1")), "'64FC1'"),
        (contract.broken_depth(depth(step=16)), "step of 16"),
        (contract.broken_depth(depth(is_bigendian=1)), "big-endian"),
        (contract.broken_depth(depth((1.0, np.inf, 1.0, 1.0))), "infinities"),
        (contract.broken_depth(depth((1.0, 0.0, 1.0, 1.0))), r"0\.0 m, expected more than 0"),
        (contract.broken_depth(depth((1.0, -2.0, 1.0, 1.0))), r"-2\.0 m"),
        (contract.broken_camera_info(info(k=[0.0] * 9), None), "in K"),
        (contract.broken_camera_info(info(p=[0.0] * 12), None), "in P"),
        (contract.broken_camera_info(info(k=[np.nan] * 9), None), "in K"),
        (contract.broken_camera_info(info(width=4), depth()), "4x2 pixels and the depth image has 2x2"),
        (contract.broken_points(points(fields=[]), None), "no float32 field x"),
        (contract.broken_points(points(row_step=64), None), "rows of 64"),
        (contract.broken_points(points(height=1, width=6, row_step=120), None), "6x1"),
        (contract.broken_points(points(set_point("x", np.inf)), None), "infinities"),
        (contract.broken_points(points(set_point("y", np.nan)), None), "one coordinate only"),
        (contract.broken_points(points(is_dense=True), None), "dense"),
        (contract.broken_points(points(), mask(height=3, width=2, step=2)), "3x2 and the mask 2x3"),
        (contract.broken_points(points(set_point("label", 0)), mask()), "differ from the mask"),
        (contract.broken_detections(detections()), "no results"),
        (contract.broken_detections(detections(hypothesis("7"))), "'7'"),
        (contract.broken_detections(detections(hypothesis(""))), "class_id ''"),
        (contract.broken_detections(detections(hypothesis(score=1.5))), r"score of 1\.5"),
        (contract.broken_detections(detections(hypothesis(w=0.0))), "length 0"),
        (contract.broken_detections(detections(hypothesis(), size=-1.0)), "sizes of at least 0"),
        (contract.broken_detections(detections(hypothesis(), header=Header(frame_id="x"))), "another header"),
        (contract.broken_detections_3d(detections_3d(size=-1.0)), r"size \(-1\.0"),
        (contract.broken_detections_3d(detections_3d(w=0.0)), "orientation of length 0"),
        (contract.broken_detections_3d(detections_3d(x=np.nan)), "not finite"),
        (contract.broken_detections_3d(detections_3d(uncertain(_01=0.5))), "symmetric"),
        (contract.broken_detections_3d(detections_3d(uncertain(_22=-1.0))), "negative eigenvalue"),
        (contract.broken_markers(markers(clear=False)), "DELETEALL"),
        (contract.broken_markers(MarkerArray()), "DELETEALL"),
        (contract.broken_markers(markers(scale=Vector3())), "no volume"),
        (contract.broken_detections(twice()), "an id twice"),
        (contract.broken_confidence(mask(encoding="8UC1"), mask()), "confidence has the encoding '8UC1'"),
        (contract.broken_confidence(mask(height=1, data=[0] * 3), mask()), "3x1 and the mask 3x2"),
        (contract.broken_overlay(overlay(encoding="bgr8"), None), "overlay is bgr8"),
        (contract.broken_overlay(overlay(step=8), None), "step of 8"),
        (contract.broken_overlay(overlay(height=1, data=[0] * 6), depth()), "2x1 pixels and depth 2x2"),
        (contract.broken_tracks(tracks(track(), track())), "an id twice"),
        (contract.broken_tracks(tracks(track(id=0))), "id 0"),
        (contract.broken_tracks(tracks(track(class_id="7"))), "'7'"),
        (contract.broken_tracks(tracks(track(position=Point(x=np.nan)))), "not finite"),
        (contract.broken_tracks(tracks(track(velocity_covariance=-np.eye(3).ravel()))), "negative eigenvalue"),
        (contract.broken_markers(markers(pose=Pose(orientation=Quaternion(w=0.0)))), "length 0"),
    ],
)
def test_what_is_broken_is_named(answer, words):
    import re

    sentences = list(answer)
    assert any(re.search(words, sentence) for sentence in sentences), sentences


def free_space(values=((1.0, 2.0, 3.0), (0.0, 0.0, 1.0)), fields="xyz", **changed) -> PointCloud2:
    packed = np.array(values, "<f4").tobytes()
    of = [PointField(name=name, offset=4 * number, datatype=PointField.FLOAT32, count=1) for number, name in enumerate(fields)]
    message = {"height": 1, "width": len(values), "fields": of, "point_step": 12, "row_step": 12 * len(values), "data": list(packed)}
    return PointCloud2(**message | changed)


@pytest.mark.parametrize(
    "message, words",
    [
        (free_space(), None),
        (free_space(values=()), None),
        (free_space(fields="xyi"), "other fields"),
        (free_space(width=3), "holds 24 bytes, expected 3 points of 12"),
        (free_space(values=((1.0, np.nan, 3.0),)), "not finite"),
    ],
)
def test_free_space(message: PointCloud2, words: str | None):
    found = list(contract.broken_free_space(message))
    assert found == [] if words is None else words in " ".join(found)


def test_people():
    def person(name="1", x=1.0, reliability=0.5) -> SimpleNamespace:
        return SimpleNamespace(name=name, position=Point(x=x), velocity=Point(), reliability=reliability)

    def broken(*people: SimpleNamespace) -> str:
        return " ".join(contract.broken_people(SimpleNamespace(people=people)))

    assert broken() == broken(person(), person(name="2")) == broken(person(name=""), person(name="")) == ""
    assert "an id twice" in broken(person(), person())
    assert "not finite" in broken(person(x=float("nan"))) and "reliability of 2.0" in broken(person(reliability=2.0))


def test_source_of_depth():
    assert list(contract.broken_source(mask(data=[0, 1, 2, 2, 1, 0]), None)) == []
    assert "depth/source holds 7, expected 0 (none), 1 (network), 2 (measured)" in " ".join(
        contract.broken_source(mask(data=[0, 1, 7, 2, 1, 0]), None)
    )
    assert "depth 2x2, expected the same" in " ".join(contract.broken_source(mask(data=[0] * 6), depth()))
    assert "expected mono8" in " ".join(contract.broken_source(mask(data=[0] * 6, encoding="8UC1"), None))


def test_instances():
    def instances(numbers, **changed) -> Image:
        data = np.array(numbers, "<u2").tobytes()
        return Image(**{"height": 1, "width": 3, "encoding": "mono16", "step": 6, "data": list(data)} | changed)

    two = Detection2DArray(detections=[Detection2D(), Detection2D()])
    assert list(contract.broken_instances(instances([0, 1, 2]), two)) == []
    assert list(contract.broken_instances(instances([0, 1, 3]), None)) == []
    assert "holds 3, and there are 2 detections" in " ".join(contract.broken_instances(instances([0, 1, 3]), two))
    for change in ({"encoding": "mono8"}, {"step": 3}, {"is_bigendian": 1}, {"data": [0] * 5}):
        assert "expected little-endian mono16" in " ".join(contract.broken_instances(instances([0, 0, 0], **change), two))


def test_masks_of_instances():
    def masks(*counts, names="ab") -> InstanceMaskArray:
        return InstanceMaskArray(width=3, height=2, instances=[InstanceMask(class_id=n, counts=c) for n, c in zip(names, counts)])

    def named(*names) -> Detection2DArray:
        results = [[ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=name))] for name in names]
        return Detection2DArray(detections=[Detection2D(results=result) for result in results])

    assert list(contract.broken_instance_masks(masks([6], [0, 2, 4]), named("a", "b"))) == []
    assert list(contract.broken_instance_masks(masks([6], [0, 2, 4]), None)) == []
    assert "holds 1 masks, expected one for each of 2" in " ".join(contract.broken_instance_masks(masks([6]), named("a", "b")))
    assert "other classes" in " ".join(contract.broken_instance_masks(masks([6], [6]), named("b", "a")))
    assert "runs of 7 pixels, expected 3x2 = 6" in " ".join(contract.broken_instance_masks(masks([3, 4]), None))
    assert "an empty run" in " ".join(contract.broken_instance_masks(masks([3, 0, 3]), None))


def test_normals():
    def normals(vectors, **changed) -> Image:
        data = np.array(vectors, "<f4").tobytes()
        return Image(**{"height": 1, "width": 2, "encoding": "32FC3", "step": 24, "data": list(data)} | changed)

    good = [[0.0, 0.6, -0.8], [np.nan] * 3]
    assert list(contract.broken_normals(normals(good))) == []
    assert "vectors of length 2, expected 1" in " ".join(contract.broken_normals(normals([[0, 0, -2], [0, 0, -1]])))
    assert "expected 32FC3 without row padding of 2x1" in " ".join(contract.broken_normals(normals(good, encoding="rgb8")))
