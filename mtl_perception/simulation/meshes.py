# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes with texture coordinates.

Coordinates are metres, z up. Texture coordinates are metres along the surface, so that a texture keeps its
scale on every part; printed objects (a can, a book) use 0..1 around the whole surface instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """``vertices`` (V, 3), ``uv`` (V, 2), ``normals`` (V, 3), ``faces`` (F, 3), counter-clockwise from
    outside."""

    vertices: np.ndarray
    uv: np.ndarray
    normals: np.ndarray
    faces: np.ndarray

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        return Mesh(self.vertices + (x, y, z), self.uv, self.normals, self.faces)

    def rotated(self, rotation: np.ndarray) -> Mesh:
        """Turned about the origin by a 3×3 rotation matrix."""
        return Mesh(self.vertices @ rotation.T, self.uv, self.normals @ rotation.T, self.faces)

    def turned(self, yaw: float) -> Mesh:
        """Turned about z by ``yaw`` radians."""
        return self.rotated(rotation_z(yaw))


def corners(points: np.ndarray) -> Mesh:
    """``points`` (N, 3) without faces: a convex body for physics, never drawn."""
    count = len(points)
    return Mesh(points, np.zeros((count, 2)), np.zeros((count, 3)), np.empty((0, 3), int))


def rotation_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def rotation_y(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def merge(meshes: list[Mesh]) -> Mesh:
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)]),
    )


def box(size_x: float, size_y: float, size_z: float, printed: bool = False) -> Mesh:
    """A cuboid standing on z = 0, centred in x and y.

    The texture's u axis follows the longer edge of each face, as the grain of a board does. ``printed``
    stretches one copy of the texture over every face instead, upright on the sides.
    """
    half = np.array([size_x, size_y, size_z]) / 2
    vertices, uv, normals, faces = [], [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            # (right, up) seen from outside, so that right × up points outwards.
            right, up = {0: (1, 2), 1: (0, 2), 2: (0, 1)}[axis]
            right_sign = {0: sign, 1: -sign, 2: sign}[axis]
            normal = np.zeros(3)
            normal[axis] = sign
            corners = []
            for r, u in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = normal * half
                corner[right] = r * right_sign * half[right]
                corner[up] = u * half[up]
                corners.append(corner)
                s, t = (r + 1) * half[right], (u + 1) * half[up]
                if printed:
                    uv.append(((r + 1) / 2, (u + 1) / 2))
                else:
                    uv.append((s, t) if half[right] >= half[up] else (t, s))
            start = len(vertices)
            vertices += corners
            normals += [normal] * 4
            faces += [(start, start + 1, start + 2), (start, start + 2, start + 3)]
    return Mesh(np.array(vertices) + (0, 0, half[2]), np.array(uv), np.array(normals), np.array(faces))


def board(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Mesh:
    """A cuboid between two corners."""
    return box(x1 - x0, y1 - y0, z1 - z0).moved((x0 + x1) / 2, (y0 + y1) / 2, z0)


def frame(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, rim: float) -> list[Mesh]:
    """A rectangular frame, ``rim`` wide, inside these bounds."""
    return [
        board(x0, x0 + rim, y0, y1, z0, z1),
        board(x1 - rim, x1, y0, y1, z0, z1),
        board(x0 + rim, x1 - rim, y0, y1, z0, z0 + rim),
        board(x0 + rim, x1 - rim, y0, y1, z1 - rim, z1),
    ]


def lathe(profile: list[tuple[float, float]], segments: int = 24, printed: bool = True) -> Mesh:
    """A surface of revolution about z.

    ``profile`` is a list of (radius, z) that runs so that the outside is on its right (upwards on an outer
    wall). An edge sharper than 40° stays sharp. ``printed`` wraps the texture once around and once along the
    profile.
    """
    points = np.asarray(profile, float)
    steps = np.diff(points, axis=0)
    length = np.hypot(steps[:, 0], steps[:, 1])
    steps, keep = steps[length > 1e-9], np.r_[True, length > 1e-9]
    points, length = points[keep], length[length > 1e-9]
    slope_normals = np.stack([steps[:, 1], -steps[:, 0]], 1) / length[:, None]
    along = np.r_[0.0, np.cumsum(length)]
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    vertices, uv, normals, faces = [], [], [], []
    for i in range(len(steps)):
        for end in (0, 1):
            radius, z = points[i + end]
            neighbour = i + 2 * end - 1
            normal = slope_normals[i]
            if 0 <= neighbour < len(steps) and slope_normals[neighbour] @ normal > np.cos(np.radians(40)):
                normal = normal + slope_normals[neighbour]
                normal = normal / np.linalg.norm(normal)
            vertices.append(np.c_[circle * radius, np.full(segments + 1, z)])
            normals.append(np.c_[circle * normal[0], np.full(segments + 1, normal[1])])
            if printed:
                uv.append(np.c_[angle / (2 * np.pi), np.full(segments + 1, along[i + end] / along[-1])])
            else:
                widest = points[:, 0].max()
                uv.append(np.c_[angle * widest, np.full(segments + 1, along[i + end])])
        low, high = 2 * i * (segments + 1), (2 * i + 1) * (segments + 1)
        j = np.arange(segments)
        if points[i, 0] > 1e-9:
            faces.append(np.stack([low + j, low + j + 1, high + j + 1], 1))
        if points[i + 1, 0] > 1e-9:
            faces.append(np.stack([low + j, high + j + 1, high + j], 1))
    return Mesh(np.concatenate(vertices), np.concatenate(uv), np.concatenate(normals), np.concatenate(faces))


def cylinder(radius: float, height: float, segments: int = 16) -> Mesh:
    """A closed cylinder standing on z = 0, textured in metres."""
    return lathe([(0, 0), (radius, 0), (radius, height), (0, height)], segments, printed=False)


def tube(path: np.ndarray, radius: np.ndarray | float, segments: int = 10, across: tuple[float, float, float] | None = None) -> Mesh:
    """A round tube along ``path`` (N, 3); ``radius`` may vary along it (N,) and closes the ends where it is
    small. ``across`` is a direction that the path never takes; z or y where None."""
    count = len(path)
    radii = np.broadcast_to(np.asarray(radius, float), (count,))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.array([0.0, 0.0, 1.0]) if abs(tangent[:, 2]).max() < 0.9 else np.array([0.0, 1.0, 0.0])
    side = np.cross(tangent, helper if across is None else np.asarray(across))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, tangent)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    vertices = path[:, None] + radii[:, None, None] * ring
    along = np.linspace(0, 1, count)
    uv = np.stack(np.broadcast_arrays(angle[None] / (2 * np.pi), along[:, None]), -1)
    i, j = np.meshgrid(np.arange(count - 1), np.arange(segments), indexing="ij")
    a = (i * (segments + 1) + j).ravel()
    b = a + segments + 1
    faces = np.concatenate([np.stack([a, b, b + 1], 1), np.stack([a, b + 1, a + 1], 1)])
    return Mesh(vertices.reshape(-1, 3), uv.reshape(-1, 2), ring.reshape(-1, 3), faces)


def sheet(grid: np.ndarray, texture_m: float | None = None) -> Mesh:
    """A thin surface through ``grid`` (N, M, 3), seen from both sides: cloth, a bent board, a leaf.

    The texture covers it once; where ``texture_m`` is given, its coordinates are metres along the grid instead.
    """
    rows, columns = grid.shape[:2]
    down, right = np.gradient(grid, axis=0), np.gradient(grid, axis=1)
    normals = np.cross(down, right)
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12)
    if texture_m is None:
        u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    else:
        v = np.cumsum(np.linalg.norm(down, axis=2), 0) / texture_m
        u = np.cumsum(np.linalg.norm(right, axis=2), 1) / texture_m
    uv = np.stack([u, v], -1).reshape(-1, 2)
    i, j = (index.ravel() for index in np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij"))
    a = i * columns + j
    b = a + columns
    faces = np.concatenate([np.stack([a, b, b + 1], 1), np.stack([a, b + 1, a + 1], 1)])
    points, normals = grid.reshape(-1, 3), normals.reshape(-1, 3)
    front = Mesh(points, uv, normals, faces)
    return merge([front, Mesh(points, uv, -normals, faces[:, ::-1])])


def rounded_box(size_x: float, size_y: float, size_z: float, radius: float, steps: int = 2) -> Mesh:
    """A cuboid with round edges standing on z = 0, textured in metres; ``steps`` quads over each edge's quarter turn."""
    half = np.array([size_x, size_y, size_z]) / 2
    radius = min(radius, 0.98 * half.min())
    inner = half - radius
    edge = np.tan(np.linspace(0, np.pi / 4, steps + 1))
    outwards = np.r_[-edge[::-1], edge]
    near = np.r_[-np.ones(steps + 1), np.ones(steps + 1)]
    count = len(outwards)
    p, q = (index.ravel() for index in np.meshgrid(np.arange(count), np.arange(count), indexing="ij"))
    i, j = (index.ravel() for index in np.meshgrid(np.arange(count - 1), np.arange(count - 1), indexing="ij"))
    corner = i * count + j
    quads = np.stack([corner, corner + count, corner + count + 1, corner + 1], 1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    sides = []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for sign in (-1.0, 1.0):
            normals, middle = np.empty((count**2, 3)), np.empty((count**2, 3))
            normals[:, axis], normals[:, b], normals[:, c] = sign, outwards[p], outwards[q]
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            middle[:, axis], middle[:, b], middle[:, c] = sign * inner[axis], near[p] * inner[b], near[q] * inner[c]
            vertices = middle + radius * normals
            sides.append(Mesh(vertices, vertices[:, [b, c]], normals, faces if sign > 0 else faces[:, ::-1]))
    return merge(sides).moved(z=half[2])


def cushion(size_x: float, size_y: float, size_z: float, squareness: float = 0.45) -> Mesh:
    """A filled cushion lying on z = 0: square seen from above, thin at its seam; textured in metres."""
    up = np.linspace(-np.pi / 2, np.pi / 2, 9)[:, None]
    around = np.linspace(0, 2 * np.pi, 25)[None]

    def power(wave: np.ndarray, exponent: float) -> np.ndarray:
        return np.sign(wave) * np.abs(wave) ** exponent

    def shape(flat: float, square: float) -> np.ndarray:
        x, y = power(np.cos(up), flat) * power(np.cos(around), square), power(np.cos(up), flat) * power(np.sin(around), square)
        return np.stack(np.broadcast_arrays(x, y, power(np.sin(up), flat)), -1).reshape(-1, 3)

    half = np.array([size_x, size_y, size_z]) / 2
    vertices = shape(0.9, squareness) * half
    normals = shape(1.1, 2 - squareness) / half
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    i, j = (index.ravel() for index in np.meshgrid(np.arange(8), np.arange(24), indexing="ij"))
    a = i * 25 + j
    b = a + 25
    faces = np.concatenate([np.stack([a, b + 1, b], 1), np.stack([a, a + 1, b + 1], 1)])
    first, second, third = (vertices[faces[:, k]] for k in range(3))
    real = np.linalg.norm(np.cross(second - first, third - first), axis=1) > 1e-12  # at the poles sides shrink to nothing
    return Mesh(vertices + (0, 0, half[2]), vertices[:, :2] + vertices[:, 2:], normals, faces[real])
