# SPDX-License-Identifier: Apache-2.0
"""Doors of many styles, shut or open, in the frame of their wall: x along it, y into the room, y = 0 at its face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtl_perception.simulation import handles, materials, textures
from mtl_perception.simulation.labels import CLUTTER
from mtl_perception.simulation.meshes import Mesh, board, box, cylinder, frame, rotation_x
from mtl_perception.simulation.world import Detail, Item, Material, Part

Rng = np.random.Generator
_FACE = -0.035
_DEEP_M = 1.3
"""How far one sees into what is behind an open door."""


def door(
    rng: Rng, half: float, high: float, trim: Material, leaf: Material | None = None,
    open_share: float = 0.22, least_rad: float = 0.25, behind: Callable[[Rng, float, float], tuple[Item, ...]] | None = None,
) -> Item:  # fmt: skip
    """A door for a hole of 2 ``half`` × ``high`` metres; wide ones have two leaves.

    Args:
        open_share: how many of the others stand open.
        least_rad: by as much at least.
        behind: makes what is seen through an open one, from half the hole's width and its height; a bare end of a room where None.
    """
    leaf = leaf or _leaf_material(rng)
    casing = trim if rng.uniform() < 0.7 else leaf
    rim, proud = rng.uniform(0.035, 0.085), rng.uniform(0.006, 0.025)
    parts: list[Part] = [(board(side * half - rim, side * half + rim, -0.08, proud, 0, high + rim), casing) for side in (-1, 1)]
    parts.append((board(-half, half, -0.08, proud, high - rim, high + rim), casing))
    grip_m, handle = rng.uniform(0.92, 1.1), handles.material(rng)
    style = _Style(rng)
    details = []
    if half > 0.62:
        opened = 0.0
        for side in (-1, 1):
            leaf_parts, grip = style.leaf(rng, half - rim, high - rim, leaf, handle, grip_m, hinge=side)
            shift = side * (half - rim) / 2
            parts += [(mesh.moved(shift), stuff) for mesh, stuff in leaf_parts]
            details.append(Detail("handle", [(mesh.moved(shift), stuff) for mesh, stuff in grip]))
    else:
        hinge = int(rng.choice([-1, 1]))
        leaf_parts, grip = style.leaf(rng, 2 * (half - rim), high - rim, leaf, handle, grip_m, hinge)
        opened = rng.uniform(least_rad, 1.75) if rng.uniform() < open_share else 0.0
        at = hinge * (half - rim)

        def swung(mesh: Mesh) -> Mesh:
            """Opened into the room about the hinge."""
            return mesh.moved(-at, -_FACE).turned(-hinge * opened if opened else 0.0).moved(at, _FACE + 0.03 * bool(opened))

        parts += [(swung(mesh), stuff) for mesh, stuff in leaf_parts]
        details.append(Detail("handle", [(swung(mesh), stuff) for mesh, stuff in grip]))
    seen = (behind or _behind)(rng, half, high) if opened else ()
    return Item("door", parts, half, 0.1, high, carries=seen, details=tuple(details))


class _Style:
    """Shared by both leaves of a door."""

    def __init__(self, rng: Rng) -> None:
        self.kind = str(
            rng.choice(
                ["plain", "panelled", "glazed", "framed glass", "planks", "inlays", "porthole"],
                p=[0.3, 0.27, 0.12, 0.09, 0.08, 0.08, 0.06],
            )
        )
        self.rows, self.columns = int(rng.integers(1, 5)), int(rng.integers(1, 3))
        self.glass = Material(textures.plain(rng, textures.jitter(rng, (0.66, 0.72, 0.74), 0.12)), rng.uniform(0.1, 0.4))
        self.kick_plate = rng.uniform() < 0.1
        self.plate = rng.uniform() < 0.15

    def leaf(
        self, rng: Rng, width: float, high: float, leaf: Material, handle: Material, grip_m: float, hinge: int
    ) -> tuple[list[Part], list[Part]]:
        """A leaf around x = 0 whose face is at ``_FACE`` and whose hinges are at the side ``hinge``; its handle."""
        half = width / 2
        parts: list[Part] = [(board(-half, half, _FACE - 0.04, _FACE, 0.006, high), leaf)]
        x0, x1, z0, z1 = -half + 0.12, half - 0.12, 0.2, high - 0.13
        edges_x, edges_z = np.linspace(x0, x1, self.columns + 1), np.linspace(z0, z1, self.rows + 1)
        if self.kind in ("panelled", "glazed"):
            for row in range(self.rows):
                for column in range(self.columns):
                    a, b = edges_x[column] + 0.02, edges_x[column + 1] - 0.02
                    low, top = edges_z[row] + 0.025, edges_z[row + 1] - 0.025
                    if self.kind == "glazed" and low > 0.7:
                        parts.append((board(a, b, _FACE, _FACE + 0.002, low, top), self.glass))
                    if b - a > 0.08 and top - low > 0.08:
                        parts += [(mesh, leaf) for mesh in frame(a, b, _FACE, _FACE + 0.011, low, top, 0.028)]
        elif self.kind == "framed glass":
            parts.append((board(x0, x1, _FACE, _FACE + 0.002, z0, z1), self.glass))
            parts += [(board(x0, x1, _FACE, _FACE + 0.008, z - 0.012, z + 0.012), leaf) for z in edges_z[1:-1]]
        elif self.kind == "planks":
            grooves = Material(textures.plain(rng, (0.1, 0.09, 0.08)), 0.9)
            parts += [
                (board(x - 0.003, x + 0.003, _FACE, _FACE + 0.001, 0.01, high), grooves)
                for x in np.arange(-half + 0.1, half - 0.05, rng.uniform(0.08, 0.13))
            ]
        elif self.kind == "inlays":
            metal = materials.metal(rng)
            parts += [(board(-half, half, _FACE, _FACE + 0.002, z, z + 0.012), metal) for z in edges_z[1:]]
        elif self.kind == "porthole":
            radius, centre = rng.uniform(0.1, 0.18), rng.uniform(1.45, 1.6)
            if rng.uniform() < 0.5:
                disc = cylinder(radius, 0.006, 28).rotated(rotation_x(-np.pi / 2))
            else:
                disc = box(radius, 0.006, 4 * radius).moved(0, 0.003, -2 * radius)
            parts.append((disc.moved(0, _FACE, centre), self.glass))
        if self.kick_plate:
            parts.append((board(-half + 0.03, half - 0.03, _FACE, _FACE + 0.003, 0.03, 0.25), materials.metal(rng)))
        if self.plate:
            paper = Material(textures.printed_page(rng), 0.8)
            parts.append((box(0.16, 0.004, 0.1, printed=True).moved(0, _FACE + 0.002, 1.5), paper))
        lock_x = -hinge * (half - 0.07)
        meshes = handles.door_handle(rng, towards=hinge)
        return parts, [(mesh.moved(lock_x, _FACE, grip_m), handle) for mesh in meshes]


def _leaf_material(rng: Rng) -> Material:
    drawn = rng.uniform()
    if drawn < 0.6:
        return materials.door(rng)
    if drawn < 0.8:
        dark = textures.jitter(rng, ((0.12, 0.12, 0.13), (0.3, 0.16, 0.1), (0.2, 0.25, 0.3))[int(rng.integers(3))])
        return Material(textures.plain(rng, dark), rng.uniform(0.3, 0.7))
    return Material(textures.plain(rng, textures.vivid(rng)), rng.uniform(0.3, 0.7))


def _behind(rng: Rng, half: float, high: float) -> tuple[Item, ...]:
    """The end of another room, seen through an open door. It has no class."""
    paint, ground = materials.wall(rng), materials.floor(rng)
    wide, top = half + 0.4, high + 0.25
    parts: list[Part] = [
        (board(-wide, wide, -_DEEP_M - 0.05, -_DEEP_M, 0, top), paint),
        *((board(side * wide - 0.05, side * wide + 0.05, -_DEEP_M, -0.15, 0, top), paint) for side in (-1, 1)),
        (board(-wide, wide, -_DEEP_M, -0.16, -0.05, 0), ground),
        (board(-wide, wide, -_DEEP_M, -0.15, top, top + 0.05), paint),
    ]
    return (Item(CLUTTER, parts, wide, _DEEP_M, top),)
