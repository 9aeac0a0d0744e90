# SPDX-License-Identifier: Apache-2.0
"""A MuJoCo model under construction that remembers the class and the instance of every geom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.simulation.boxes_3d import ObjectBox, object_box
from mtl_perception.simulation.labels import FIRST_LABELS, LabelSet
from mtl_perception.simulation.meshes import Mesh, merge
from mtl_perception.simulation.textures import Texture


@dataclass(frozen=True, eq=False)
class Material:
    """How a surface looks; ``emission`` > 0 glows by itself (a window pane, a lamp)."""

    texture: Texture
    roughness: float = 0.6
    metallic: float = 0.0
    emission: float = 0.0


Part = tuple[Mesh, Material]


@dataclass(frozen=True)
class Detail:
    """A part of an object that has a class of its own: a handle, a door of a cabinet."""

    label: str
    parts: list[Part]
    details: tuple[Detail, ...] = ()

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Detail:
        """It and its details at this offset."""
        parts = [(mesh.moved(x, y, z), material) for mesh, material in self.parts]
        return Detail(self.label, parts, tuple(detail.moved(x, y, z) for detail in self.details))

    @property
    def all_parts(self) -> list[Part]:
        """Its own and those of its details."""
        return [*self.parts, *(part for detail in self.details for part in detail.all_parts)]


@dataclass(frozen=True)
class Support:
    """A horizontal rectangle that objects can stand on, in the frame of its owner."""

    x: float
    y: float
    z: float
    half_x: float
    half_y: float
    clearance: float
    """Free height above it, metres."""


@dataclass(frozen=True)
class Item:
    """One object in its own frame: origin on the ground below its middle, front towards +y."""

    label: str
    parts: list[Part]
    half_x: float
    half_y: float
    height: float
    supports: tuple[Support, ...] = ()
    solids: tuple[Mesh, ...] = ()
    """Convex pieces that loose objects bounce off, where the hull of all parts would fill a hollow."""
    carries: tuple[Item, ...] = ()
    """Other objects that are fixed to it, in the same frame."""
    details: tuple[Detail, ...] = ()
    """Parts of it with a class of their own, which ``parts`` does not hold."""
    loads: bool = False
    """Whether its supports hold large boxes and bins beside small objects."""

    @property
    def all_parts(self) -> list[Part]:
        """``parts`` and those of its details."""
        return [*self.parts, *(part for detail in self.details for part in detail.all_parts)]


@dataclass(frozen=True)
class Spot:
    """Where something stands: metres in the room, turned by ``yaw`` radians about the vertical.

    What has fallen over has a ``tilt`` (3, 3), a rotation about its own origin before that turn.
    """

    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0
    tilt: np.ndarray | None = None

    def place(self, mesh: Mesh) -> Mesh:
        """``mesh`` of an object's own frame in the room."""
        upright = mesh if self.tilt is None else mesh.rotated(self.tilt)
        return upright.turned(self.yaw).moved(self.x, self.y, self.z)

    def moved(self, right: float, forward: float, up: float = 0.0) -> Spot:
        """The spot at this offset in the frame of this one."""
        c, s = float(np.cos(self.yaw)), float(np.sin(self.yaw))
        return Spot(self.x + right * c - forward * s, self.y + right * s + forward * c, self.z + up, self.yaw)


@dataclass(frozen=True)
class Lamp:
    """A spot light of wide cone. Intensity in candela; ``radius_m`` softens its shadows."""

    position: tuple[float, float, float]
    direction: tuple[float, float, float]
    intensity_cd: float
    color: tuple[float, float, float]
    cutoff_deg: float
    radius_m: float
    shadow: bool


@dataclass(frozen=True)
class BuiltWorld:
    """A compiled scene.

    ``geom_class`` and ``geom_instance`` (ngeom + 1,) are indexed by geom id; the last entry is what lies outside
    everything. A geom of a handle has the instance of the handle; ``instance_parent`` (instances + 1,) leads from
    there to the instance of the door that it is part of, and to 0. Instance 0 is no instance: ``instance_labels``
    begins with an empty name, ``instance_boxes``, the 3D boxes in the room, with None."""

    model: mujoco.MjModel
    data: mujoco.MjData
    geom_class: np.ndarray
    geom_instance: np.ndarray
    instance_labels: tuple[str, ...]
    instance_parent: np.ndarray
    instance_boxes: tuple[ObjectBox | None, ...]
    lamps: tuple[Lamp, ...]
    ambient_lux: float
    ambient_color: tuple[float, float, float]


@dataclass
class World:
    """Collects objects and compiles them."""

    labels: LabelSet = FIRST_LABELS
    lamps: list[Lamp] = field(default_factory=list)
    ambient_lux: float = 10_000.0
    ambient_color: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        self._spec = mujoco.MjSpec()
        self._material_names: dict[Material, str] = {}
        self._geom_class: list[int] = []
        self._geom_instance: list[int] = []
        self._instance_labels: list[str] = [""]
        self._instance_parent: list[int] = [0]
        self._instance_boxes: list[ObjectBox | None] = [None]

    def add(self, label: str, parts: list[Part], spot: Spot = Spot(0.0, 0.0), details: Sequence[Detail] = ()) -> int:
        """Adds one object at ``spot``. If its class has boxes, it becomes a new instance, whose number comes back; else 0."""
        return self._add(Detail(label, parts, tuple(details)), spot, self.labels.segmentation_id(label), 0)

    def add_item(self, item: Item, spot: Spot) -> int:
        """Adds ``item`` and what is fixed to it; comes back with its instance as ``add`` does."""
        instance = self.add(item.label, item.parts, spot, item.details)
        for fixed in item.carries:
            self.add_item(fixed, spot)
        return instance

    def _add(self, obj: Detail, spot: Spot, segmentation_id: int, parent: int) -> int:
        """Adds ``object``, a part of instance ``parent``, and what it consists of."""
        instance = parent
        if obj.label in self.labels.detection:
            instance = len(self._instance_labels)
            self._instance_labels.append(obj.label)
            self._instance_parent.append(parent)
            self._instance_boxes.append(object_box([mesh for mesh, _ in obj.all_parts], spot))
        by_material: dict[Material, list[Mesh]] = {}
        for mesh, material in obj.parts if self.labels.parts else obj.all_parts:
            by_material.setdefault(material, []).append(mesh)
        for material, meshes in by_material.items():
            self._add_geom(spot.place(merge(meshes)), material)
            self._geom_class.append(segmentation_id)
            self._geom_instance.append(instance)
        if self.labels.parts:
            for detail in obj.details:
                self._add(detail, spot, segmentation_id, instance)
        return instance

    @property
    def texture_families(self) -> set[str]:
        """The generators of all its textures."""
        return {material.texture.family for material in self._material_names}

    def compile(self) -> BuiltWorld:
        for lamp in self.lamps:
            light = self._spec.worldbody.add_light()
            light.type = mujoco.mjtLightType.mjLIGHT_SPOT
            light.pos, light.dir = lamp.position, lamp.direction
            light.cutoff, light.exponent = lamp.cutoff_deg, 1.0
            light.diffuse, light.specular, light.ambient = lamp.color, [0.3] * 3, [0.0] * 3
            light.castshadow, light.bulbradius, light.range = lamp.shadow, lamp.radius_m, 15.0
        self._spec.visual.quality.shadowsize = 1024
        for name, value in _RENDER_SETTINGS.items():
            numeric = self._spec.add_numeric()
            numeric.name, numeric.data, numeric.size = name, [value], 1
        model = self._spec.compile()
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        return BuiltWorld(
            model,
            data,
            np.array([*self._geom_class, UNLABELLED], np.uint8),
            np.array([*self._geom_instance, 0], np.int32),
            tuple(self._instance_labels),
            np.array(self._instance_parent, np.int32),
            tuple(self._instance_boxes),
            tuple(self.lamps),
            self.ambient_lux,
            self.ambient_color,
        )

    def _add_geom(self, mesh: Mesh, material: Material) -> None:
        name = f"geom{len(self._geom_class)}"
        mj_mesh = self._spec.add_mesh(name=name)
        mj_mesh.uservert = mesh.vertices.ravel().tolist()
        mj_mesh.usernormal = mesh.normals.ravel().tolist()
        mj_mesh.usertexcoord = mesh.uv.ravel().tolist()
        faces = mesh.faces.ravel().tolist()
        mj_mesh.userface = faces
        mj_mesh.userfacenormal = faces
        mj_mesh.userfacetexcoord = faces
        mj_mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        geom = self._spec.worldbody.add_geom(name=name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name)
        geom.contype = geom.conaffinity = 0
        geom.material = self._material(material)

    def _material(self, material: Material) -> str:
        if material in self._material_names:
            return self._material_names[material]
        name = f"material{len(self._material_names)}"
        self._material_names[material] = name
        rgb = material.texture.rgb
        texture = self._spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
        texture.height, texture.width, texture.data = rgb.shape[0], rgb.shape[1], rgb.tobytes()
        texture.colorspace = mujoco.mjtColorSpace.mjCOLORSPACE_SRGB
        mj_material = self._spec.add_material(name=name)
        mj_material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        mj_material.texrepeat = [1 / material.texture.size_m] * 2
        mj_material.roughness, mj_material.metallic = material.roughness, material.metallic
        mj_material.emission = material.emission
        return name


# Read by the renderer from the model's custom numbers.
_RENDER_SETTINGS = {
    "filament.ao.enabled": 1,
    "filament.shadows.type": 2,  # soft
    "filament.shadows.map_size": 512,
    "filament.bloom.enabled": 0,  # a sixth of the time for a glow that few notice
    "filament.cg.tone_mapping": 4,  # filmic: keeps colours natural and highlights whole
}
