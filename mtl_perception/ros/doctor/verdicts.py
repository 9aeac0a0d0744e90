# SPDX-License-Identifier: Apache-2.0
"""Compares what was heard of a node with what the readers of its topics rely on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from mtl_perception.core.foreign_text import cut
from mtl_perception.ros.doctor import contract
from mtl_perception.ros.names import topics_of
from mtl_perception.ros.outputs.detections import DetectionsWriter
from mtl_perception.ros.outputs.free_space import FreeSpaceWriter
from mtl_perception.ros.outputs.images import MaskWriter
from mtl_perception.ros.outputs.topic import Topic
from mtl_perception.ros.outputs.topics import TOPICS

LABELS = MaskWriter.label_info.name
ON_THE_GROUND = FreeSpaceWriter.topic.name
"""Robots that stand on no floor, such as an arm, need not have it say anything."""
_IN_CAMERA_FRAME = tuple(topic.name for topic in TOPICS.values() if topic.frame == "camera")
_IN_OUTPUT_FRAME = tuple(topic.name for topic in TOPICS.values() if topic.frame == "output")
_LONGEST = 1000
"""Characters of a status: those of another node may have any number."""
Verdict = Literal["fine", "notice", "broken", "left out"]


@dataclass(frozen=True)
class Finding:
    """One rule: how it stands, and what to do about it."""

    rule: str
    verdict: Verdict
    text: str = ""
    remedy: str = ""

    @property
    def is_breach(self) -> bool:
        return self.verdict == "broken"


@dataclass
class Heard:
    """Messages heard of one node.

    Attributes:
        publishers: topic → what the middleware knows of its publishers on that node.
        messages: topic → messages, the oldest first.
        diagnostics: every array on /diagnostics.
    """

    publishers: dict[str, list[Any]] = field(default_factory=dict)
    messages: dict[str, list[Any]] = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    diagnostics: list[DiagnosticArray] = field(default_factory=list)

    def pairs(self, topic: str, other: str) -> Iterator[tuple[Any, Any | None]]:
        """Each message of ``topic`` with that of ``other`` that has its stamp, or None."""
        by_stamp = {_stamp(message): message for message in self.messages[other]}
        return ((message, by_stamp.get(_stamp(message))) for message in self.messages[topic])


def judge(heard: Heard, node: str, camera: str = "") -> Iterator[Finding]:
    """Every rule, for what was heard of ``node``, or of one of its cameras."""
    if not any(heard.publishers.values()):
        remedy = (
            "start it, or give its full name with --node and, where its parameter cameras has names, one of these with --camera; "
            "the same ROS_DOMAIN_ID is needed"
        )
        yield Finding("node", "broken", f"nobody publishes below {topics_of(node, camera)}", remedy)
        return
    tasks = _tasks(heard, node)
    present = []
    for topic, known in TOPICS.items():
        missing = [] if tasks is None else [task for task in known.tasks if task not in tasks]
        if missing:
            yield Finding(topic, "left out", f"the model has no {' and no '.join(missing)}")
            continue
        if known.missing_when and not heard.publishers.get(topic):
            yield Finding(topic, "left out", known.missing_when)
            continue
        present.append(topic)
        yield from _judge_publishers(known, heard.publishers.get(topic, []))
        if topic == ON_THE_GROUND and heard.publishers.get(topic) and not heard.messages[topic]:
            yield Finding(topic, "notice", "no message", _WHY_GROUNDLESS)
        elif heard.publishers.get(topic) and not heard.messages[topic]:
            yield Finding(topic, "broken", "no message", _WHY_SILENT)
    yield from _judge_contents(heard)
    yield from _judge_headers(heard, [topic for topic in present if heard.messages[topic]])
    yield from _judge_empty_arrays(heard)
    yield from _judge_diagnostics(heard, node, camera)


def _judge_publishers(topic: Topic, publishers: list[Any]) -> Iterator[Finding]:
    rule = f"{topic.name}: publisher"
    expected = topic.type_name
    if not publishers:
        yield Finding(rule, "broken", "nobody publishes it", "activate the node, or update it")
    for info in publishers:
        qos = info.qos_profile
        if info.topic_type != expected:
            yield Finding(rule, "broken", f"its type is {cut(info.topic_type)}", f"publish {expected}")
        elif topic.is_latched and (qos.durability != DurabilityPolicy.TRANSIENT_LOCAL or qos.reliability != ReliabilityPolicy.RELIABLE):
            yield Finding(rule, "broken", "late readers never get it", "publish it reliable and transient local")
        elif qos.reliability != ReliabilityPolicy.RELIABLE:
            remedy = "set output.reliability to reliable if one of its readers asks for that"
            yield Finding(rule, "notice", "best effort: readers that want it reliable hear nothing", remedy)
        else:
            yield Finding(rule, "fine")


def _judge_contents(heard: Heard) -> Iterator[Finding]:
    said = heard.messages
    labels = said[LABELS][-1] if said[LABELS] else None
    checks: dict[str, list[Iterator[str]]] = {
        "segmentation/label_info": [contract.broken_labels(message) for message in said[LABELS]],
        "segmentation/mask": [contract.broken_mask(message) for message in said["segmentation/mask"]],
        "segmentation/mask: ids": [contract.broken_ids(message, labels) for message in said["segmentation/mask"] if labels is not None],
        "segmentation/confidence": [
            contract.broken_confidence(*pair) for pair in heard.pairs("segmentation/confidence", "segmentation/mask")
        ],
        "depth/image_rect": [contract.broken_depth(message) for message in said["depth/image_rect"]],
        "depth/camera_info": [contract.broken_camera_info(*pair) for pair in heard.pairs("depth/camera_info", "depth/image_rect")],
        "depth/source": [contract.broken_source(*pair) for pair in heard.pairs("depth/source", "depth/image_rect")],
        "instances": [contract.broken_instances(*pair) for pair in heard.pairs("instances", "detections")],
        "instances/masks": [contract.broken_instance_masks(*pair) for pair in heard.pairs("instances/masks", "detections")],
        "normals/image": [contract.broken_normals(message) for message in said["normals/image"]],
        "points": [contract.broken_points(*pair) for pair in heard.pairs("points", "segmentation/mask")],
        "free_space": [contract.broken_free_space(message) for message in said["free_space"]],
        "people": [contract.broken_people(message) for message in said.get("people", [])],
        "detections": [contract.broken_detections(message) for message in said["detections"]],
        "detections_3d": [contract.broken_detections_3d(message) for message in said["detections_3d"]],
        "tracks": [contract.broken_tracks(message) for message in said["tracks"]],
        "overlay": [contract.broken_overlay(*pair) for pair in heard.pairs("overlay", "depth/image_rect")],
        "markers": [contract.broken_markers(message) for message in said["markers"]],
    }
    for rule, answers in checks.items():
        breaches = dict.fromkeys(sentence for answer in answers for sentence in answer)
        for sentence in breaches:
            yield Finding(rule, "broken", *_sentence_and_remedy(sentence))
        if answers and not breaches:
            yield Finding(rule, "fine", f"{len(answers)} messages")


def _judge_headers(heard: Heard, topics: list[str]) -> Iterator[Finding]:
    """Exact time synchronisers pair messages by equal stamps; TF needs frames that exist."""
    stamped = [topic for topic in topics if topic in (*_IN_CAMERA_FRAME, *_IN_OUTPUT_FRAME)]
    stamps = {topic: {_stamp(message) for message in heard.messages[topic]} for topic in stamped}
    if len(stamped) > 1:
        # The first and the last frames were heard in part only.
        first, last = max(map(min, stamps.values())), min(map(max, stamps.values()))
        frames = {stamp for some in stamps.values() for stamp in some if first <= stamp <= last}
        common = frames.intersection(*stamps.values())
        largest = max(_sharing(stamps), key=len)
        if len(largest) < len(stamped):
            alien = [topic for topic in stamped if topic not in largest] if len(largest) > 1 else stamped
            text = f"{', '.join(alien)} share no stamp with the others"
            yield Finding("stamps", "broken", text, "copy the image's header to every output of its frame")
        elif common != frames:
            text = f"{len(frames - common)} of {len(frames)} frames lack one of the outputs"
            yield Finding("stamps", "notice", text, "lost on the way? Use this package's Fast DDS profile")
        else:
            yield Finding("stamps", "fine", f"{len(common)} frames have all of {len(stamped)} outputs under one stamp")
    for rule, group in (("camera frame", _IN_CAMERA_FRAME), ("output frame", _IN_OUTPUT_FRAME)):
        names = {message.header.frame_id for topic in group if topic in stamped for message in heard.messages[topic]}
        if not names:
            continue
        shown = ", ".join(repr(cut(name)) for name in sorted(names))
        if any(name.startswith("/") for name in names):
            yield Finding(
                rule, "broken", f"frames {shown}", "names of TF frames have no leading slash; set it right in the camera's driver"
            )
        elif len(names) > 1 or "" in names:
            yield Finding(rule, "broken", f"frames {shown}", "give the camera one frame_id; the outputs carry it on")
        elif rule == "camera frame" and not next(iter(names)).endswith("_optical_frame"):
            yield Finding(rule, "notice", shown, "REP 103: images belong to a frame named ..._optical_frame, z forward")
        else:
            yield Finding(rule, "fine", shown)


def _sharing(stamps: dict[str, set[Any]]) -> list[set[str]]:
    """Topics in groups: each shares a stamp with another of its group, and none with one of another group.

    On a busy machine so much may get lost that no frame was heard on all topics; a group is then joined by several.
    """
    groups: list[set[str]] = []
    for topic, own in stamps.items():
        near = [group for group in groups if any(own & stamps[other] for other in group)]
        groups = [group for group in groups if group not in near] + [{topic}.union(*near)]
    return groups


def _judge_empty_arrays(heard: Heard) -> Iterator[Finding]:
    """Whoever waits for one array a frame must not take an empty room for a dead node."""
    images = [topic for topic in _IN_CAMERA_FRAME if topic not in (DetectionsWriter.topic.name, ON_THE_GROUND)]
    frames = {_stamp(message) for topic in images for message in heard.messages[topic]}
    for topic in ("detections", "detections_3d"):
        arrays = heard.messages[topic]
        missing = frames - {_stamp(array) for array in arrays}
        if arrays and len(missing) > len(frames) / 2 and all(array.detections for array in arrays):
            text = f"{len(missing)} of {len(frames)} frames have none, and none is empty"
            yield Finding(f"{topic}: empty arrays", "broken", text, "publish an array without detections too")


def _judge_diagnostics(heard: Heard, node: str, camera: str) -> Iterator[Finding]:
    statuses = _statuses(heard, node) | _statuses(heard, topics_of(node, camera))
    if not statuses:
        yield Finding("/diagnostics", "broken", f"nothing of {node}", "publish diagnostic_msgs/DiagnosticArray")
    for name, status in statuses.items():
        verdict: Verdict = "fine" if status.level == status.OK else "notice"
        yield Finding(f"/diagnostics: {cut(name.partition(': ')[2])}", verdict, cut(status.message, _LONGEST))


def _statuses(heard: Heard, node: str) -> dict[str, Any]:
    """The newest diagnostics of the node, or of a camera that goes before its topics, by name."""
    prefix = node.lstrip("/") + ": "
    return {one.name: one for array in heard.diagnostics for one in array.status if one.name.startswith(prefix)}


def _tasks(heard: Heard, node: str) -> set[str] | None:
    """The model's tasks, as the node's diagnostics name them; None where they don't."""
    for status in _statuses(heard, node).values():
        for value in status.values:
            if value.key == "tasks":
                return set(value.value.split(", "))
    return None


def _sentence_and_remedy(sentence: str) -> tuple[str, str]:
    """The checks say "..., expected ...": the latter is what to do."""
    found, _, expected = sentence.partition(", expected ")
    return found, f"expected {expected}" if expected else ""


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


_WHY_GROUNDLESS = "it needs a camera_info and the transform from depth.ground_frame to the camera; see /diagnostics of the node"
_WHY_SILENT = "no camera, no camera_info or no transform? See /diagnostics of the node"
