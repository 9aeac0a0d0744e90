# SPDX-License-Identifier: Apache-2.0
"""A drive among objects that move: bins, a chair and a parcel slide through a room, two bins of one make cross each
other, and some of them stay hidden behind a cabinet for more than a second.

    mtl-perception moving-bag bags/moving

Recorded as the demo drive is, with ground truth for every image: ``id`` in ``/ground_truth/detections`` gives the object's identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from mtl_perception.core.geometry import Intrinsics
from mtl_perception.simulation import furniture, materials, objects
from mtl_perception.simulation.boxes_3d import object_box
from mtl_perception.simulation.camera import intrinsics
from mtl_perception.simulation.demo_bag import DriveRecorder, write_whole
from mtl_perception.simulation.drive import DrivePoint, camera_in_room
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.meshes import rotation_z
from mtl_perception.simulation.plan import Opening, Room, area_of, four_walls
from mtl_perception.simulation.renderer import Rendering, RoomRenderer
from mtl_perception.simulation.shell import add_door, add_floor_and_ceiling, add_wall, add_window
from mtl_perception.simulation.stocking import place
from mtl_perception.simulation.views import visible_objects
from mtl_perception.simulation.world import BuiltWorld, Item, Spot

WIDTH, HEIGHT, HFOV_DEG = 480, 360, 70.0
RATE_HZ, DURATION_S = 10.0, 10.0
MAPS_EVERY = 10
"""Masks and depth are large: they come with every tenth image, boxes with each."""
ROOM_SEED = 7046

# Seconds; metres in the room; height; turn in radians. In between objects move evenly.
_Path = tuple[tuple[float, float, float, float, float], ...]
_BIN_THERE_AND_BACK: _Path = ((0, 1.2, -1.9, 0, 0), (5, 1.2, 1.9, 0, 0), (5.5, 1.2, 1.9, 0, 0), (10, 1.2, -1.5, 0, 0))
_BIN_ACROSS: _Path = ((0, 1.9, 2.2, 0, 0), (2.5, 1.9, 2.2, 0, 0), (8.5, 1.9, -2.1, 0, 0), (10, 1.9, -2.1, 0, 0))
_CHAIR: _Path = ((0, 2.4, -1.3, 0, 2.2), (2, 2.4, -1.3, 0, 2.2), (8, -0.3, -1.3, 0, 0.4), (10, -0.3, -1.3, 0, 0.4))
_PARCEL: _Path = ((0, -0.5, 0.9, 0, 0), (3, -0.5, 0.9, 0, 0), (8, -0.4, -1.0, 0, 2.0), (10, 0.6, -1.9, 0, 2.5))
# Seconds; where the robot is; what it looks at.
_DRIVE = ((0, -2.5, -0.5, 1.0, 0.1), (4, -2.2, 0.3, 1.0, -0.1), (7, -2.3, 0.6, 1.0, 0.2), (10, -2.6, 0.1, 1.0, -0.3))


@dataclass(frozen=True)
class MovingObject:
    """An instance of a world that follows a path.

    Attributes:
        instance: its number in the world, where it was built standing at the origin.
        geoms: (G,) its geoms.
        positions, rotations: (G, 3) and (G, 3, 3) of the geoms in the object's own frame.
    """

    item: Item
    path: _Path
    instance: int
    geoms: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray

    def spot(self, time_s: float) -> Spot:
        times, *columns = np.array(self.path, float).T
        return Spot(*(float(np.interp(time_s, times, column)) for column in columns))


class MovingRoom:
    """A built world and what moves in it."""

    def __init__(self, seed: int = ROOM_SEED) -> None:
        rng = np.random.default_rng(seed)
        room = _still_room(rng)
        first_bin, parcel = furniture.waste_bin(rng), objects.parcel(rng, 0.35)
        movers = (
            (first_bin, _BIN_THERE_AND_BACK),
            (first_bin, _BIN_ACROSS),
            (furniture.chair(rng), _CHAIR),
            (parcel, _PARCEL),
        )
        instances = [room.world.add_item(item, Spot(0.0, 0.0)) for item, _ in movers]
        self.world: BuiltWorld = room.world.compile()
        self.objects = [self._object(*mover, instance) for mover, instance in zip(movers, instances)]

    def _object(self, item: Item, path: _Path, instance: int) -> MovingObject:
        geoms = np.flatnonzero(self.world.geom_instance == instance)
        data = self.world.data
        return MovingObject(item, path, instance, geoms, data.geom_xpos[geoms], data.geom_xmat[geoms].reshape(-1, 3, 3))

    def at(self, time_s: float) -> BuiltWorld:
        """The world with everything where it is at ``time_s``; the one before changes with it."""
        boxes = list(self.world.instance_boxes)
        for obj in self.objects:
            spot = obj.spot(time_s)
            turn = rotation_z(spot.yaw)
            self.world.data.geom_xpos[obj.geoms] = obj.positions @ turn.T + (spot.x, spot.y, spot.z)
            self.world.data.geom_xmat[obj.geoms] = (turn @ obj.rotations).reshape(-1, 9)
            boxes[obj.instance] = object_box([mesh for mesh, _ in obj.item.all_parts], spot)
        return replace(self.world, instance_boxes=tuple(boxes))


def moving_drive() -> list[DrivePoint]:
    """Where the robot is at each image."""
    times, x, y, look_x, look_y = np.array(_DRIVE, float).T
    points = []
    for time_s in np.arange(round(DURATION_S * RATE_HZ)) / RATE_HZ:
        at = np.array([np.interp(time_s, times, column) for column in (x, y)])
        goal = np.array([np.interp(time_s, times, column) for column in (look_x, look_y)])
        points.append(DrivePoint(float(time_s), *at.tolist(), float(np.arctan2(*(goal - at)[::-1]))))
    return points


def write_moving_bag(out_dir: Path, width: int = WIDTH, height: int = HEIGHT, progress: bool = True) -> None:
    """Renders the drive and writes the bag into the folder ``out_dir``; one that is there is replaced at the end.

    Raises:
        RendererError: this machine has no Vulkan driver.
    """
    renderer = RoomRenderer(width, height)
    camera = intrinsics(width, height, HFOV_DEG)

    def record(path: Path) -> None:
        with DriveRecorder(path, camera) as recorder:
            for index, (point, rendering, world) in enumerate(_frames(renderer, camera, progress)):
                recorder.add_frame(point, rendering.rgb)
                visible = visible_objects(rendering.instance, world, camera_in_room(point))
                maps = rendering if index % MAPS_EVERY == 0 else None
                recorder.add_truth(point, maps, list(visible.values()), list(visible))

    write_whole(Path(out_dir), record)


def _frames(renderer: RoomRenderer, camera: Intrinsics, progress: bool) -> Iterator[tuple[DrivePoint, Rendering, BuiltWorld]]:
    room = MovingRoom()
    renderer.load(room.world)
    for point in track(moving_drive(), "rendering the moving drive", disable=not progress):
        world = room.at(point.time_s)
        renderer.update()
        yield point, renderer.render(camera, camera_in_room(point)), world


def _still_room(rng: np.random.Generator) -> Room:
    """6.4 × 5.4 m with a cabinet in the middle that hides what passes behind it."""
    room = Room(half_x=3.2, half_y=2.7, height=2.6)
    south, east, north, west = four_walls(room)
    add_floor_and_ceiling(rng, room)
    paint, trim = materials.wall(rng), materials.trim(rng)
    door = add_door(rng, room, east, 1.6, 0.43, 2.02, trim)
    view = add_window(rng, room, north, Opening(0.6, 0.75, 0.95, 2.1), trim, 0.85e5, curtains=False)
    for wall, holes in ((south, []), (east, [door]), (north, [view]), (west, [])):
        add_wall(room, wall, holes, paint, trim)
    cabinet, table, shelf = furniture.cabinet(rng), furniture.coffee_table(rng), furniture.shelf(rng)
    for item, spot, crowd in (
        (cabinet, Spot(0.4, 0.0, 0.0, np.pi / 2), 1.0),
        (table, Spot(0.0, 1.6), 1.5),
        (shelf, east.spot(-0.3, shelf.half_y + 0.02), 1.5),
        (furniture.plant(rng), Spot(2.7, 2.2), 0.0),
    ):
        place(rng, room, item, spot, area_of(item, spot), crowd)
    add_lights(rng, room, brightness=0.9)
    return room
