# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from mtl_perception.simulation.meshes import (
    box,
    cushion,
    cylinder,
    lathe,
    merge,
    rotation_x,
    rounded_box,
    sheet,
    tube,
)

HILL = np.stack([*np.meshgrid(np.linspace(0, 1, 6), np.linspace(0, 2, 5)), 0.1 * np.ones((5, 6))], -1) ** 2
PATH = np.stack([np.linspace(0, 1, 8), np.linspace(0, 0.4, 8) ** 2, np.zeros(8)], 1)
CUP = [(0, 0), (0.03, 0), (0.04, 0.1), (0.036, 0.1), (0.027, 0.006), (0, 0.006)]


@pytest.mark.parametrize(
    "mesh",
    [
        box(1.0, 0.5, 0.2),
        box(0.2, 0.3, 1.0, printed=True),
        cylinder(0.3, 1.0),
        lathe(CUP),
        tube(PATH, 0.05),
        rounded_box(1.0, 0.5, 0.2, 0.05),
        cushion(0.5, 0.4, 0.15),
        sheet(HILL),
        merge([box(1, 1, 1), cylinder(0.2, 0.4).moved(z=1.0)]).rotated(rotation_x(0.7)).turned(1.1),
    ],
    ids=["box", "printed box", "cylinder", "cup", "tube", "rounded box", "cushion", "sheet", "merged and turned"],
)
def test_faces_wind_the_way_their_normals_point(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    winding = np.cross(b - a, c - a)
    normals = mesh.normals[mesh.faces].mean(1)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    assert ((winding * normals).sum(1) > 0).all()


def test_solid_volume_is_that_of_the_body():
    def volume(mesh):
        a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
        return (a * np.cross(b, c)).sum() / 6

    assert volume(box(2.0, 3.0, 0.5)) == pytest.approx(3.0)
    assert volume(rounded_box(1.0, 0.5, 0.2, 1e-6)) == pytest.approx(0.1, rel=1e-4)
    assert 0.09 < volume(rounded_box(1.0, 0.5, 0.2, 0.05)) < 0.1
    assert volume(sheet(HILL)) == pytest.approx(0.0)
    assert volume(cylinder(0.5, 2.0, segments=256)) == pytest.approx(np.pi * 0.25 * 2.0, rel=1e-3)


def test_textures_are_sized_in_metres():
    mesh = box(2.0, 0.5, 0.1)
    for face in mesh.faces:
        for i, j in ((0, 1), (1, 2)):
            edge = np.linalg.norm(mesh.vertices[face[i]] - mesh.vertices[face[j]])
            assert np.linalg.norm(mesh.uv[face[i]] - mesh.uv[face[j]]) == pytest.approx(edge)
