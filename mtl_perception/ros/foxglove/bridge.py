# SPDX-License-Identifier: Apache-2.0
"""The node's topics as channels of a Foxglove server.

A topic is read only while somebody looks at its channel, so that the node runs no head for nobody; best effort and only
the newest message, so that nobody is held up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import foxglove
from diagnostic_msgs.msg import DiagnosticArray
from foxglove import channels
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import LabelInfo

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.image_messages import ConversionError, image_to_rgb
from mtl_perception.ros.foxglove import schemas
from mtl_perception.ros.foxglove.video import VIDEO_QOS, VideoPictures, readable_video
from mtl_perception.ros.names import topics_of
from mtl_perception.ros.outputs.topic import type_name
from mtl_perception.ros.outputs.topics import TOPICS
from mtl_perception.ros.replay.recording import MessageTypes
from mtl_perception.ros.sequence_numbers import SequenceNumbers, WithInfo, number_of

_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_EVERY = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
_LATCHED = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_STATIC_EVERY_S = 1.0


@dataclass(frozen=True)
class Settings:
    """Settings of the server.

    Attributes:
        node: full name of the perception node.
        camera: one of its cameras, if it has several.
        image: the camera's topic; empty to take the one that the node reads.
        host: address to listen on; ``0.0.0.0`` for every one of this machine.
        port: 0 for any that is free.
        rate_hz: messages a second of each topic, at most.
        points: points of a cloud, at most.
        viewers: connections at a time, at most.
    """

    node: str = "/perception"
    camera: str = ""
    image: str = ""
    host: str = "127.0.0.1"
    port: int = 8765
    rate_hz: float = 10.0
    points: int = 30_000
    viewers: int = 8


@dataclass
class _Feed:
    """One ROS topic to one channel.

    Attributes:
        convert: gives what the channel takes.
        lose: is told of messages that were not received.
        first: what every message goes through, also those that are too many to be shown; what gives None is not shown.
    """

    topic: str
    message_type: type
    channel: Any
    convert: Callable[[Any], Any]
    raw: bool = False
    qos: QoSProfile = field(default_factory=lambda: _NEWEST)
    first: Callable[[Any], Any] = lambda message: message
    lose: Callable[[], None] = lambda: None
    subscription: Subscription | None = None
    sent_s: float = 0.0


class Bridge:
    """Channels for the node's topics. ``look`` connects those that somebody looks at, and only those."""

    def __init__(self, node: Node, settings: Settings, context: foxglove.Context) -> None:
        self._node, self._settings, self._context = node, settings, context
        self._base = topics_of(settings.node, settings.camera)
        self._period_s = 1 / settings.rate_hz
        self._labels: list[str] = []
        self._static: dict[tuple[str, str], Any] = {}
        self._static_s = 0.0
        self._image = channels.CompressedImageChannel(f"{self._base}/image", context=context)
        self._transforms = channels.FrameTransformsChannel("/tf", context=context)
        self._feeds = [*self._typed(), *self._verbatim()]
        self._camera_feed: _Feed | None = None
        self._camera_topic = ""
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        node.create_subscription(LabelInfo, f"{self._base}/segmentation/label_info", self._on_labels, _LATCHED)
        node.create_subscription(TFMessage, "/tf_static", self._on_static, _LATCHED)

    def look(self) -> None:
        """Subscribe to what somebody looks at, let go of the rest."""
        if self._camera_feed is None and self._image.has_sinks():
            self._camera_feed = self._find_camera()
            self._feeds += [self._camera_feed] if self._camera_feed else []
        for feed in self._feeds:
            if feed.channel.has_sinks() and feed.subscription is None:
                callback = WithInfo(partial(self._on_message, feed, SequenceNumbers()))
                feed.lose()
                feed.subscription = self._node.create_subscription(feed.message_type, feed.topic, callback, feed.qos, raw=feed.raw)
            elif not feed.channel.has_sinks() and feed.subscription is not None:
                self._node.destroy_subscription(feed.subscription)
                feed.subscription = None
        # Viewers that come later know nothing of what was said before.
        if self._static and self._transforms.has_sinks() and time.monotonic() - self._static_s > _STATIC_EVERY_S:
            self._transforms.log(schemas.frame_transforms(list(self._static.values())))
            self._static_s = time.monotonic()

    def _typed(self) -> Iterator[_Feed]:
        def feed(topic: str, channel: type, convert: Callable[[Any], Any]) -> _Feed:
            name = f"{self._base}/{topic}"
            return _Feed(name, TOPICS[topic].message_type, channel(name, context=self._context), convert)

        pictures = channels.CompressedImageChannel
        yield feed("detections", channels.ImageAnnotationsChannel, schemas.annotations)
        yield feed("overlay", pictures, lambda message: schemas.picture(message.header, image_to_rgb(message)))
        yield feed("segmentation/mask", pictures, lambda message: schemas.mask_picture(message, self._labels))
        yield feed("depth/image_rect", pictures, schemas.depth_picture)
        yield feed("depth/source", pictures, schemas.source_picture)
        yield feed("instances", pictures, schemas.instances_picture)
        yield feed("instances/masks", channels.ImageAnnotationsChannel, schemas.outlines)
        yield feed("normals/image", pictures, schemas.normals_picture)
        yield feed("depth/camera_info", channels.CameraCalibrationChannel, schemas.calibration)
        clouds = partial(schemas.point_cloud, most=self._settings.points)
        yield feed("points", channels.PointCloudChannel, clouds)
        yield feed("free_space", channels.PointCloudChannel, clouds)
        yield feed("markers", channels.SceneUpdateChannel, schemas.scene_update)
        yield _Feed("/tf", TFMessage, self._transforms, lambda message: schemas.frame_transforms(message.transforms), qos=_EVERY)

    def _verbatim(self) -> Iterator[_Feed]:
        """Topics that Foxglove shows as they are, with ROS's own definition of the message."""
        types = MessageTypes()
        for topic, message_type in (
            *((f"{self._base}/{topic}", TOPICS[topic].message_type) for topic in ("status", "tracks", "people") if topic in TOPICS),
            ("/diagnostics", DiagnosticArray),
        ):
            name = type_name(message_type)
            definition = types.of(name).generate_msgdef(name, ros_version=2)[0].encode()
            schema = foxglove.Schema(name=name, encoding="ros2msg", data=definition)
            channel = foxglove.Channel(topic, schema=schema, message_encoding="cdr", context=self._context)
            yield _Feed(topic, message_type, channel, bytes, raw=True)

    def _find_camera(self) -> _Feed | None:
        """The topic that the node reads its images from; None while the node is not there."""
        wanted = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage} | readable_video()
        if self._settings.image:
            known = dict(self._node.get_topic_names_and_types())
            found = {self._settings.image: wanted.get((known.get(self._settings.image) or [""])[0])}
        else:
            namespace, _, name = self._settings.node.rpartition("/")
            try:
                read = self._node.get_subscriber_names_and_types_by_node(name, namespace or "/")
            except NodeNameNonExistentError:
                return None
            found = {topic: wanted.get(types[0]) for topic, types in read}
        found = {topic: of for topic, of in found.items() if of is not None}
        if len(found) > 1:  # other cameras, or a depth sensor
            found = {topic: of for topic, of in found.items() if topic == self._camera_topic} or found
        if len(found) != 1:
            if found:
                names = ", ".join(sorted(found))
                self._node.get_logger().warning(f"{self._settings.node} reads {names}: say --camera or --image", throttle_duration_sec=10.0)
            return None
        ((topic, message_type),) = found.items()
        if message_type is CompressedImage:
            return _Feed(topic, message_type, self._image, schemas.compressed_picture)
        if message_type is Image:
            return _Feed(topic, message_type, self._image, self._picture)
        video = VideoPictures(type_name(message_type))
        return _Feed(topic, message_type, self._image, video.shown, raw=True, qos=VIDEO_QOS, first=video.newest, lose=video.lose)

    @staticmethod
    def _picture(message: Image) -> Any:
        return schemas.picture(message.header, image_to_rgb(message))

    def _on_message(self, feed: _Feed, numbers: SequenceNumbers, message: Any, info: Mapping[str, Any]) -> None:
        now_s = time.monotonic()
        if not numbers.follows(number_of(info)):
            feed.lose()
        try:
            message = feed.first(message)
            # /tf comes in many small messages, of which none is like another.
            if message is None or (feed.message_type is not TFMessage and now_s - feed.sent_s < 0.9 * self._period_s):
                return
            feed.sent_s = now_s
            feed.channel.log(feed.convert(message))
        except (ConversionError, ValueError, IndexError, KeyError) as error:
            self._node.get_logger().warning(f"{feed.topic}: not shown: {cut(error, 300)}", throttle_duration_sec=10.0)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """The node says there which of its inputs is the camera."""
        for status in message.status:
            if f"/{status.name}" == f"{self._base}: camera":
                self._camera_topic = next((value.value for value in status.values if value.key == "topic"), "")

    def _on_labels(self, message: LabelInfo) -> None:
        names = {one.class_id: one.class_name for one in message.class_map}
        self._labels = [names.get(number, "") for number in range(max(names, default=-1) + 1)]

    def _on_static(self, message: TFMessage) -> None:
        for one in message.transforms:
            self._static[one.header.frame_id, one.child_frame_id] = one
        self._static_s = 0.0
