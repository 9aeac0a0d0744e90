# SPDX-License-Identifier: Apache-2.0
"""Tracks and ids as another process reads them, and in which frame they are."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped
from peer import FRAME_ID, LATCHED, camera_info, image
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Boxes3D, Depth, Detections, Scene
from mtl_perception.core.transforms import TransformBuffer
from mtl_perception.msg import TrackArray
from mtl_perception.pipeline import Postprocessor
from mtl_perception.ros.constant_engine import LABELS
from mtl_perception.ros.node.specs import SPECS
from mtl_perception.ros.outputs.outputs import pipeline_options
from mtl_perception.ros.outputs.tracks import TracksWriter
from mtl_perception.ros.outputs.writer import Result
from mtl_perception.ros.transforms import Place

WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics(WIDTH, HEIGHT, 500.0, 500.0, 319.5, 239.5)
DEFAULTS = {spec.name: spec.default for spec in SPECS}
TURNED = (0.0, np.sin(np.pi / 4), 0.0, np.cos(np.pi / 4))  # optical z along the fixed frame's x


def camera_in_odom() -> TransformStamped:
    turned = Quaternion(**dict(zip("xyzw", map(float, TURNED))))
    return TransformStamped(header=Header(frame_id="odom"), child_frame_id=FRAME_ID, transform=Transform(rotation=turned))


@pytest.mark.slow
def test_ids_stand_in_detections_and_tracks_over_dds(peer, start_node):
    node = start_node("-p", "tracking.enabled:=true")
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    tracks = peer.subscribe(f"{node.name}/tracks", TrackArray)

    def show():
        peer.publish(f"{node.name}/camera_info", camera_info(WIDTH, HEIGHT))
        peer.publish(f"{node.name}/image", image(np.zeros((HEIGHT, WIDTH, 3), np.uint8)))

    def both():
        by_stamp = {str(m.header.stamp): m for m in detections}
        pairs = [(by_stamp[str(t.header.stamp)], t) for t in tracks if str(t.header.stamp) in by_stamp]
        # On a machine that is very busy frames may be further apart than tracks are kept, which begins them anew.
        return [pair for pair in pairs if pair[1].tracks]

    found, followed = peer.until(both, "tracks", every=show)[-1]
    ids = [track.id for track in followed.tracks]
    assert sorted(int(one.id) for one in found.detections) == ids == list(range(ids[0], ids[0] + 50))
    by_id = {one.id: one for one in found.detections}
    for track in followed.tracks:
        own = by_id[str(track.id)]
        assert track.class_id == own.results[0].hypothesis.class_id in LABELS
        assert track.x_min == pytest.approx(own.bbox.center.position.x - own.bbox.size_x / 2, abs=0.5)
        assert track.y_max == pytest.approx(own.bbox.center.position.y + own.bbox.size_y / 2, abs=0.5)
        assert track.in_sight and track.unseen_s == 0 and track.age_s > 0


@pytest.mark.slow
def test_who_comes_back_to_his_place_has_his_id_again_over_dds(peer, start_node):
    """Nothing is wanted for much longer than objects are followed, then all of it again; TF says where the camera stands."""
    node = start_node("-p", "tracking.enabled:=true", "-p", "tracking.keep:=0.1", "-p", "tracking.gallery_s:=600.0")
    heard = peer.subscribe(f"{node.name}/tracks", TrackArray)
    peer.publish("/tf_static", TFMessage(transforms=[camera_in_odom()]), LATCHED)
    clock = itertools.count(1)

    def show():
        stamp_s = 1000 + 0.05 * next(clock)  # time as the pictures tell it: no matter how busy the machine is
        peer.publish(f"{node.name}/camera_info", camera_info(WIDTH, HEIGHT))
        peer.publish(f"{node.name}/image", image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), stamp_s=stamp_s))

    def want(*classes):
        value = ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=classes)
        request = SetParameters.Request(parameters=[Parameter(name="classes", value=value)])
        assert peer.call(f"{node.name}/set_parameters", SetParameters, request).results[0].successful

    def placed(frame):
        return {(t.id, t.class_id) for t in frame.tracks if t.in_sight and t.has_position} if frame.header.frame_id == "odom" else set()

    want("chair")
    peer.until(lambda: heard and placed(heard[-1]), "chairs that have places", every=show)
    before, known = placed(heard[-1]), len(heard)
    want("bottle")
    peer.until(lambda: len(heard) > known and {t.class_id for t in heard[-1].tracks} == {"bottle"}, "bottles alone", every=show)
    want("chair")
    peer.until(lambda: {name for _, name in placed(heard[-1])} == {"chair"}, "chairs again", every=show)
    assert placed(heard[-1]) == before


@pytest.mark.slow
def test_without_tracking_ids_are_empty_and_there_is_no_such_topic(peer, start_node):
    node = start_node()
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    peer.until(
        lambda: detections,
        "detections",
        every=lambda: peer.publish(f"{node.name}/image", image(np.zeros((HEIGHT, WIDTH, 3), np.uint8))),
    )
    assert {one.id for one in detections[-1].detections} == {""}
    assert f"{node.name}/tracks" not in dict(peer.node.get_topic_names_and_types())


class Frames:
    """A ball one metre before the camera, frame after frame. ``transforms``: by stamp in seconds, the camera in odom."""

    def __init__(self, **parameters) -> None:
        self.parameters = DEFAULTS | {"transform_timeout": 0.0} | parameters
        self.options = pipeline_options(self.parameters | {"tracking.enabled": True})
        self.postprocess = Postprocessor(["ball"], [], self.options)
        publisher = SimpleNamespace()
        self.writer = TracksWriter(publisher, ["ball"], self.parameters)
        self.transforms = TransformBuffer()

    def move(self, stamp_s: float, x: float = 0.0, parent: str = "odom", child: str = FRAME_ID) -> None:
        self.transforms.put(parent, child, round(stamp_s * 1e9), (x, 0.0, 0.0), TURNED)

    def show(self, stamp_s: float, scores: tuple[float, ...] = (0.9,), z_m: float = 1.0) -> tuple[Result, TrackArray]:
        sec, nanosec = divmod(round(stamp_s * 1e9), 1_000_000_000)
        header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=FRAME_ID)
        count = len(scores)
        corners = np.float32([[100 + 150 * k, 100, 200 + 150 * k, 200] for k in range(count)])
        found = Detections(corners, np.float32(scores), np.zeros(count, np.int64))
        scene = Scene(640, 480, found, depth=Depth(np.ones((480, 640), np.float32)))
        place = Place(header, self.parameters, self.transforms)
        boxes = Boxes3D(
            centers_m=np.tile([0.5, 0.0, z_m], (count, 1)) + 0.4 * np.arange(count)[:, None],
            sizes_m=np.full((count, 3), 0.3),
            quaternions_xyzw=np.tile([0, 0, 0, 1.0], (count, 1)),
            center_covariances_m2=np.tile(np.diag([0.01, 0.01, 0.3]) ** 2, (count, 1, 1)),
            valid=np.ones(count, bool),
        )
        self.postprocess._estimate = lambda *_: boxes  # of balls whose places are known better than depth would tell
        frame = self.postprocess(scene, np.zeros((480, 640, 3), np.uint8), CAMERA, stamp_s, place)
        result = Result(header, frame, place)
        return result, self.writer.fill(result)


def test_positions_are_in_the_fixed_frame():
    """The camera drives towards the ball, which stands still: no velocity, and depth's uncertainty along odom's x."""
    frames = Frames()
    for k in range(12):
        frames.move(1.0 + 0.1 * k, x=0.05 * k)
        result, message = frames.show(1.0 + 0.1 * k, z_m=2.0 - 0.05 * k)
    assert message.header.frame_id == "odom"
    assert message.header.stamp == result.header.stamp
    (track,) = message.tracks
    assert track.has_position
    np.testing.assert_allclose([track.position.x, track.position.y, track.position.z], [2.0, 0, -0.5], atol=0.02)
    assert abs(track.velocity.x) < 0.02
    deviations = np.sqrt(np.diag(track.position_covariance.reshape(3, 3)))
    assert deviations[0] > 2 * deviations[1]


def test_in_an_output_frame_a_still_object_comes_nearer_and_has_no_velocity():
    frames = Frames(output_frame=FRAME_ID)
    for k in range(12):
        frames.move(1.0 + 0.1 * k, x=0.05 * k)
        _, message = frames.show(1.0 + 0.1 * k, z_m=2.0 - 0.05 * k)
    assert message.header.frame_id == FRAME_ID
    (track,) = message.tracks
    np.testing.assert_allclose([track.position.x, track.position.y, track.position.z], [0.5, 0, 1.45], atol=0.02)
    assert np.sqrt(track.position_covariance[8]) > 2 * np.sqrt(track.position_covariance[0])
    assert abs(track.velocity.z) < 0.02


def test_without_transforms_positions_are_the_cameras():
    frames = Frames()
    for k in range(3):
        _, message = frames.show(1.0 + 0.1 * k)
    assert message.header.frame_id == FRAME_ID
    assert message.tracks[0].position.z == pytest.approx(1.0, abs=0.01)


def test_nothing_is_published_in_an_output_frame_that_cannot_be_reached():
    frames = Frames(output_frame="base_link")
    for k in range(3):
        _, message = frames.show(1.0 + 0.1 * k)
        assert message is None


def test_weak_detections_continue_tracks_and_are_not_published():
    frames = Frames(**{"score_threshold": 0.5, "tracking.low_score": 0.2})
    assert frames.options.least_score == 0.2
    for stamp_s in (1.0, 1.1, 1.2):
        result, _ = frames.show(stamp_s, (0.9, 0.8))
    assert list(result.tracks.detection_ids) == ["1", "2"]
    for k in range(30):
        result, message = frames.show(1.3 + 0.1 * k, (0.9, 0.3))
    assert list(result.tracks.detection_ids) == ["1"]
    assert len(result.scene.detections) == 1
    assert len(result.boxes_3d) == 1
    assert [(track.id, track.in_sight) for track in message.tracks] == [(1, True), (2, True)]


def test_a_bag_that_starts_over_begins_new_tracks():
    frames = Frames()
    for k in range(3):
        frames.show(100 + 0.1 * k)
    for k in range(3):
        result, _ = frames.show(50 + 0.1 * k)
    assert list(result.tracks.detection_ids) == ["2"]
