# SPDX-License-Identifier: Apache-2.0
"""Loose objects come to rest: MuJoCo drops them onto what is fixed, and where they end they stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from mtl_perception.simulation.meshes import Mesh

TIMESTEP_S = 0.004
LONGEST_S = 2.0
_CHECK_EVERY = 20
_AT_REST = 0.03
"""Metres and radians a second; below it nobody sees a movement."""
PENETRATION_M = 0.002


@dataclass(frozen=True)
class Placement:
    """Where an object's own frame is in the room: ``position`` (3,) metres, ``rotation`` (3, 3)."""

    position: np.ndarray
    rotation: np.ndarray


def settle(fixed: Sequence[Mesh], objects: Sequence[Sequence[Mesh]], starts: Sequence[Placement]) -> list[Placement | None]:
    """Where ``objects`` come to rest when they are let go at ``starts``.

    Every mesh counts as its convex hull, so a hollow object must come as several. Objects collide with each
    other, with ``fixed`` and with the ground at z = 0. None for an object that does not rest within
    ``LONGEST_S`` seconds, and for all when something is caught inside another.
    """
    model = physics_model(fixed, objects, starts)
    data = mujoco.MjData(model)
    for _ in range(round(LONGEST_S / TIMESTEP_S / _CHECK_EVERY)):
        mujoco.mj_step(model, data, _CHECK_EVERY)
        if np.abs(data.qvel).max() < _AT_REST:
            break
    mujoco.mj_forward(model, data)
    speed = np.abs(data.qvel.reshape(-1, 6)).max(1)
    caught = data.ncon > 0 and data.contact.dist.min() < -PENETRATION_M
    return [
        Placement(data.xpos[i + 1].copy(), data.xmat[i + 1].reshape(3, 3).copy()) if speed[i] < _AT_REST and not caught else None
        for i in range(len(objects))
    ]


def physics_model(fixed: Sequence[Mesh], objects: Sequence[Sequence[Mesh]], starts: Sequence[Placement]) -> mujoco.MjModel:
    """Object i is body i + 1."""
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP_S
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], **_SURFACE)
    names: dict[int, str] = {}
    for mesh in fixed:
        _add_hull(spec, spec.worldbody, mesh, names)
    for meshes, start in zip(objects, starts, strict=True):
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(start.rotation).ravel())
        body = spec.worldbody.add_body(pos=start.position, quat=quaternion)
        body.add_freejoint()
        for mesh in meshes:
            _add_hull(spec, body, mesh, names)
    return spec.compile()


# Rolling friction (condim 6) stops cans and fruit; a stiff contact sinks in by less than a millimetre.
_SURFACE = {
    "condim": 6, "friction": [0.7, 0.01, 0.004], "solref": [0.01, 1.0], "density": 400.0,
}  # fmt: skip


def _add_hull(spec: mujoco.MjSpec, body: mujoco.MjsBody, mesh: Mesh, names: dict[int, str]) -> None:
    name = names.get(id(mesh))
    if name is None:
        name = names[id(mesh)] = f"hull{len(names)}"
        asset = spec.add_mesh(name=name)
        asset.uservert = mesh.vertices.ravel().tolist()
        asset.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, **_SURFACE)
