# SPDX-License-Identifier: Apache-2.0
"""The node as it is started on a robot, with a real network of random weights."""

import numpy as np
import pytest
import rclpy
import torch
from branches import NEW, OLD, grafted
from model import tiny_card, tiny_network
from nodes import REAL
from peer import camera_info, image
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from mtl_perception.core.camera_info import read_intrinsics
from mtl_perception.core.instances import InstanceMasks
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import save_checkpoint
from mtl_perception.msg import InstanceMaskArray
from mtl_perception.pipeline import PipelineOptions, Selection, published
from mtl_perception.ros.doctor.contract import broken_instance_masks
from mtl_perception.ros.main import load_model
from mtl_perception.ros.node.node import PerceptionNode


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    card = tiny_card()
    save_checkpoint(path, tiny_network(card), card)
    return path


@pytest.mark.slow
def test_what_arrives_is_what_the_engine_says(peer, start_node, checkpoint):
    node = start_node("-p", "device:=cpu", "-p", "score_threshold:=0.0", "-p", "agnostic_nms_iou:=1.0", model=str(checkpoint), program=REAL)
    pixels = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
    info = camera_info(160, 120, fx=140.0)
    masks = peer.subscribe(f"{node.name}/segmentation/mask", Image)
    depths = peer.subscribe(f"{node.name}/depth/image_rect", Image)
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)

    def send():
        peer.publish(f"{node.name}/camera_info", info)
        peer.publish(f"{node.name}/image", image(pixels, "rgb8"))

    peer.until(
        lambda: all(len(arrived) >= 5 for arrived in (masks, depths, detections)),
        "outputs",
        every=send,
    )

    engine = Engine.load(checkpoint, "cpu", backend="torch")
    engine.score_threshold = 0.0
    scene = engine(pixels, read_intrinsics(info, 160, 120, rectified=False))
    np.testing.assert_array_equal(np.frombuffer(masks[-1].data, np.uint8).reshape(120, 160), scene.segmentation.mask)
    np.testing.assert_allclose(np.frombuffer(depths[-1].data, np.float32).reshape(120, 160), scene.depth.depth_m, rtol=1e-3)
    assert len(detections[-1].detections) == len(scene.detections) > 0
    names = [one.results[0].hypothesis.class_id for one in detections[-1].detections]
    assert names == [engine.card.detection_labels[class_id] for class_id in scene.detections.class_ids]


@pytest.mark.slow
def test_new_classes_of_a_branch_are_published_beside_the_old_ones(peer, start_node, tmp_path):
    _, _, path = grafted(tmp_path)
    node = start_node("-p", "device:=cpu", "-p", "score_threshold:=0.0", "-p", "agnostic_nms_iou:=1.0", model=str(path), program=REAL)
    pixels = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    peer.until(lambda: detections, "detections", every=lambda: peer.publish(f"{node.name}/image", image(pixels, "rgb8")))
    names = {one.results[0].hypothesis.class_id for one in detections[-1].detections}
    assert names & set(NEW) and names & set(OLD["detection"]["labels"]) and names <= {*NEW, *OLD["detection"]["labels"]}


@pytest.mark.slow
def test_each_detection_has_its_mask(peer, start_node, tmp_path):
    """What the pixels say are places among the detections of the same stamp."""
    path = tmp_path / "masks.safetensors"
    card = tiny_card(tasks=("detection", "segmentation", "depth", "instances"))
    save_checkpoint(path, tiny_network(card), card)
    node = start_node("-p", "device:=cpu", "-p", "score_threshold:=0.0", "-p", "max_detections:=7", model=str(path), program=REAL)
    pixels = np.random.default_rng(3).integers(0, 256, (120, 160, 3), np.uint8)
    masks = peer.subscribe(f"{node.name}/instances", Image)
    arrays = peer.subscribe(f"{node.name}/instances/masks", InstanceMaskArray)
    detections = peer.subscribe(f"{node.name}/detections", Detection2DArray)
    peer.until(
        lambda: min(map(len, (masks, arrays, detections))) >= 3,
        "masks",
        every=lambda: peer.publish(f"{node.name}/image", image(pixels, "rgb8")),
    )
    engine = Engine.load(path, "cpu", backend="torch")
    engine.score_threshold = 0.0
    scene = published(engine(pixels), PipelineOptions(score_threshold=0.0, selection=Selection(max_detections=7)))
    assert len(scene.detections) == len(detections[-1].detections) == 7
    found = np.frombuffer(masks[-1].data, np.uint16).reshape(120, 160)
    true = scene.instances.of(scene.detections.boxes_xyxy, 160, 120)
    expected = true.painted(range(1, 8))
    assert masks[-1].encoding == "mono16" and (found == expected).mean() > 0.99 and len(np.unique(found)) > 2
    array = arrays[-1]
    assert list(broken_instance_masks(array, detections[-1])) == [] and (array.width, array.height) == (160, 120)
    whole = InstanceMasks.of_counts(160, 120, [one.counts for one in array.instances])
    assert all((whole.whole(number) == true.whole(number)).mean() > 0.99 for number in range(7)) and whole.areas.sum() > 0


def test_a_model_that_is_missing_ends_with_status_1(start_node):
    node = start_node(model="missing.safetensors", program=REAL)
    assert node.end() == 1
    node.stop()
    assert "configure failed: no model 'missing.safetensors'" in node.log


@pytest.fixture
def configure_error():
    """Why the node refuses to configure itself with these parameters."""

    def error_with(**parameters: str) -> str:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = PerceptionNode(load_model, parameter_overrides=overrides)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        node.destroy_node()
        return node.configure_error

    rclpy.init()
    yield error_with
    rclpy.shutdown()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_asked_for_and_absent_is_named(configure_error, checkpoint):
    assert "cuda" in configure_error(model=str(checkpoint), device="cuda")


def test_a_truncated_checkpoint_is_named(configure_error, checkpoint, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(checkpoint.read_bytes()[:2000])
    assert "broken.safetensors" in configure_error(model=str(broken))


def test_a_number_format_that_the_device_lacks_is_named(configure_error, checkpoint):
    assert "float16" in configure_error(model=str(checkpoint), device="cpu", precision="float16")
