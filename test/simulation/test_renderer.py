# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from mtl_perception.simulation.renderer import (
    RendererError,
    RoomRenderer,
    check_renderer,
    open_renderer,
)
from mtl_perception.simulation.room import PLACES, furnished_room
from mtl_perception.simulation.views import choose_view


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


@pytest.mark.parametrize("place", PLACES)
def test_labels_and_depth_agree_with_ray_casting(renderer, built, place):
    """In every kind of place, objects that fell over included."""
    room, world = built(place)
    renderer.load(world)
    camera, pose = choose_view(np.random.default_rng(21), room, renderer)
    semantic, instance, depth_m = renderer.labels(camera, pose)
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
        camera, pose = choose_view(np.random.default_rng(3), room, renderer)
        pictures.append((renderer.picture(camera, pose), *renderer.labels(camera, pose)))
    (rgb, *labels), (rgb_again, *labels_again) = pictures
    for first, again in zip(labels, labels_again, strict=True):
        assert np.array_equal(first, again)
    assert np.abs(rgb.astype(int) - rgb_again).mean() < 1
    assert rgb.std() > 8


@pytest.fixture(scope="module")
def classic():
    try:
        return open_renderer("classic", 160, 120)
    except RendererError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("place", ["living room", "warehouse"])
def test_the_classic_renderer_sees_the_same(renderer, classic, built, place):
    room, world = built(place)
    renderer.load(world)
    classic.load(world)
    camera, pose = choose_view(np.random.default_rng(1), room, renderer)
    (semantic, instance, depth_m), again = renderer.labels(camera, pose), classic.labels(camera, pose)
    assert (semantic == again[0]).mean() > 0.99
    assert (instance == again[1]).mean() > 0.99
    assert np.percentile(np.abs(depth_m - again[2]) / depth_m, 99) < 1e-3
    picture, second_look = renderer.picture(camera, pose), classic.picture(camera, pose)
    assert np.abs(picture.astype(int) - second_look).mean() > 2  # it is another picture
    edges, edges_again = (np.abs(np.diff(p.mean(2), axis=1)) for p in (picture, second_look))
    assert np.corrcoef(edges.ravel(), edges_again.ravel())[0, 1] > 0.3  # of the same view, upright


@pytest.mark.parametrize(
    ("kind", "packages"), [("osmesa", "libosmesa6"), ("egl", "libegl1 and libgl1-mesa-dri"), ("", "libegl1 and libgl1-mesa-dri")]
)
def test_a_missing_opengl_is_named(tmp_path, kind, packages):
    """Whatever is installed here: PyOpenGL does as it does where there is no library."""
    (tmp_path / "OpenGL").mkdir()
    (tmp_path / "OpenGL" / "__init__.py").write_text("None.glGetError")
    code = "from mtl_perception.simulation.renderer import check_renderer; check_renderer('classic')"
    environment = os.environ | {"MUJOCO_GL": kind, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert run.returncode != 0
    assert packages in run.stderr.splitlines()[-1]


def test_unknown_renderers_are_refused():
    with pytest.raises(ValueError, match="'vray', expected filament or classic"):
        check_renderer("vray")


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setenv("VK_DRIVER_FILES", "/nowhere/icd.json")
    with pytest.raises(RendererError, match="libvulkan1 and mesa-vulkan-drivers"):
        RoomRenderer(64, 48)
