# SPDX-License-Identifier: Apache-2.0
"""Scenes to messages: one writer per topic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass

from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene
from mtl_perception.msg import PerceptionStatus
from mtl_perception.pipeline import PipelineOptions, Postprocessor, Selection, TrackingOptions
from mtl_perception.pipeline.selection import parse_classes, parse_region, parse_thresholds
from mtl_perception.ros.graph import deaf_readers
from mtl_perception.ros.outputs.detections import DetectionsWriter
from mtl_perception.ros.outputs.detections_3d import Detections3DWriter
from mtl_perception.ros.outputs.free_space import FreeSpaceWriter
from mtl_perception.ros.outputs.further import further_topics
from mtl_perception.ros.outputs.images import ConfidenceWriter, DepthInfoWriter, DepthSourceWriter, DepthWriter, MaskWriter, OverlayWriter
from mtl_perception.ros.outputs.markers import MarkersWriter
from mtl_perception.ros.outputs.people import People, PeopleWriter, person_ids
from mtl_perception.ros.outputs.points import PointsWriter, point_filter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.topics import STATUS
from mtl_perception.ros.outputs.tracks import TracksWriter
from mtl_perception.ros.outputs.writer import EVERY_TASK, Result, Writer
from mtl_perception.ros.transforms import Place
from mtl_perception.spatial.free_space import traversable_ids

_LOOK_EVERY_S = 2.0
"""Asking for every topic's readers takes a millisecond of the interpreter, which the frames want too."""


class Outputs:
    """Every topic of one camera. ``card`` is the model's, ``topics`` what its topics begin with, such as ``~/front``.

    Raises:
        ValueError: as ``point_filter``; nothing is published then.
    """

    def __init__(self, node: LifecycleNode, parameters: Mapping[str, Any], card: Any, topics: str = "~") -> None:
        self._node = node
        self._card = card

        def publish(topic: Topic) -> LifecyclePublisher:
            return node.create_lifecycle_publisher(topic.message_type, f"{topics}/{topic.name}", topic.qos(parameters))  # pyright: ignore[reportReturnType]

        def writer(kind: type[Writer], *arguments: Any) -> Writer:
            return kind(publish(kind.topic), *arguments)

        self._parameters = parameters
        self._postprocess = Postprocessor(
            card.detection_labels, card.segmentation_labels, pipeline_options(parameters, card.detection_labels)
        )
        # Each detection carries its class's name.
        objects, stuff = ([cut(label) for label in labels] for labels in (card.detection_labels, card.segmentation_labels))
        kept_points = point_filter(stuff, parameters)  # refuses a class before there is a publisher
        tracks: list[Writer] = []
        if parameters["tracking.enabled"]:
            tracks = [writer(TracksWriter, objects, parameters)]
        measured: list[Writer] = []
        if parameters["depth.source"] != "network":
            measured = [writer(DepthSourceWriter)]
        navigation: list[Writer] = []
        if traversable_ids(stuff):
            navigation = [writer(FreeSpaceWriter, stuff, parameters)]
        if person_ids(objects) and People is not None:
            navigation += [writer(PeopleWriter, objects, parameters)]
        stride = parameters["stride"]
        further = [further_topics(kind, publish, lambda task: [cut(label) for label in card.labels_of(task)]) for kind in card.kinds]
        names: dict[Topic, Mapping[int, str]] = {MaskWriter.label_info: dict(enumerate(stuff))}
        for topics_of_task in further:
            names |= topics_of_task.label_infos
        self._overlay = writer(OverlayWriter, card)
        # The largest message first: it travels while the others are filled. Drawing is for people, who can wait.
        self._writers: tuple[Writer, ...] = (
            writer(PointsWriter, stride, kept_points),
            writer(DepthWriter, parameters["depth.encoding"]),
            writer(DepthInfoWriter),
            *measured,
            writer(MaskWriter, stride),
            writer(ConfidenceWriter, stride),
            writer(DetectionsWriter, objects),
            writer(Detections3DWriter, objects),
            *tracks,
            *navigation,
            *(one for topics_of_task in further for one in topics_of_task.writers),
            writer(MarkersWriter, objects, parameters),
            self._overlay,
        )
        self._status = publish(STATUS)
        self._deaf: list[str] = []
        self._looked_s = float("-inf")
        self._label_infos = [(publish(topic), values) for topic, values in names.items()]

    def read(self) -> list[Writer]:
        """Writers of the topics that somebody reads now."""
        return [writer for writer in self._writers if writer.is_read]

    @property
    def least_score(self) -> float:
        """Score from which on the engine is to find detections."""
        return pipeline_options(self._parameters, self._card.detection_labels).least_score

    def unserved(self, tasks: tuple[str, ...]) -> dict[str, list[str]]:
        """Topics that somebody reads and that nothing is published on, because these tasks lack some that it needs."""
        missing = {
            writer.publisher.topic_name: [task for task in writer.tasks if task not in (*tasks, EVERY_TASK)] for writer in self.read()
        }
        return {topic: lacking for topic, lacking in missing.items() if lacking}

    def untold(self) -> dict[str, str]:
        """Topics that somebody reads and that the last frame told nothing, with why."""
        return {writer.publisher.topic_name: writer.problem for writer in self.read() if writer.problem}

    def deaf_readers(self) -> list[str]:
        """Readers that ask for more than is offered and so hear nothing, with what to do; looked for every two seconds."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_EVERY_S:
            self._deaf = [text for publisher in self._publishers for text in deaf_readers(self._node, publisher)]
            self._looked_s = now_s
        return self._deaf

    def frame(
        self,
        header: Header,
        scene: Scene,
        image_rgb: np.ndarray,
        intrinsics: Intrinsics | None,
        place: Place,
        measured_m: np.ndarray | None = None,
        points_m: np.ndarray | None = None,
    ) -> Result:
        """Returns what is published of the next frame, from what the engine found of it, a depth sensor's image and a laser's points."""
        self._postprocess.options = pipeline_options(self._parameters, self._card.detection_labels)
        stamp_s = header.stamp.sec + header.stamp.nanosec * 1e-9
        return Result(header, self._postprocess(scene, image_rgb, intrinsics, stamp_s, place, measured_m, points_m), place)

    def fill(self, result: Result, writers: Iterable[Writer]) -> Iterator[tuple[LifecyclePublisher, Any]]:
        """(publisher, message) for every one of ``writers`` that has something to say, one after the other.

        A message is good until its writer is asked again.
        """
        for writer in writers:
            if (message := writer.fill(result)) is not None:
                yield writer.publisher, message

    def warm_up(self) -> None:
        """Do once what costs only the first time."""
        self._overlay.warm_up()

    def publish_labels(self) -> None:
        """Say once what the values in the masks mean; late subscribers get it too."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        for publisher, values in self._label_infos:
            classes = [VisionClass(class_id=number, class_name=name) for number, name in values.items()]
            publisher.publish(LabelInfo(header=header, class_map=classes))

    @property
    def status_is_read(self) -> bool:
        return self._status.get_subscription_count() > 0

    def publish_status(self, status: PerceptionStatus) -> None:
        self._status.publish(status)

    def close(self) -> None:
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    @property
    def _publishers(self) -> list[LifecyclePublisher]:
        named = [publisher for publisher, _ in self._label_infos]
        return [*(writer.publisher for writer in self._writers), self._status, *named]


def pipeline_options(parameters: Mapping[str, Any], detection_labels: Sequence[str] = ()) -> PipelineOptions:
    """Returns the pipeline's options from the node's parameters.

    Raises:
        ValueError: they name a class that is not among ``detection_labels``, the model's.
    """
    tracking = None
    if parameters["tracking.enabled"]:
        names = {
            "low_score": "tracking.low_score",
            "begin_score": "tracking.begin_score",
            "confirm_hits": "tracking.confirm_hits",
            "keep_s": "tracking.keep",
            "gallery_s": "tracking.gallery_s",
            "appearance": "tracking.appearance",
        }
        tracking = TrackingOptions(**{field: parameters[name] for field, name in names.items()})
    return PipelineOptions(
        score_threshold=parameters["score_threshold"],
        agnostic_nms_iou=parameters["agnostic_nms_iou"],
        flat_labels=tuple(parameters["detections_3d.flat_classes"]),
        tracking=tracking,
        selection=_selection(
            tuple(detection_labels),
            tuple(parameters["classes"]),
            tuple(parameters["class_score_thresholds"]),
            parameters["max_detections"],
            parameters["min_box_side"],
            parameters["region"],
        ),
        depth_source=parameters["depth.source"],
        depth_scale="points" if parameters["depth.scale"] == "scan" else parameters["depth.scale"],
    )


@lru_cache(maxsize=64)  # asked for every frame, and changed by hand
def _selection(
    labels: tuple[str, ...], classes: tuple[str, ...], thresholds: tuple[str, ...], most: int, min_side_px: float, region: str
) -> Selection:
    named: list[Any] = []
    for name, parse in (
        ("classes", lambda: parse_classes(classes, labels)),
        ("class_score_thresholds", lambda: parse_thresholds(thresholds, labels)),
        ("region", lambda: parse_region(region)),
    ):
        try:
            named.append(parse())
        except ValueError as error:
            raise ValueError(f"{name} has {error}") from None
    return Selection(named[0], named[1], most or None, min_side_px, named[2])
