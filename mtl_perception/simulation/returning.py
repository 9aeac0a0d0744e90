# SPDX-License-Identifier: Apache-2.0
"""A drive that comes back: the demo's robot goes round the table, and once more; what it saw it sees again half a minute later,
from where it saw it first and from the other side.

    mtl-perception returning-bag bags/returning

Recorded as the demo drive is, with ground truth for every image: ``id`` in ``/ground_truth/detections`` gives the object's identity.
"""

from __future__ import annotations

from pathlib import Path

from rich.progress import track

from mtl_perception.simulation.camera import intrinsics
from mtl_perception.simulation.demo_bag import ROOM_SEED, DriveRecorder, write_whole
from mtl_perception.simulation.demo_room import demo_room
from mtl_perception.simulation.drive import STOPS, Stop, camera_in_room, drive
from mtl_perception.simulation.renderer import RoomRenderer
from mtl_perception.simulation.views import visible_objects

WIDTH, HEIGHT, HFOV_DEG = 480, 360, 70.0
RATE_HZ = 5.0

ONCE_MORE: tuple[Stop, ...] = (
    (28.0, (-1.9, 0.2), (-3.0, -1.2)),
    (32.0, (-2.2, -0.6), (-1.6, -2.4)),
    (36.0, (-2.25, -1.2), (0.0, -1.6)),
    (38.5, (-2.2, -1.25), (0.6, 0.35)),
    (42.5, (-1.2, -1.25), (0.2, 0.0)),
    (46.0, (0.0, -1.3), (1.9, -2.2)),
    (49.0, (1.5, -1.05), (2.9, 0.35)),
    (52.0, (1.75, 0.4), (1.6, 2.5)),
    (55.5, (1.3, 1.1), (-0.6, 2.4)),
    (59.0, (1.1, 1.25), (-1.0, 0.2)),
    (62.0, (1.05, 1.3), (0.2, -0.3)),
)


def write_returning_bag(out_dir: Path, progress: bool = True) -> None:
    """Renders the drive and writes the bag into the folder ``out_dir``; one that is there is replaced at the end.

    Raises:
        RendererError: this machine has no Vulkan driver.
    """
    renderer = RoomRenderer(WIDTH, HEIGHT)
    world = demo_room(ROOM_SEED).world.compile()
    renderer.load(world)
    camera = intrinsics(WIDTH, HEIGHT, HFOV_DEG)

    def record(path: Path) -> None:
        points = drive(STOPS + ONCE_MORE, RATE_HZ)
        with DriveRecorder(path, camera) as recorder:
            for point in track(points, "rendering the drive that comes back", disable=not progress):
                pose = camera_in_room(point)
                rendering = renderer.render(camera, pose)
                recorder.add_frame(point, rendering.rgb)
                objects = visible_objects(rendering.instance, world, pose)
                recorder.add_truth(point, None, list(objects.values()), list(objects))

    write_whole(Path(out_dir), record)
