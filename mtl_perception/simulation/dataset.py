# SPDX-License-Identifier: Apache-2.0
"""Renders a folder of labelled images (docs/data.md): many rooms, several views of each.

Every finished room leaves one file in ``rooms/``; a run that was interrupted goes on from there.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import mujoco
import numpy as np
from rich.progress import Progress

from mtl_perception.core.files import write_json
from mtl_perception.core.progress import columns
from mtl_perception.core.workers import Workers, in_order
from mtl_perception.data.writer import LabelledImage, write_index, write_sample
from mtl_perception.simulation.catalogue import CATALOGUES
from mtl_perception.simulation.object_views import choose_object_view
from mtl_perception.simulation.optics import CAMERAS, jpeg_quality
from mtl_perception.simulation.own_objects import OwnObjects, fingerprint, load_objects
from mtl_perception.simulation.renderer import Renderer, check_renderer, open_renderer
from mtl_perception.simulation.room import furnished_room
from mtl_perception.simulation.textures import TEXTURE_SETS
from mtl_perception.simulation.views import choose_view, visible_objects

ROOMS_PER_PROCESS = 12
"""Then it is replaced by a fresh one: the renderer keeps some 5 MB and many handles of every room."""
_ROOMS_PER_INDEX = 100
_CAME_LATER = ("content", "camera", "objects", "object_units", "object_up", "object_share", "object_views")
"""Settings that folders of earlier versions do not name."""


@dataclass(frozen=True)
class DatasetSettings:
    """Settings of a data set. Equal settings give equal labels, and equal images up to dithering.

    ``renderer`` is a key of renderer.RENDERERS, ``textures`` a key of textures.TEXTURE_SETS, ``content`` a key of
    catalogue.CATALOGUES, ``camera`` a key of optics.CAMERAS.
    """

    rooms: int
    views: int = 8
    seed: int = 1
    width: int = 384
    height: int = 288
    renderer: str = "filament"
    textures: str = "train"
    content: int = 1
    camera: str = "mild"
    objects: str | None = None
    """A folder of own meshes; see :mod:`mtl_perception.simulation.own_objects` for this and the next three."""
    object_units: str = "m"
    object_up: str | None = None
    object_share: float = 0.3
    object_views: float = 0.5
    """Of the images, how many look at one of these meshes from near by."""

    def __post_init__(self) -> None:
        for name in ("rooms", "views", "width", "height"):
            if getattr(self, name) < 1:
                raise ValueError(f"rendered data set: {name} is {getattr(self, name)}, expected at least 1")
        if self.textures not in TEXTURE_SETS:
            raise ValueError(f"rendered data set: textures is '{self.textures}', expected one of: {', '.join(TEXTURE_SETS)}")
        for name, known in (("content", CATALOGUES), ("camera", CAMERAS)):
            if getattr(self, name) not in known:
                raise ValueError(f"rendered data set: {name} is '{getattr(self, name)}', expected one of: {', '.join(map(str, known))}")
        if not 0 < self.object_share <= 1:
            raise ValueError(f"rendered data set: object_share is {self.object_share}, expected above 0, at most 1")
        if not 0 <= self.object_views <= 1:
            raise ValueError(f"rendered data set: object_views is {self.object_views}, expected 0 to 1")
        if self.seed < 0:
            raise ValueError(f"rendered data set: seed is {self.seed}, expected 0 or more")


def render_dataset(
    out: Path,
    settings: DatasetSettings,
    workers: Workers = 1,
    progress: bool = True,
    rooms_per_process: int = ROOMS_PER_PROCESS,
) -> None:
    """Renders ``settings`` into ``out``; rooms that are there already are kept.

    Raises:
        RendererError: this machine lacks the renderer's driver.
        ValueError: ``out`` holds a data set of other settings, or a mesh is wrong.
        OSError: a file could not be written. The rooms that were finished stay, and are listed if that can be written.
    """
    check_renderer(settings.renderer)
    own_objects(settings)  # what is wrong with a mesh should be heard before anything is rendered
    out = Path(out)
    (out / "rooms").mkdir(parents=True, exist_ok=True)
    _claim(out, settings)
    entries = _finished(out, settings.rooms)
    missing = [index for index in range(settings.rooms) if index not in entries]
    try:
        with Progress(*columns(), disable=not progress, speed_estimate_period=300) as bar:
            task = bar.add_task("rendering rooms", total=settings.rooms, completed=len(entries), note="")
            rooms = in_order(_render_room, ((out, settings, index) for index in missing), workers, rooms_per_process)
            for index, images in zip(missing, rooms, strict=True):
                entries[index] = images
                bar.advance(task)
                if speed := bar.tasks[task].speed:
                    bar.update(task, note=f"{settings.views * speed:.1f} images/s")
                if len(entries) % _ROOMS_PER_INDEX == 0:
                    _write_index(out, settings, entries)
    except BaseException:
        try:
            _write_index(out, settings, entries)
        except OSError:
            pass  # what went wrong before is what the caller should hear of; the next run writes it
        raise
    _write_index(out, settings, entries)


def _render_room(job: tuple[Path, DatasetSettings, int]) -> list[dict[str, Any]]:
    """Writes the images of one room, then the file that says that it is finished."""
    out, settings, index = job
    renderer = _renderer(settings.renderer, settings.width, settings.height)
    own = own_objects(settings)
    room = furnished_room((settings.seed, index), settings.textures, content=settings.content, own=own)
    world = room.world.compile()
    renderer.load(world)
    rng = np.random.default_rng((settings.seed, index, 1))
    images = []
    for view in range(settings.views):
        found = None
        if own is not None and rng.uniform() < settings.object_views:
            found = choose_object_view(rng, room, world, renderer, own.labels)
        camera, pose = found or choose_view(rng, room, renderer)
        semantic, instance, depth_m = renderer.labels(camera, pose)
        optics = np.random.default_rng((settings.seed, index, 2, view))
        sample = LabelledImage(
            CAMERAS[settings.camera](optics, renderer.picture(camera, pose)),
            camera,
            group=f"room{index:05d}",
            instances=list(visible_objects(instance, world, pose).values()),
            maps={"segmentation": semantic, "depth": depth_m},
        )
        entry = write_sample(out, f"room{index:05d}_view{view:02d}", sample, jpeg_quality(optics))
        images.append(entry | {"place": room.place, "light": room.mood.name})
    write_json(_shard(out, index), images)
    return images


@functools.lru_cache(maxsize=1)
def own_objects(settings: DatasetSettings) -> OwnObjects | None:
    """The user's meshes; None if there are none.

    Raises:
        ValueError: one of them is wrong.
    """
    if settings.objects is None:
        return None
    own = load_objects(Path(settings.objects), settings.object_units, settings.object_up)
    return replace(own, share=settings.object_share)


@functools.lru_cache(maxsize=1)
def _renderer(name: str, width: int, height: int) -> Renderer:
    """One a process: it cannot be sent to another."""
    os.environ["LP_NUM_THREADS"] = "1"  # the software driver; a process a core is faster than threads
    cv2.setNumThreads(1)
    return open_renderer(name, width, height)


def _shard(out: Path, index: int) -> Path:
    return out / "rooms" / f"room{index:05d}.json"


def _finished(out: Path, rooms: int) -> dict[int, list[dict[str, Any]]]:
    shards = ((index, _shard(out, index)) for index in range(rooms))
    return {index: json.loads(path.read_bytes()) for index, path in shards if path.exists()}


def _made_by(settings: DatasetSettings) -> dict[str, Any]:
    """Returns what must be the same in all runs that fill one folder. What came later is left out where it is as it was before."""
    defaults = DatasetSettings(rooms=1)
    made_by = {
        key: value
        for key, value in asdict(settings).items()
        if key != "rooms" and not (key in _CAME_LATER and value == getattr(defaults, key))
    }
    if settings.objects is not None:
        made_by["objects"] = fingerprint(settings.objects)  # the folder may lie elsewhere next time
        made_by["object_views"] = settings.object_views  # folders with meshes that do not name it have no such views
    return made_by


def _claim(out: Path, settings: DatasetSettings) -> None:
    """Notes the settings in the folder, or checks that those of an earlier run agree."""
    path, made_by = out / "rooms" / "settings.json", _made_by(settings)
    if not path.exists():
        write_json(path, made_by)
        return
    found = json.loads(path.read_bytes())
    if found != made_by:
        keys = sorted({*found, *made_by})
        differing = ", ".join(f"{key} {found.get(key)!r}" for key in keys if found.get(key) != made_by.get(key))
        raise ValueError(f"{out} holds a data set of other settings ({differing}); choose another folder or delete it")


def _write_index(out: Path, settings: DatasetSettings, entries: dict[int, list[dict[str, Any]]]) -> None:
    own = own_objects(settings)
    catalogue = CATALOGUES[settings.content]
    labels = (catalogue if own is None else catalogue.with_objects(own)).labels
    description = {
        "segmentation_labels": list(labels.segmentation),
        "detection_labels": list(labels.detection),
        "generator": "mtl_perception.simulation",
        "source": "rendered by mtl_perception",
        "license": "Apache-2.0",
        "seed": settings.seed,
        "renderer": f"{settings.renderer} of MuJoCo {mujoco.__version__}",
        "settings": _made_by(settings),
    }
    write_index(out, description, (image for images in entries.values() for image in images))
