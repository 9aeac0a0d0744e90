# SPDX-License-Identifier: Apache-2.0
"""Classification, lanes, normals and instances as messages, and which topics a model's labels make."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from std_msgs.msg import Header

from mtl_perception.core.instances import PLACE_TERMS, InstanceMasks, MaskPrototypes
from mtl_perception.core.scene import Detections, Scene
from mtl_perception.core.transforms import TransformBuffer
from mtl_perception.ros.node.specs import SPECS
from mtl_perception.ros.outputs.outputs import Outputs
from mtl_perception.ros.outputs.writer import wanted_tasks
from mtl_perception.ros.transforms import Place
from mtl_perception.tasks.classification.answer import Classification
from mtl_perception.tasks.lanes.answer import Lanes
from mtl_perception.tasks.normals.answer import Normals

DEFAULTS = {spec.name: spec.default for spec in SPECS}
MASKS = {"~/instances", "~/instances/masks"}
BITS = np.arange(48, dtype=np.uint8).reshape(6, 8) % 4


class Publisher:
    """Everybody reads it; remembers what was said."""

    def __init__(self) -> None:
        self.said = []

    def get_subscription_count(self) -> int:
        return 1

    def publish(self, message) -> None:
        self.said.append(message)


def topics_of(**labels) -> tuple[Outputs, dict[str, Publisher]]:
    publishers: dict[str, Publisher] = {}

    def create(message_type, topic, qos):
        return publishers.setdefault(topic, Publisher())

    clock = SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: Header().stamp))
    node = SimpleNamespace(create_lifecycle_publisher=create, get_clock=lambda: clock)
    boxes = labels.get("detection", [])
    card = SimpleNamespace(detection_labels=boxes, segmentation_labels=[], kinds=list(labels), labels_of=lambda kind: labels.get(kind, []))
    return Outputs(node, DEFAULTS, card), publishers


def test_a_model_without_these_tasks_has_no_such_topics() -> None:
    _, publishers = topics_of()
    assert not {"~/classification", "~/lanes/mask", "~/lanes/label_info"} & set(publishers)


def test_classes_and_masks_are_published() -> None:
    outputs, publishers = topics_of(classification=["kitchen", "hall"], lanes=["drivable", "line"])
    writers = outputs.read()
    assert set(wanted_tasks(writers, ("classification", "lanes", "depth"))) >= {"classification", "lanes"}
    scene = Scene(8, 6, answers={"classification": Classification(np.float32([0.25, 0.75])), "lanes": Lanes(BITS)})
    header = Header(frame_id="camera")
    pixels = np.zeros((6, 8, 3), np.uint8)
    result = outputs.frame(header, scene, pixels, None, Place(header, DEFAULTS, TransformBuffer()))
    for publisher, message in outputs.fill(result, writers):
        publisher.publish(message)
    (classification,) = publishers["~/classification"].said
    assert [(one.class_id, one.score) for one in classification.results] == [("hall", 0.75), ("kitchen", 0.25)]
    assert classification.header == header
    (mask,) = publishers["~/lanes/mask"].said
    assert (mask.encoding, mask.step, mask.header.frame_id) == ("mono8", 8, "camera")
    assert np.array_equal(np.frombuffer(mask.data, np.uint8).reshape(6, 8), BITS)


def test_the_bits_have_names() -> None:
    outputs, publishers = topics_of(lanes=["drivable", "line", "kerb"])
    outputs.publish_labels()
    (info,) = publishers["~/lanes/label_info"].said
    assert {one.class_id: one.class_name for one in info.class_map} == {1: "drivable", 2: "line", 4: "kerb"}


def test_normals_are_vectors_of_the_image() -> None:
    outputs, publishers = topics_of(normals=[])
    vectors = np.random.default_rng(0).normal(size=(6, 8, 3)).astype(np.float32)
    header = Header(frame_id="camera")
    scene = Scene(8, 6, answers={"normals": Normals(vectors)})
    result = outputs.frame(header, scene, np.zeros((6, 8, 3), np.uint8), None, Place(header, DEFAULTS, TransformBuffer()))
    for publisher, message in outputs.fill(result, outputs.read()):
        publisher.publish(message)
    (image,) = publishers["~/normals/image"].said
    assert (image.encoding, image.step, image.height, image.width) == ("32FC3", 96, 6, 8)
    assert np.array_equal(np.frombuffer(image.data, np.float32).reshape(6, 8, 3), vectors)


def test_each_pixel_names_its_detection() -> None:
    """Of those that are published; a network without masks has no such topic, and a scene without them says nothing."""
    outputs, publishers = topics_of(detection=["box"], instances=[])
    (writer,) = [one for one in outputs.read() if one.publisher is publishers["~/instances"]]
    assert set(wanted_tasks([writer], ("detection", "instances", "depth"))) == {"detection", "instances"}
    prototypes, coefficients = np.zeros((16, 6, 8), np.float32), np.zeros((3, 16 + PLACE_TERMS, 3, 4), np.float32)
    coefficients[:, 16] = 1  # whatever lies in a box is the object
    found = Detections(np.float32([[0, 0, 16, 12], [20, 4, 30, 20], [1, 1, 5, 5]]), np.float32([0.9, 0.8, 0.1]), np.array([0, 0, 0]))
    scene = Scene(32, 24, detections=found, instances=MaskPrototypes(prototypes, coefficients))
    header = Header(frame_id="camera")
    result = outputs.frame(header, scene, np.zeros((24, 32, 3), np.uint8), None, Place(header, DEFAULTS, TransformBuffer()))
    (message,) = [message for publisher, message in outputs.fill(result, [writer])]
    assert (message.encoding, message.step, message.header) == ("mono16", 64, header)
    expected = np.zeros((24, 32), np.uint16)
    expected[:12, :16], expected[4:20, 20:30] = 1, 2
    assert np.array_equal(np.frombuffer(message.data, np.uint16).reshape(24, 32), expected)
    (array,) = [one.fill(result) for one in outputs.read() if one.publisher is publishers["~/instances/masks"]]
    assert (array.header, array.width, array.height) == (header, 32, 24)
    assert [(one.class_id, round(one.score, 2), one.id) for one in array.instances] == [("box", 0.9, ""), ("box", 0.8, "")]
    whole = InstanceMasks.of_counts(32, 24, [one.counts for one in array.instances])
    assert np.array_equal(whole.painted([1, 2]), expected)
    bare = outputs.frame(header, replace(scene, instances=None), np.zeros((24, 32, 3), np.uint8), None, result.place)
    assert list(outputs.fill(bare, [one for one in outputs.read() if one.publisher in map(publishers.get, MASKS)])) == []
    assert not MASKS & set(topics_of()[1])
