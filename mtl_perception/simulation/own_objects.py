# SPDX-License-Identifier: Apache-2.0
"""A user's own meshes among the furniture: FOLDER/CLASS/*.glb, .gltf, .obj, .stl, .ply.

screws_and_cups/
  cup/mug.glb
  cup/tumbler.obj    with its .mtl and textures
  gear box/left.stl
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mtl_perception.simulation import materials
from mtl_perception.simulation.meshes import Mesh, box, corners, merge, rotation_x
from mtl_perception.simulation.textures import Texture
from mtl_perception.simulation.world import Item, Material

if TYPE_CHECKING:
    import trimesh

Rng = np.random.Generator
FORMATS = (".glb", ".gltf", ".obj", ".stl", ".ply")
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}
UP_AXES = ("y", "z")
SIZE_M = (0.005, 3.0)
"""Limits of the longest side of a mesh."""
MOST_FACES = 200_000
_SMALL_M = 0.45
"""Up to this side an object stands on furniture, larger ones on the floor."""
_TEXTURE_PIXELS = 512
_SHARP = np.cos(np.radians(40))
_NOT_OBJECTS = ("floor", "wall", "ceiling", "clutter", "handle", "cabinet door", "refrigerator door", "pillow")


@dataclass(frozen=True, eq=False)
class OwnObject:
    """One mesh, standing on z = 0 around the origin. ``parts`` without a material get another one in each room."""

    path: Path
    label: str
    parts: tuple[tuple[Mesh, Material | None], ...]
    hull: Mesh
    half_x: float
    half_y: float
    height: float

    @property
    def is_small(self) -> bool:
        return max(2 * self.half_x, 2 * self.half_y, self.height) <= _SMALL_M

    def item(self, rng: Rng) -> Item:
        """The object to place."""
        paint = materials.metal(rng) if rng.uniform() < 0.3 else materials.plastic(rng)
        parts = [(mesh, material or paint) for mesh, material in self.parts]
        return Item(self.label, parts, self.half_x, self.half_y, self.height, solids=(self.hull,))


@dataclass(frozen=True, eq=False)
class OwnObjects:
    """All meshes of a folder. ``share`` of the small objects in a room are of the small ones among them."""

    objects: tuple[OwnObject, ...]
    share: float = 0.3

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, by name."""
        return tuple(sorted({obj.label for obj in self.objects}))

    @property
    def small_labels(self) -> tuple[str, ...]:
        """Those that stand on furniture."""
        return tuple(sorted({obj.label for obj in self.objects if obj.is_small}))

    def small(self, rng: Rng, max_height_m: float) -> Item | None:
        """A small one that is lower than ``max_height_m``, every class as likely as the others; None if there is none."""
        return self._draw(rng, [obj for obj in self.objects if obj.is_small and obj.height < max_height_m])

    def large(self, rng: Rng, max_height_m: float) -> Item | None:
        """The same for those that stand on the floor."""
        return self._draw(rng, [obj for obj in self.objects if not obj.is_small and obj.height < max_height_m])

    def _draw(self, rng: Rng, fitting: list[OwnObject]) -> Item | None:
        if not fitting:
            return None
        labels = sorted({obj.label for obj in fitting})
        label = labels[int(rng.integers(len(labels)))]
        alike = [obj for obj in fitting if obj.label == label]
        return alike[int(rng.integers(len(alike)))].item(rng)


def load_objects(folder: Path, units: str = "m", up: str | None = None) -> OwnObjects:
    """All meshes below ``folder``/CLASS/.

    Args:
        units: what the numbers in .obj, .stl and .ply files are: a key of UNITS_M. Those of .glb and .gltf are metres.
        up: the axis that points up, "y" or "z"; where None, y in .glb and .gltf files, as their standard says, else z.

    Raises:
        ValueError: the folder has no classes or no meshes, or one of them can't be read, has no faces or too many, lacks a
            texture, or is not of a size that stands in rooms. The error names the file and what to do.
        ImportError: trimesh is not installed.
    """
    if units not in UNITS_M:
        raise ValueError(f"object units are '{units}', expected one of: {', '.join(UNITS_M)}")
    if up not in (None, *UP_AXES):
        raise ValueError(f"the objects' up axis is '{up}', expected y or z")
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder, expected one with a folder of meshes for each class")
    stray = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in FORMATS]
    if stray:
        raise ValueError(f"{stray[0]} belongs to no class; put it into a folder that is named after its class")
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in FORMATS):
        label = path.relative_to(folder).parts[0]
        if label in _NOT_OBJECTS:
            raise ValueError(f"{folder / label}: '{label}' cannot be a class of its own meshes; rooms use that name otherwise")
        found.append(_load(path, label, units, up))
    if not found:
        raise ValueError(f"{folder} holds no meshes, expected CLASS/NAME with one of: {', '.join(FORMATS)}")
    return OwnObjects(tuple(found))


@functools.lru_cache(maxsize=1)
def fingerprint(folder: str) -> str:
    """Another one for other files, textures included. It is read once a process."""
    root = Path(folder)
    digest = hashlib.blake2s(digest_size=8)
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(hashlib.blake2s(path.read_bytes()).digest())
    return digest.hexdigest()


def _load(path: Path, label: str, units: str, up: str | None) -> OwnObject:
    standard = path.suffix.lower() in (".glb", ".gltf")
    scale = 1.0 if standard else UNITS_M[units]
    upright = rotation_x(np.pi / 2) if (up or ("y" if standard else "z")) == "y" else np.eye(3)
    parts = [(mesh.rotated(upright), material) for mesh, material in _read(path)]
    if not parts:
        raise ValueError(f"{path} has no faces; a mesh needs triangles, points alone cannot be drawn")
    faces = sum(len(mesh.faces) for mesh, _ in parts)
    if faces > MOST_FACES:
        raise ValueError(f"{path} has {faces} faces, expected at most {MOST_FACES}; reduce it first")
    vertices = np.concatenate([mesh.vertices for mesh, _ in parts]) * scale
    if not np.isfinite(vertices).all():
        raise ValueError(f"{path} has coordinates that are not finite")
    low, high = vertices.min(0), vertices.max(0)
    size_m = float((high - low).max())
    if not SIZE_M[0] <= size_m <= SIZE_M[1]:
        raise ValueError(_of_wrong_size(path, size_m, units, standard))
    shift = -np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    placed = tuple((replace(mesh, vertices=mesh.vertices * scale + shift), material) for mesh, material in parts)
    half_x, half_y, height = (high - low) / (2, 2, 1)
    hull = _hull(np.concatenate([mesh.vertices for mesh, _ in placed]), half_x, half_y, height)
    return OwnObject(path, label, placed, hull, float(half_x), float(half_y), float(height))


def _of_wrong_size(path: Path, size_m: float, units: str, standard: bool) -> str:
    said = f"{path}: its longest side is {size_m:.3g} m, expected {SIZE_M[0]:g} to {SIZE_M[1]:g} m"
    if standard:
        return f"{said}; numbers in .glb and .gltf files are metres: scale it before it is exported"
    numbers = size_m / UNITS_M[units]
    fitting = [name for name, unit_m in UNITS_M.items() if SIZE_M[0] <= numbers * unit_m <= SIZE_M[1]]
    if not fitting:
        return f"{said}; scale it first"
    return f"{said}, if its numbers are {units}; give the right units: {' or '.join(f'--object-units {name}' for name in fitting)}"


def _hull(vertices: np.ndarray, half_x: float, half_y: float, height: float) -> Mesh:
    """A convex body of few corners for physics: the outermost vertices in many directions."""
    if min(half_x, half_y, height / 2) < 0.001:  # flat: no body at all
        return box(max(2 * half_x, 0.002), max(2 * half_y, 0.002), max(height, 0.002))
    index = np.arange(200) + 0.5
    polar, turn = np.arccos(1 - 2 * index / 200), np.pi * (1 + 5**0.5) * index
    directions = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], 1)
    directions = np.concatenate([directions, np.eye(3), -np.eye(3)])
    return corners(vertices[np.unique([int((vertices @ direction).argmax()) for direction in directions])])


def _read(path: Path) -> list[tuple[Mesh, Material | None]]:
    """Its bodies in the file's own axes and units."""
    try:
        import trimesh
    except ImportError as error:
        raise ImportError(f"own meshes need trimesh ({error}); install it with: pip install 'mtl_perception[simulation]'") from error
    if path.suffix.lower() == ".obj":
        _check_materials(path)
    try:
        scene = trimesh.load_scene(path)
        bodies = []
        for node in scene.graph.nodes_geometry:
            transform, name = scene.graph[node]
            body = scene.geometry[name]
            if isinstance(body, trimesh.Trimesh) and len(body.faces):
                body = body.copy()
                body.apply_transform(transform)
                bodies.append(body)
        return [part for body in bodies for part in _parts(body)]
    except Exception as error:  # each format has errors of its own
        raise ValueError(f"{path} cannot be read as a mesh ({type(error).__name__}: {error})") from error


def _check_materials(path: Path) -> None:
    """That the files exist which an .obj and its .mtl name: without them it would be drawn without its colours."""
    for material in _named(path, "mtllib"):
        for texture in _named(material, "map_Kd"):
            if not texture.exists():
                raise ValueError(f"{material} names the texture {texture.name}, which is not there")


def _named(path: Path, keyword: str) -> Iterator[Path]:
    if not path.exists():
        raise ValueError(f"{path} is named by a mesh beside it, but is not there; remove its mtllib line to do without")
    for line in path.read_text(errors="replace").splitlines():
        words = line.strip().split(maxsplit=1)
        if len(words) == 2 and words[0] == keyword:
            yield path.parent / words[1].strip().split(" -")[0].replace("\\", "/")


def _parts(body: trimesh.Trimesh) -> list[tuple[Mesh, Material | None]]:
    """A body's surface, by material."""
    body.merge_vertices(merge_tex=True, merge_norm=True)
    keep = np.asarray(body.area_faces) > 1e-14 * max(float(np.ptp(body.vertices, axis=0).max()), 1e-9) ** 2
    faces, points = np.asarray(body.faces)[keep], np.asarray(body.vertices, float)
    if not len(faces):
        return []
    normals = _corner_normals(points, faces)
    uv = getattr(body.visual, "uv", None) if body.visual.kind == "texture" else None
    if uv is not None and len(uv) != len(points):
        uv = None
    flat = np.arange(3 * len(faces)).reshape(-1, 3)
    texture_uv = np.zeros((3 * len(faces), 2)) if uv is None else np.asarray(uv, float)[faces.ravel()]
    mesh = Mesh(points[faces.ravel()], texture_uv, normals.reshape(-1, 3), flat)
    closed = bool(body.is_watertight and body.is_winding_consistent)
    if closed and body.volume < 0:
        mesh = _inside_out(mesh)
    if not closed:  # it may be seen from both sides
        mesh = merge([mesh, _inside_out(mesh)])
    if body.visual.kind == "texture":
        return [(mesh, _textured(body.visual.material, uv is not None))]
    if body.visual.kind in ("vertex", "face"):
        colors = np.asarray(body.visual.face_colors)[keep, :3]
        return list(_by_color(mesh, np.tile(colors, (len(mesh.faces) // len(faces), 1))))
    return [(mesh, None)]


def _inside_out(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.uv, -mesh.normals, mesh.faces[:, ::-1])


def _corner_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3, 3) unit normals at the corners of ``faces``: smooth over neighbours, but not over edges sharper than 40°."""
    first, second, third = (points[faces[:, k]] for k in range(3))
    areas = np.cross(second - first, third - first)
    flat = areas / np.maximum(np.linalg.norm(areas, axis=1, keepdims=True), 1e-30)
    _, place = np.unique(np.round(points / max(float(np.ptp(points, axis=0).max()), 1e-9), 6), axis=0, return_inverse=True)
    owner = place.ravel()[faces.ravel()]
    order = np.argsort(owner, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(owner[order])) + 1]
    counts = np.diff(np.r_[starts, len(order)])
    counts_of, start_of = np.repeat(counts, counts), np.repeat(starts, counts)
    many = np.where(counts_of > 64, 0, counts_of)  # the middle of a fan: its faces stay flat
    corner = np.repeat(order, many)
    step = np.arange(len(corner)) - np.repeat(np.cumsum(many) - many, many)
    other = order[np.repeat(start_of, many) + step]
    close = (flat[corner // 3] * flat[other // 3]).sum(1) > _SHARP
    normals = 1e-6 * np.repeat(areas, 3, 0)
    np.add.at(normals, corner[close], areas[other[close] // 3])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    return normals.reshape(-1, 3, 3)


def _textured(material: object, has_uv: bool) -> Material:
    """Of a material of an .obj or a .glb: its picture or its plain colour."""
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    factor = getattr(material, "baseColorFactor", None)
    plain = getattr(material, "main_color", (150, 150, 150)) if factor is None else factor
    color = np.asarray(plain, float)[:3]
    if image is not None and has_uv:
        rgb = np.asarray(image.convert("RGB"))
        scale = _TEXTURE_PIXELS / max(rgb.shape[:2])
        if scale < 1:
            rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if factor is not None:
            rgb = (rgb * (color / 255)).clip(0, 255).astype(np.uint8)
        rgb = np.ascontiguousarray(rgb[::-1])  # v grows upwards
    else:
        rgb = np.full((4, 4, 3), color.clip(0, 255), np.uint8)
    roughness, metallic = getattr(material, "roughnessFactor", None), getattr(material, "metallicFactor", None)
    return Material(
        Texture(rgb, 1.0, "own"),
        0.5 if roughness is None else float(np.clip(roughness, 0.05, 1.0)),
        # Full metal mirrors a surrounding that the renderer does not have.
        0.0 if metallic is None or roughness is None else float(np.clip(metallic, 0.0, 0.8)),
    )


def _by_color(mesh: Mesh, colors: np.ndarray) -> Iterator[tuple[Mesh, Material]]:
    """``mesh`` in pieces of one colour each, of at most 216."""
    steps = np.rint(colors / 51).astype(int)
    _, first, group = np.unique(steps, axis=0, return_index=True, return_inverse=True)
    for number in range(len(first)):
        inside = group.ravel() == number
        rgb = np.tile(colors[inside].mean(0).astype(np.uint8), (4, 4, 1))
        used = mesh.faces[inside].ravel()
        piece = Mesh(mesh.vertices[used], mesh.uv[used], mesh.normals[used], np.arange(len(used)).reshape(-1, 3))
        yield piece, Material(Texture(rgb, 1.0, "own"), 0.6)
