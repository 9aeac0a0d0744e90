# SPDX-License-Identifier: Apache-2.0
"""Doors and drawers of cabinets in the styles of many kitchens, each door with its handle."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from mtl_perception.simulation import handles, textures
from mtl_perception.simulation.meshes import Mesh, board, frame
from mtl_perception.simulation.world import Detail, Material, Part

Rng = np.random.Generator


@dataclass(frozen=True)
class FrontStyle:
    """Shared by all doors of one piece of furniture, or of one kitchen; calling it covers a front."""

    grip: handles.Grip | None
    handle: Material
    panel: str
    door_width_m: float
    top_drawers: float
    """How likely a column has a drawer above its door."""
    all_drawers: float

    def __call__(
        self,
        rng: Rng,
        half_x: float,
        y: float,
        bottom: float,
        top: float,
        tall: bool,
        front: Material,
        handle: Material,
        grip_m: float = 1.0,
    ) -> tuple[Detail, ...]:
        """Doors and drawers from ``bottom`` to ``top``, their faces at ``y``. The grips of ``tall`` doors are
        ``grip_m`` above the ground; the style's own handles take the place of ``handle``."""
        columns = max(1, round(2 * half_x / self.door_width_m))
        width, doors = 2 * half_x / columns, []
        for column in range(columns):
            x = -half_x + (column + 0.5) * width
            rows = self._rows(rng, bottom, top, tall)
            for low, high, drawer in rows:
                hinge = -1 if column % 2 == 0 else 1
                doors.append(self._leaf(rng, x, width, y, (low, high), drawer, hinge, front, grip_m if tall else None))
        return tuple(doors)

    def _rows(self, rng: Rng, bottom: float, top: float, tall: bool) -> list[tuple[float, float, bool]]:
        height = top - bottom
        if tall:
            if height > 1.5 and rng.uniform() < 0.4:  # a short door above a long one
                split = top - rng.uniform(0.3, 0.5)
                return [(bottom, split, False), (split, top, False)]
            return [(bottom, top, False)]
        drawn = rng.uniform()
        if drawn < self.all_drawers:
            edges = np.linspace(bottom, top, int(rng.integers(2, 6)) + 1)
            return [(float(a), float(b), True) for a, b in itertools.pairwise(edges)]
        if drawn < self.all_drawers + self.top_drawers and height > 0.45:
            split = top - rng.uniform(0.13, 0.18)
            return [(bottom, split, False), (split, top, True)]
        return [(bottom, top, False)]

    def _leaf(
        self, rng: Rng, x: float, width: float, y: float, heights: tuple[float, float], drawer: bool, hinge: int,
        front: Material, grip_m: float | None,
    ) -> Detail:  # fmt: skip
        half, low, high = width / 2 - 0.003, heights[0] + 0.003, heights[1] - 0.003
        rim = min(0.065, half / 3, (high - low) / 4)
        parts: list[Part] = [(board(x - half, x + half, y - 0.02, y, low, high), front)]
        if self.panel in ("framed", "glazed") and not (drawer and high - low < 0.16):
            parts += [(mesh, front) for mesh in frame(x - half, x + half, y, y + 0.008, low, high, rim)]
        inside = (x - half + 1.4 * rim, x + half - 1.4 * rim, low + 1.4 * rim, high - 1.4 * rim)
        if self.panel == "raised":
            parts.append((board(inside[0], inside[1], y, y + 0.007, inside[2], inside[3]), front))
        elif self.panel == "glazed" and not drawer:
            glass = Material(textures.plain(rng, textures.jitter(rng, (0.35, 0.38, 0.4), 0.1)), 0.12)
            parts.append((board(x - half + rim, x + half - rim, y, y + 0.001, low + rim, high - rim), glass))
        elif self.panel == "slatted":
            for z in np.arange(inside[2], inside[3] - 0.012, 0.024):
                parts.append((board(inside[0], inside[1], y, y + 0.006, float(z), float(z) + 0.013), front))
        if self.grip is None:
            return Detail("cabinet door", parts)
        if drawer:
            at, upright = (x, y, low + rng.uniform(0.5, 0.75) * (high - low)), False
        else:
            edge = x - hinge * (half - min(0.04, rim / 2 + 0.005))
            middle = high - min(0.15, 0.3 * (high - low)) if grip_m is None else min(max(grip_m, low + 0.08), high - 0.08)
            at, upright = (edge, y, middle), True
        meshes: list[Mesh] = [mesh.moved(*at) for mesh in self.grip(upright)]
        return Detail("cabinet door", parts, (Detail("handle", [(mesh, self.handle) for mesh in meshes]),))


def front_style(rng: Rng) -> FrontStyle:
    """Plain, framed, raised, slatted or glazed doors; some without handles."""
    return FrontStyle(
        grip=None if rng.uniform() < 0.12 else handles.cabinet_grip(rng),
        handle=handles.material(rng),
        panel=str(rng.choice(["plain", "framed", "raised", "slatted", "glazed"], p=[0.45, 0.27, 0.16, 0.05, 0.07])),
        door_width_m=rng.uniform(0.33, 0.6),
        top_drawers=float(rng.choice([0.0, 0.4, 0.8])),
        all_drawers=float(rng.choice([0.05, 0.25, 0.9], p=[0.5, 0.3, 0.2])),
    )
