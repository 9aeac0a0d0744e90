# SPDX-License-Identifier: Apache-2.0
"""A living room or a study.

Furniture goes along the walls first, a table with its chairs and loose objects fill the middle, and small
objects stand on whatever can carry them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mtl_perception.simulation import furniture, materials, objects, textures
from mtl_perception.simulation.catalogue import FIRST, Catalogue, Maker
from mtl_perception.simulation.lighting import add_lights
from mtl_perception.simulation.lived_in import add_rug, hang_clock
from mtl_perception.simulation.meshes import box
from mtl_perception.simulation.mood import Mood
from mtl_perception.simulation.plan import Obstacle, Room, Wall, area_of, draw_half_sides, four_walls
from mtl_perception.simulation.shell import add_shell
from mtl_perception.simulation.stocking import Tray, place
from mtl_perception.simulation.world import Item, Material, Part, Spot, Support

Rng = np.random.Generator


def living_room(rng: Rng, mood: Mood, catalogue: Catalogue = FIRST) -> Room:
    room = Room(*draw_half_sides(rng, catalogue, 1.5, 3.0), rng.uniform(2.35, 2.9), catalogue, mood=mood, menu=catalogue.home)
    walls = four_walls(room)
    add_shell(rng, room, walls)
    if catalogue.lived_in and rng.uniform() < 0.5:
        add_rug(rng, room)
    furnish_walls(rng, room, walls, _wall_furniture(rng, catalogue))
    if catalogue.deep:  # twice as much wall
        furnish_walls(rng, room, walls, [*_wall_furniture(rng, catalogue), catalogue.cabinet])
    _furnish_middle(rng, room)
    scatter(rng, room)
    litter(rng, room)
    add_lights(rng, room)
    return room


def seat_at(rng: Rng, room: Room, spot: Spot) -> None:
    """A chair at ``spot`` if there is floor for it; its front may reach under a table."""
    chair = room.catalogue.chair(rng)
    tucked = area_of(chair, spot.moved(0, -0.12))
    inside = abs(spot.x) < room.half_x - 0.35 and abs(spot.y) < room.half_y - 0.35

    def blocks(other: Obstacle) -> bool:
        a_table = 0.6 <= other.height <= 0.8
        return other.height > 0 and not a_table and other.overlaps(tucked)

    if inside and not any(blocks(other) for other in room.obstacles):
        place(rng, room, chair, spot, area_of(chair, spot))


def hang_picture(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    half_x, high, z = rng.uniform(0.15, 0.45), rng.uniform(0.25, 0.6), rng.uniform(1.3, 1.5)
    frame, image = materials.furniture(rng), Material(textures.picture(rng), 0.4)
    parts: list[Part] = [
        (box(2 * half_x, 0.02, high).moved(0, 0.01, z), frame),
        (box(2 * half_x - 0.05, 0.004, high - 0.05, printed=True).moved(0, 0.021, z + 0.025), image),
    ]
    room.world.add("picture", parts, wall.spot(along, 0))


def hang_board(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    item = furniture.wall_board(rng)
    place(rng, room, item, wall.spot(along, item.half_y, rng.uniform(1.25, 1.6)), None)


def hang_something(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    hang = hang_board if rng.uniform() < 0.45 else hang_picture
    if room.catalogue.lived_in and rng.uniform() < 0.25:
        hang = hang_clock if rng.uniform() < 0.5 else _hang_television
    hang(rng, room, wall, along)


def _hang_television(rng: Rng, room: Room, wall: Wall, along: float) -> None:
    item = furniture.television(rng, hung=True)
    along = float(np.clip(along, item.half_x - wall.half_length, wall.half_length - item.half_x))
    place(rng, room, item, wall.spot(along, item.half_y, rng.uniform(1.2, 1.4)), None)


def _wall_furniture(rng: Rng, catalogue: Catalogue) -> list[Maker]:
    """Furniture along the walls."""
    if catalogue.lived_in:
        return _lived_in_furniture(rng, catalogue)
    makers = [furniture.shelf] * int(rng.integers(1, 4)) + [catalogue.cabinet] * int(rng.integers(1, 4))
    return makers + [catalogue.desk] * int(rng.integers(0, 2)) + [catalogue.sofa] * int(rng.uniform() < 0.35)


def _lived_in_furniture(rng: Rng, catalogue: Catalogue) -> list[Maker]:
    makers = [furniture.shelf] * int(rng.integers(0, 3)) + [catalogue.cabinet] * int(rng.integers(0, 3))
    makers += [catalogue.desk] * int(rng.uniform() < 0.35) + [catalogue.sofa] * int(rng.choice([0, 1, 2], p=[0.25, 0.55, 0.2]))
    makers += [furniture.television_cabinet] * int(rng.uniform() < 0.5) + [furniture.easy_chair] * int(rng.uniform() < 0.4)
    return makers + [catalogue.plant] * int(rng.uniform() < 0.4)


def furnish_walls(rng: Rng, room: Room, walls: list[Wall], makers: Sequence[Maker]) -> None:
    """Puts ``makers``' furniture with its back to a wall; pictures and boards above what is low."""
    openings = list(room.targets)
    for i in rng.permutation(len(makers)):
        item = makers[i](rng)
        for _ in range(14):
            wall = walls[int(rng.integers(4))]
            reach = wall.half_length - item.half_x - 0.03
            if reach <= 0:
                continue
            along = rng.uniform(-reach, reach)
            if rng.uniform() < 0.25:
                along = np.sign(along) * reach  # into the corner
            area = wall.area(along, item.half_x + 0.01, 0.005, 2 * item.half_y + 0.02, item.height)
            hides = item.height > 1.0 and any(area.contains(o.x, o.y, 0.5) for o in openings)
            if hides or not room.free(area):
                continue
            place(rng, room, item, wall.spot(along, item.half_y + 0.02), area)
            if item.label == "table":
                seat = wall.spot(along, 2 * item.half_y + 0.1 + rng.uniform(0, 0.2))
                seat_at(rng, room, Spot(seat.x, seat.y, 0.0, seat.yaw + np.pi))
            if item.label == "sofa" and room.catalogue.lived_in and rng.uniform() < 0.6:
                _low_table(rng, room, wall, along, 2 * item.half_y)
            space_above = item.height < 1.2 and not any(area.contains(o.x, o.y, 0.9) for o in openings)
            if space_above and rng.uniform() < 0.6:
                hang_something(rng, room, wall, along)
            break
    for wall in walls:
        along = rng.uniform(-1, 1) * (wall.half_length - 0.6)
        near = wall.area(along, 0.6, 0, 0.2, 0)
        bare = not any(o.overlaps(near) for o in room.obstacles) and not any(near.contains(o.x, o.y, 0.9) for o in openings)
        if bare and rng.uniform() < 0.3:
            hang_something(rng, room, wall, along)


def _low_table(rng: Rng, room: Room, wall: Wall, along: float, depth: float) -> None:
    """In front of a sofa of this depth, at times on a rug."""
    table = room.catalogue.coffee_table(rng)
    spot = wall.spot(along + rng.uniform(-0.2, 0.2), depth + rng.uniform(0.3, 0.5) + table.half_y)
    area = area_of(table, spot)
    if room.free(area):
        if rng.uniform() < 0.4:
            add_rug(rng, room, spot)
        place(rng, room, table, spot, area)


def _furnish_middle(rng: Rng, room: Room) -> None:
    """A dining table with chairs, a low table."""
    catalogue = room.catalogue
    makers = [catalogue.dining_table] * int(rng.uniform() < 0.85) + [catalogue.coffee_table] * int(rng.uniform() < 0.45)
    for maker in makers:
        item = maker(rng)
        spot = free_spot(rng, room, item, lambda: _table_yaw(rng))
        if spot is None:
            continue
        place(rng, room, item, spot, area_of(item, spot))
        if item.height > 0.6:
            seat_around(rng, room, item, spot, likelihood=0.6)


def seat_around(rng: Rng, room: Room, table: Item, spot: Spot, likelihood: float) -> None:
    """Chairs at the four sides of a table, pushed in or drawn out."""
    for side in range(4):
        if rng.uniform() >= likelihood:
            continue
        to_edge, half_edge = (table.half_y, table.half_x) if side % 2 == 0 else (table.half_x, table.half_y)
        facing = Spot(spot.x, spot.y, 0.0, spot.yaw + side * np.pi / 2)
        seat = facing.moved(rng.uniform(-0.35, 0.35) * half_edge, -(to_edge + rng.uniform(0.02, 0.3)))
        seat_at(rng, room, Spot(seat.x, seat.y, 0.0, seat.yaw + rng.normal(0, 0.2)))


def scatter(rng: Rng, room: Room, chairs: bool = True) -> None:
    """Bins, chairs, plants, lamps and parcels wherever there is floor, mostly along the walls."""
    catalogue = room.catalogue
    makers = [furniture.waste_bin] * int(rng.integers(1, 3)) + [catalogue.chair] * (int(rng.integers(0, 3)) if chairs else 0)
    makers += [catalogue.plant] * int(rng.uniform() < 0.35) + [furniture.floor_lamp] * int(rng.uniform() < 0.25)
    parcels = [objects.parcel] * int(rng.integers(0, 4)) + [objects.bottle] * int(rng.uniform() < 0.15)
    items = [maker(rng) for maker in makers] + [maker(rng, furniture.FREE) for maker in parcels]
    if catalogue.own is not None:
        drawn = [catalogue.own.large(rng, room.height - 0.1) for _ in range(int(rng.integers(1, 4)))]
        items += [item for item in drawn if item is not None]
    for item in items:
        at_wall = item.label in ("bin", "box", "plant", "lamp") and rng.uniform() < 0.75
        spot = free_spot(rng, room, item, lambda: rng.uniform(-np.pi, np.pi), at_wall)
        if spot is not None:
            place(rng, room, item, spot, area_of(item, spot))


def litter(rng: Rng, room: Room, likelihood: float = 0.6) -> None:
    """Small objects on the floor, some in heaps."""
    for _ in range(int(rng.integers(1, 3)) if rng.uniform() < likelihood else 0):
        half = rng.uniform(0.25, 0.5)
        for _ in range(10):
            x = float(rng.uniform(-1, 1) * (room.half_x - half))
            y = float(rng.uniform(-1, 1) * (room.half_y - half))
            if room.free(Obstacle(x - half, y - half, x + half, y + half, 0.3)):
                tray = Tray(rng, room, Support(0, 0, 0, half, half, 2.0), Spot(x, y), [])
                tray.fill(rng.uniform(0.4, 1.2))
                room.targets += tray.targets(None)
                break


def _table_yaw(rng: Rng) -> float:
    """Tables stand along the walls, or nearly."""
    return float(rng.choice([0, np.pi / 2])) + (rng.normal(0, 0.05) if rng.uniform() < 0.8 else rng.uniform(-0.7, 0.7))


def free_spot(rng: Rng, room: Room, item: Item, draw_yaw: Callable[[], float], at_wall: bool = False) -> Spot | None:
    """A spot where ``item`` overlaps nothing; None if none was found in some tries."""
    for _ in range(20):
        x, y, yaw = rng.uniform(-room.half_x, room.half_x), rng.uniform(-room.half_y, room.half_y), draw_yaw()
        if at_wall:
            inset = max(item.half_x, item.half_y) + 0.05
            yaw = rng.choice(4) * np.pi / 2 + rng.normal(0, 0.2)
            if rng.uniform() < 0.5:
                x = np.sign(x) * (room.half_x - inset)
            else:
                y = np.sign(y) * (room.half_y - inset)
        spot = Spot(float(x), float(y), 0.0, float(yaw))
        if room.free(area_of(item, spot)):
            return spot
    return None
