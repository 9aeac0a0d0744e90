# SPDX-License-Identifier: Apache-2.0
"""Items made of one mesh, and items laid on their side."""

from __future__ import annotations

import numpy as np

from mtl_perception.simulation.meshes import Mesh, merge, rotation_x
from mtl_perception.simulation.world import Item, Material


def one_material(label: str, meshes: Mesh | list[Mesh], material: Material) -> Item:
    mesh = merge(meshes) if isinstance(meshes, list) else meshes
    half_x, half_y = np.abs(mesh.vertices[:, :2]).max(0)
    return Item(label, [(mesh, material)], float(half_x), float(half_y), float(mesh.vertices[:, 2].max()))


def laid_down(item: Item, radius: float) -> Item:
    parts = [(mesh.moved(z=-item.height / 2).rotated(rotation_x(np.pi / 2)).moved(z=radius), stuff) for mesh, stuff in item.parts]
    vertices = np.concatenate([mesh.vertices for mesh, _ in parts])
    half_x, half_y = np.abs(vertices[:, :2]).max(0)
    return Item(item.label, parts, float(half_x), float(half_y), float(vertices[:, 2].max()))
