# SPDX-License-Identifier: Apache-2.0
"""A drive with a depth camera: its noise, its steps, and the holes that it leaves at glass, black things, edges and far away.

    mtl-perception depth-bag bags/depth

Recorded as the demo drive is. Depth is registered to the camera and smaller than its image; true depth comes with every third image, and
nothing else is true in it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from mtl_perception.simulation.camera import intrinsics
from mtl_perception.simulation.demo_bag import DEPTH_CAMERA_TOPICS, DriveRecorder, write_whole
from mtl_perception.simulation.depth_sensor import DepthSensor
from mtl_perception.simulation.drive import Stop, camera_in_room, drive
from mtl_perception.simulation.labels import SECOND_LABELS
from mtl_perception.simulation.renderer import RoomRenderer
from mtl_perception.simulation.room import furnished_room
from mtl_perception.simulation.world import BuiltWorld

WIDTH, HEIGHT, HFOV_DEG = 480, 360, 70.0
SENSOR_WIDTH, SENSOR_HEIGHT = 320, 240
RATE_HZ = 4.0
TRUTH_EVERY = 3
PLACE, ROOM_SEED = "living room", 7055
"""A whole number; data sets draw their rooms from pairs of numbers, so no training ever sees this room."""
STOPS: tuple[Stop, ...] = (
    (0.0, (2.4, 1.2), (0.0, -0.2)),
    (3.0, (1.4, 1.25), (-1.2, -0.5)),
    (6.0, (-0.6, 1.3), (-2.0, -1.0)),
)


def write_depth_bag(out_dir: Path, progress: bool = True) -> None:
    """Renders the drive and writes the bag into the folder ``out_dir``; one that is there is replaced at the end.

    Raises:
        RendererError: this machine has no Vulkan driver.
    """
    renderer = RoomRenderer(WIDTH, HEIGHT)
    world = furnished_room(ROOM_SEED, place=PLACE, content=2).world.compile()
    renderer.load(world)
    write_whole(Path(out_dir), lambda path: _record(renderer, world, path, progress))


def _record(renderer: RoomRenderer, world: BuiltWorld, path: Path, progress: bool) -> None:
    camera, small = intrinsics(WIDTH, HEIGHT, HFOV_DEG), intrinsics(SENSOR_WIDTH, SENSOR_HEIGHT, HFOV_DEG)
    sensor, random = DepthSensor(), np.random.default_rng(ROOM_SEED)
    window_id = list(SECOND_LABELS.segmentation).index("window")
    with DriveRecorder(path, camera, DEPTH_CAMERA_TOPICS) as recorder:
        points = drive(STOPS, RATE_HZ)
        for index, point in enumerate(track(points, "rendering the drive with a depth camera", disable=not progress)):
            pose = camera_in_room(point)
            rgb = renderer.picture(camera, pose)
            semantic, _, depth_m = renderer.labels(small, pose)
            small_rgb = cv2.resize(rgb, (small.width, small.height), interpolation=cv2.INTER_AREA)
            measured_m = sensor.measure(depth_m, small_rgb, semantic == window_id, small, random)
            recorder.add_frame(point, rgb)
            recorder.add_depths(point, measured_m, renderer.labels(camera, pose)[2] if index % TRUTH_EVERY == 0 else None)
