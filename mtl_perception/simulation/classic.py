# SPDX-License-Identifier: Apache-2.0
"""The same views through MuJoCo's older OpenGL renderer: a second look at the same rooms, for tests of how well
training carries over.

It shades by vertex, knows no image light and no roughness, so that everything looks flatter.
"""

from __future__ import annotations

import os

import mujoco
import numpy as np

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.simulation.camera import Pose
from mtl_perception.simulation.renderer import (
    RendererError,
    depth_of_reversed_z,
    set_frustum,
)
from mtl_perception.simulation.world import BuiltWorld

_FULL_CANDELA = 2.0e5
"""A light of full strength; this renderer knows no units."""
_FULL_LUX = 16_000.0


class ClassicRenderer:
    """Renders views of one size; ``load`` a world first."""

    def __init__(self, width: int, height: int) -> None:
        """
        Raises:
            RendererError: no OpenGL that works without a screen.
        """
        self.width, self.height = width, height
        self._gl = _headless_gl(width, height)
        self._gl.make_current()
        self._scene = self._context = self._world = None

    def load(self, world: BuiltWorld) -> None:
        """Uploads a world; the one before is released."""
        if self._context is not None:
            self._context.free()
        model = world.model
        model.vis.global_.offwidth, model.vis.global_.offheight = self.width, self.height
        for i, lamp in enumerate(world.lamps):
            model.light_diffuse[i] = np.asarray(lamp.color) * min(lamp.intensity_cd / _FULL_CANDELA, 1.0)
        model.vis.headlight.diffuse[:] = model.vis.headlight.specular[:] = 0
        model.vis.headlight.ambient[:] = np.asarray(world.ambient_color) * world.ambient_lux / _FULL_LUX
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(model, world.data, mujoco.MjvOption(), None, mujoco.MjvCamera(), everything, self._scene)
        self._world = world

    def labels(self, camera: Intrinsics, pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As :meth:`~mtl_perception.simulation.renderer.RoomRenderer.labels`; views of at most the own size."""
        ids, z = self._draw(camera, pose, as_ids=True)
        drawn = ids.astype(np.int32) @ (1, 1 << 8, 1 << 16)
        ngeom = self._world.model.ngeom
        geom_of = np.full(self._scene.ngeom + 1, ngeom)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                geom_of[geom.segid + 1] = geom.objid
        found = geom_of[drawn]
        return self._world.geom_class[found], self._world.geom_instance[found], depth_of_reversed_z(z)

    def picture(self, camera: Intrinsics, pose: Pose) -> np.ndarray:
        """(H, W, 3) uint8 sRGB; a copy."""
        return self._draw(camera, pose, as_ids=False)[0]

    def _draw(self, camera: Intrinsics, pose: Pose, as_ids: bool) -> tuple[np.ndarray, np.ndarray]:
        scene = self._scene
        for flag in (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR):
            scene.flags[flag] = as_ids
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = not as_ids
        for eye in scene.camera:
            eye.pos, eye.forward, eye.up = pose.position, pose.rotation[:, 2], -pose.rotation[:, 1]
            set_frustum(eye, camera)
        area = mujoco.MjrRect(0, 0, camera.width, camera.height)
        self._gl.make_current()
        mujoco.mjr_render(area, scene, self._context)
        rgb = np.empty((camera.height, camera.width, 3), np.uint8)
        z = np.empty((camera.height, camera.width), np.float32)
        mujoco.mjr_readPixels(rgb, z, area, self._context)
        return np.ascontiguousarray(rgb[::-1]), np.ascontiguousarray(z[::-1])


def check_opengl() -> None:
    """
    Raises:
        RendererError: no OpenGL that works without a screen.
    """
    _headless_gl(16, 16).free()


def _headless_gl(width: int, height: int):
    """A context of EGL, or of OSMesa where MUJOCO_GL says so."""
    kind = "osmesa" if os.environ.get("MUJOCO_GL") == "osmesa" else "egl"
    try:
        if kind == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco.egl import GLContext
        return GLContext(width, height)
    except Exception as error:  # PyOpenGL raises whatever a missing library leads to
        packages = "libosmesa6" if kind == "osmesa" else "libegl1 and libgl1-mesa-dri"
        raise RendererError(
            f"the classic renderer needs OpenGL without a screen and found none ({kind}: {error}); "
            f"install the system packages {packages} (a GPU is not needed)"
        ) from error
