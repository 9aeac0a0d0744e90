# SPDX-License-Identifier: Apache-2.0
"""Legs of tables, chairs and shelves."""

from __future__ import annotations

from mtl_perception.simulation.meshes import box, cylinder
from mtl_perception.simulation.world import Material, Part

FREE = 2.0  # metres of clearance above a top that nothing covers


def legs_at_corners(half_x: float, half_y: float, height: float, thickness: float, round_legs: bool, material: Material) -> list[Part]:
    """Four legs whose outer faces lie ``half_x`` and ``half_y`` from the middle."""
    leg = cylinder(thickness / 2, height, 10) if round_legs else box(thickness, thickness, height)
    x, y = half_x - thickness / 2, half_y - thickness / 2
    return [(leg.moved(sx * x, sy * y), material) for sx in (-1, 1) for sy in (-1, 1)]
