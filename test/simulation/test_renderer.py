# SPDX-License-Identifier: Apache-2.0
import mujoco
import numpy as np
import pytest

from mtl_perception.simulation.dataset import choose_view, instance_boxes
from mtl_perception.simulation.labels import DETECTION_LABELS, SEGMENTATION_LABELS
from mtl_perception.simulation.renderer import RendererError, Rendering, RoomRenderer
from mtl_perception.simulation.room import furnished_room


def cast_rays(world, camera, pose):
    """Geom ids and depth along the optical axis by MuJoCo's own ray casting."""
    v, u = (a.ravel() for a in np.mgrid[0 : camera.height, 0 : camera.width])
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(len(u))], 1)
    length = np.linalg.norm(rays, axis=1)
    directions = (rays / length[:, None]) @ pose.rotation.T
    geom, distance = np.zeros(len(u), np.int32), np.zeros(len(u))
    mujoco.mj_multiRay(
        world.model,
        world.data,
        pose.position,
        directions.ravel(),
        None,
        1,
        -1,
        geom,
        distance,
        None,
        len(u),
        50.0,
    )
    shape = (camera.height, camera.width)
    return geom.reshape(shape), (distance / length).reshape(shape)


@pytest.mark.parametrize("seed", [(21, 0), (21, 1)])
def test_labels_and_depth_agree_with_ray_casting(renderer, seed):
    room = furnished_room(seed)
    world = room.world.compile()
    renderer.load(world)
    camera, pose, (semantic, instance, depth_m) = choose_view(np.random.default_rng(seed), room, renderer)
    geom, true_depth_m = cast_rays(world, camera, pose)
    assert (semantic == world.geom_class[geom]).mean() > 0.998  # edges fall either way
    assert (instance == world.geom_instance[geom]).mean() > 0.998
    error = np.abs(depth_m - true_depth_m) / true_depth_m
    assert np.median(error) < 1e-5
    assert np.percentile(error, 99) < 1e-3


def test_a_seed_gives_one_picture(renderer):
    """Labels to the bit; the renderer dithers its pictures anew each time."""
    pictures = []
    for _ in range(2):
        room = furnished_room((22, 0))
        renderer.load(room.world.compile())
        camera, pose, labels = choose_view(np.random.default_rng(3), room, renderer)
        pictures.append((renderer.picture(camera, pose), *labels))
    (rgb, *labels), (rgb_again, *labels_again) = pictures
    for first, again in zip(labels, labels_again, strict=True):
        assert np.array_equal(first, again)
    assert np.abs(rgb.astype(int) - rgb_again).mean() < 1
    assert 30 < rgb.mean() < 225  # neither black nor blown out
    assert rgb.std() > 15


def test_boxes_are_tight_and_small_things_are_left_out():
    instance = np.zeros((60, 80), np.int32)
    instance[10:20, 30:50] = 1
    instance[15, 60] = 1  # a second visible piece of the same thing
    instance[40:44, 5:11] = 2  # 24 pixels: too few
    instance[50:53, 20:60] = 3  # 3 pixels high: too thin
    instance[30:35, 70:80] = 4  # touches the border
    cup, chair = SEGMENTATION_LABELS.index("cup"), SEGMENTATION_LABELS.index("chair")
    instance_class = np.array([255, chair, cup, cup, cup], np.uint8)
    rendering = Rendering(np.empty(0), np.empty(0), instance, np.empty(0))
    boxes = instance_boxes(rendering, instance_class)
    assert [box["bbox"] for box in boxes] == [[30, 10, 31, 10], [70, 30, 10, 5]]
    assert [DETECTION_LABELS[box["category_id"]] for box in boxes] == ["chair", "cup"]
    assert boxes[0]["area"] == 201


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere/icd.json")
    with pytest.raises(RendererError, match="libvulkan1 and mesa-vulkan-drivers"):
        RoomRenderer(64, 48)
