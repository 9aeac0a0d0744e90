# SPDX-License-Identifier: Apache-2.0
"""Images, ids and depth of a built world through MuJoCo's Filament renderer on Vulkan."""

from __future__ import annotations

import collections.abc
import contextlib
import ctypes.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import mujoco
import mujoco.studio
import numpy as np
from mujoco import mjrf

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.simulation.camera import Pose
from mtl_perception.simulation.world import BuiltWorld

NEAR_M, FAR_M = 0.02, 30.0
_DRIVER_FOLDERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")


class RendererError(RuntimeError):
    """The machine cannot render."""


@dataclass(frozen=True)
class Rendering:
    """One view.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB.
        semantic: (H, W) uint8 class ids, 255 unlabelled.
        instance: (H, W) int32, 0 where there is no instance.
        depth_m: (H, W) float32 metres along the optical axis.
    """

    rgb: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray
    depth_m: np.ndarray


class Renderer(Protocol):
    """Renders views of a loaded world; pictures have its ``width`` and ``height``."""

    width: int
    height: int

    def load(self, world: BuiltWorld) -> None: ...

    def labels(self, camera: Intrinsics, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # pyright: ignore[reportReturnType]
        """Semantic ids, instances and depth in metres, each (H, W), at the size of ``camera``."""

    def picture(self, camera: Intrinsics, pose: Pose) -> np.ndarray: ...


class RoomRenderer:
    """Renders views of one size; ``load`` a world first. Grows by some 5 MB a world, so restart the process
    at times."""

    def __init__(self, width: int, height: int) -> None:
        """
        Raises:
            RendererError: no Vulkan driver.
        """
        check_vulkan()
        self.width, self.height = width, height
        filament = _filament()
        config = mjrf.ContextConfig()
        config.graphics_api = mjrf.GraphicsApi.GRAPHICS_API_VULKAN
        with _silence():
            self._context = mjrf.Context(config)
        self._ambient_texture = _ambient_texture(self._context)
        self._filament = filament
        self._rgb = np.zeros((height, width, 3), np.uint8)
        self._labels: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        """Targets for ids and depth by (width, height): those of pictures, and smaller ones."""
        self._scene = self._renderer = self._ambient = self._world = None

    def load(self, world: BuiltWorld) -> None:
        """Uploads a world; the one before is released."""
        from mujoco.rendering.filament.model_scene import ModelScene

        if self._scene is not None:
            self._scene.scene.remove_light(self._ambient)
            self._scene = self._renderer = self._ambient = None
        renderer = self._filament.Renderer(self._context)
        scene = ModelScene(self._context, world.model, renderer.scene("room"))
        scene.update(world.data)
        renderer.target("rgb", self._rgb)
        self._labels = {}
        for i, lamp in enumerate(world.lamps):
            scene.get_light(i).set_intensity(lamp.intensity_cd)
        params = mjrf.LightParams()
        params.type, params.texture = mjrf.LightType.LIGHT_IMAGE, self._ambient_texture
        params.color, params.intensity = list(world.ambient_color), world.ambient_lux
        self._ambient = self._context.create_light(params)
        scene.scene.add_light(self._ambient)
        self._renderer, self._scene, self._world = renderer, scene, world

    def update(self) -> None:
        """Take over what has moved in the world's ``data``."""
        self._scene.update(self._world.data)

    def labels(self, camera: Intrinsics, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Semantic ids, instances and depth of a view of any size, without its picture; see :class:`Rendering`."""
        world, size = self._world, (camera.width, camera.height)
        if size not in self._labels:
            shape = (camera.height, camera.width)
            self._labels[size] = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32)
            ids, z = self._labels[size]
            self._renderer.target(f"ids{size}", ids)
            self._renderer.target(f"z{size}", z, mjrf.PixelFormat.PIXEL_FORMAT_R32F)
        ids, z = self._labels[size]
        self._draw(f"ids{size}", camera, pose, mjrf.DrawMode.DRAW_MODE_SEGMENTATION_BY_ID)
        geom = ids[..., 0].astype(np.int32) + 256 * ids[..., 1].astype(np.int32) - 1
        geom[(geom < 0) | (geom >= world.model.ngeom)] = world.model.ngeom
        self._draw(f"z{size}", camera, pose, mjrf.DrawMode.DRAW_MODE_DEPTH)
        return world.geom_class[geom], world.geom_instance[geom], depth_of_reversed_z(z)

    def picture(self, camera: Intrinsics, pose: Pose) -> np.ndarray:
        """(H, W, 3) uint8 sRGB; a copy."""
        self._draw("rgb", camera, pose, None)
        return self._rgb.copy()

    def render(self, camera: Intrinsics, pose: Pose) -> Rendering:
        return Rendering(self.picture(camera, pose), *self.labels(camera, pose))

    def _draw(self, target: str, camera: Intrinsics, pose: Pose, mode: mjrf.DrawMode | None) -> None:
        view = {"scene": "room", "target": target, "camera": _frustum(camera, pose), "haze": False}
        if mode is not None:
            view |= {
                "draw_mode": mode,
                "post_processing": False,
                "shadows": False,
                "skybox": False,
                "reflections": False,
            }
        self._renderer.render([self._filament.View(**view)])


def check_renderer(name: str) -> None:
    """
    Raises:
        ValueError: there is no renderer of this name.
        RendererError: it lacks its driver.
    """
    if name == "filament":
        check_vulkan()
    elif name == "classic":
        from mtl_perception.simulation.classic import check_opengl

        check_opengl()
    else:
        raise ValueError(f"renderer is '{name}', expected filament or classic")


def open_renderer(name: str, width: int, height: int) -> Renderer:
    """
    Raises:
        ValueError: there is no renderer of this name.
        RendererError: it lacks its driver.
    """
    check_renderer(name)
    if name == "filament":
        return RoomRenderer(width, height)
    from mtl_perception.simulation.classic import ClassicRenderer

    return ClassicRenderer(width, height)


def check_vulkan() -> None:
    """
    Raises:
        RendererError: the Vulkan loader or every driver is missing.
    """
    named = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if named:  # the loader then looks nowhere else
        drivers = [path for path in named.split(os.pathsep) if Path(path).exists()]
    else:
        drivers = [path for folder in _DRIVER_FOLDERS for path in Path(folder).glob("*.json")]
    if not drivers or not ctypes.util.find_library("vulkan"):
        looked = f"VK_DRIVER_FILES={named}" if named else "the usual folders"
        raise RendererError(
            f"rendering needs Vulkan and found no driver ({looked}); install the system packages "
            "libvulkan1 and mesa-vulkan-drivers (a GPU is not needed)"
        )


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The renderer greets on the terminal, past Python's streams; a progress bar would not survive it."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def _filament():
    """MuJoCo's renderer module. It names collections.abc.Buffer, which Python has from 3.12 on."""
    if sys.version_info < (3, 12) and not hasattr(collections.abc, "Buffer"):
        collections.abc.Buffer = np.ndarray
    from mujoco.rendering.filament import renderer

    return renderer


def _ambient_texture(context: mjrf.Context) -> mjrf.Texture:
    """The image light that comes with MuJoCo."""
    raw = (Path(mujoco.__file__).parent / "studio/assets/ibl.ktx").read_bytes()
    config = mjrf.TextureConfig()
    config.width, config.height = len(raw), 0
    config.format, config.sampler_type = mjrf.PixelFormat.PIXEL_FORMAT_KTX, mjrf.SamplerType.TEXTURE_CUBE
    config.color_space = mjrf.ColorSpace.COLORSPACE_LINEAR
    texture, data = context.create_texture(config), mjrf.TextureData()
    data.set_image(raw)
    texture.upload(data)
    return texture


def depth_of_reversed_z(z: np.ndarray) -> np.ndarray:
    """Metres along the optical axis; z is 1 at ``NEAR_M`` and 0 at ``FAR_M``."""
    return NEAR_M * FAR_M / (z * (FAR_M - NEAR_M) + NEAR_M)


def set_frustum(eye: mjrf.Camera | mujoco.MjvGLCamera, camera: Intrinsics) -> None:
    """Gives ``eye`` the field of view of ``camera``."""
    top = NEAR_M * camera.height / 2 / camera.fy
    eye.frustum_bottom, eye.frustum_top = -top, top
    eye.frustum_near, eye.frustum_far = NEAR_M, FAR_M
    eye.frustum_width = NEAR_M * camera.width / 2 / camera.fx


def _frustum(camera: Intrinsics, pose: Pose) -> mjrf.Camera:
    eye = mjrf.Camera(
        pos=[float(v) for v in pose.position],
        forward=[float(v) for v in pose.rotation[:, 2]],
        up=[float(-v) for v in pose.rotation[:, 1]],
    )
    set_frustum(eye, camera)
    return eye
