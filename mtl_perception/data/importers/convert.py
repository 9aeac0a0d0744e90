# SPDX-License-Identifier: Apache-2.0
"""One picture of another format → its files and its entry here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.files import write_atomically, write_json
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import UNLABELLED
from mtl_perception.data.format import DataError
from mtl_perception.data.importers.annotations import annotations_of, painted
from mtl_perception.data.importers.class_map import ClassMap, wholly_labelled
from mtl_perception.data.importers.duplicates import perceptual_hash
from mtl_perception.data.importers.image_file import (
    Header,
    ImageBytes,
    decode,
    read_header,
    read_pixels,
    turned_camera,
    turned_size,
)
from mtl_perception.data.importers.labelled import Notes, Picture
from mtl_perception.data.importers.placing import Frame, frame_of, named, placed_map

_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]


@dataclass(frozen=True)
class Plan:
    """How every picture of an import is converted. It can be sent to another process.

    Attributes:
        out: the new data folder.
        tasks: which kinds of labels are wanted.
        names: class map.
        detection_source, detection_labels: class names of the source and here.
        segmentation_table: (S + 1,) uint8, id of the source → id here.
        instance_ids: class here → segmentation id, to paint the objects' masks where there is no label map; None: don't.
        lanes_table: (256,) uint8, bits of the source → bits here.
        exhaustive: classes here that the user says are labelled wholly in each picture.
        camera: fx, fy, cx, cy for pictures that bring none.
        rescale: labels that were made for another size are scaled to the picture's.
        jpeg_quality: of pictures that are not taken over as files.
        keeps_unlabelled: pictures without a label go to ``unlabelled/``, each with what is known of its camera and its place.
    """

    out: Path
    tasks: frozenset[str]
    names: ClassMap
    detection_source: list[str]
    detection_labels: list[str]
    segmentation_table: np.ndarray
    instance_ids: dict[str, int] | None
    lanes_table: np.ndarray
    exhaustive: list[str] | None = None
    camera: tuple[float, float, float, float] | None = None
    rescale: bool = False
    jpeg_quality: int = 95
    keeps_unlabelled: bool = False


class Job(NamedTuple):
    """A picture, and its name here without a suffix."""

    picture: Picture
    stem: str
    group: str


@dataclass
class Done:
    """The result for one picture.

    Attributes:
        entry: as ``writer.write_index`` wants it; None where the picture could not be used or has no label.
        problem: why it could not be used.
        digest, hash: to find copies.
        notes: what was left out or changed.
    """

    entry: dict[str, Any] | None = None
    problem: str = ""
    digest: str = ""
    hash: int | None = None
    notes: Notes = field(default_factory=Notes)


def convert(job: Job, plan: Plan) -> Done:
    """Write the files of one picture.

    Returns:
        What goes into the index; a picture that can't be used gives a ``problem`` instead of an error.

    Raises:
        OSError: a file could not be written; the error names it.
    """
    done = Done()
    try:
        _convert(job, plan, done)
    except DataError as error:
        done.entry, done.problem = None, str(error)
    return done


def _convert(job: Job, plan: Plan, done: Done) -> None:
    picture = job.picture
    source = picture.image.read()
    header = read_header(source) if isinstance(source, ImageBytes) else Header("", source.shape[1], source.shape[0], 1)
    frame = frame_of(picture, header, plan.rescale, done.notes)
    width, height = header.upright_size

    annotations: list[dict[str, Any]] | None = None
    exhaustive: list[str] | None = None
    instances = picture.instances if "detection" in plan.tasks or plan.instance_ids is not None else None
    if instances is not None:
        instances = instances.read() if hasattr(instances, "read") else instances
        annotations = annotations_of(instances, picture, frame, plan.names, done.notes)
        exhaustive = _exhaustive(picture, plan)
    semantic = _read_map(picture.semantic, "segmentation", plan, frame, picture)
    if semantic is not None:
        _check_ids(semantic, plan.segmentation_table, picture)
        semantic = plan.segmentation_table[semantic]
    elif plan.instance_ids is not None and annotations is not None:
        semantic = painted(annotations, plan.instance_ids, width, height, done.notes)
    lanes = _read_map(picture.lanes, "lanes", plan, frame, picture)
    if lanes is not None:
        lanes = plan.lanes_table[lanes]
    camera = _camera(picture, frame, plan)
    millimetres = _millimetres(picture, frame, plan, camera, done.notes)

    tasks = []
    if annotations is not None and "detection" in plan.tasks:
        if exhaustive == [] and not any("score" in annotation for annotation in annotations):
            done.notes.add("pictures in which no class is wholly labelled: their boxes are left out", picture.name)
        else:
            tasks.append("detection")
    if semantic is not None and (semantic != UNLABELLED).any():
        tasks.append("segmentation")
    if millimetres is not None:
        tasks.append("depth")
    classes = _classes(picture, plan)
    if classes is not None:
        tasks.append("classification")
    if lanes is not None:
        tasks.append("lanes")
    if not tasks and plan.keeps_unlabelled:
        _write_picture(source, header, plan.out / "unlabelled", job.stem, plan, done)
        about = {**(picture.extra or {}), **({} if camera is None else {"camera": _lens(camera)})}
        if about:
            write_json(plan.out / "unlabelled" / f"{job.stem}.camera.json", about)
        done.notes.add("pictures without a label, in unlabelled/", picture.name)
        return
    if not tasks:
        done.notes.add("pictures without any label that is wanted: left out", picture.name)
        return

    out, stem = plan.out, job.stem
    file_name = _write_picture(source, header, out / "images", stem, plan, done)
    if "segmentation" in tasks:
        _write_png(out / "semantic" / f"{stem}.png", semantic)
    if "depth" in tasks:
        _write_png(out / "depth" / f"{stem}.png", millimetres)
    if "lanes" in tasks:
        _write_png(out / "lanes" / f"{stem}.png", lanes)
    entry: dict[str, Any] = {
        "file_name": file_name,
        "width": width,
        "height": height,
        "group": job.group,
        "tasks": tasks,
        **(picture.extra or {}),
    }
    if camera is not None:
        entry["camera"] = _lens(camera)
        if picture.depth_is_nominal:
            entry["camera"]["depth_scale"] = "nominal"
    if exhaustive is not None and "detection" in tasks:
        entry["detection_labels"] = exhaustive
    if classes is not None:
        entry["classes"] = classes
    entry["annotations"] = annotations if annotations is not None and "detection" in tasks else []
    done.entry = entry


# ---------------------------------------------------------------------------------------------------------------------
# Labels


def _exhaustive(picture: Picture, plan: Plan) -> list[str] | None:
    """Which classes are wholly labelled here; None: all."""
    if picture.exhaustive is None and plan.exhaustive is None:
        return None
    known = set(plan.exhaustive or ())
    if picture.exhaustive is not None:
        known |= set(wholly_labelled(picture.exhaustive, plan.detection_source, plan.names))
    return None if known.issuperset(plan.detection_labels) else [name for name in plan.detection_labels if name in known]


def _classes(picture: Picture, plan: Plan) -> list[str] | None:
    if picture.classes is None or "classification" not in plan.tasks:
        return None
    targets = (plan.names.target(name) for name in picture.classes)
    return list(dict.fromkeys(target for target in targets if target is not None))


def _read_map(source: Any, task: str, plan: Plan, frame: Frame, picture: Picture) -> np.ndarray | None:
    if source is None or task not in plan.tasks:
        return None
    return placed_map(source.read(), frame, picture, task)


def _check_ids(ids: np.ndarray, table: np.ndarray, picture: Picture) -> None:
    if ids.size and (int(ids.max()) >= len(table) - 1 or int(ids.min()) < -1):
        bad = int(ids.max()) if int(ids.max()) >= len(table) - 1 else int(ids.min())
        raise DataError(f"{named(picture)}: its segmentation holds id {bad}, expected -1 to {len(table) - 2}", "unknown class")


def _camera(picture: Picture, frame: Frame, plan: Plan) -> Intrinsics | None:
    """Of the upright picture."""
    width, height = frame.true_size
    if picture.camera is not None:
        camera = picture.camera
        if (camera.width, camera.height) != frame.true_size:
            camera = camera.scaled(*frame.true_size)
        return turned_camera(camera, frame.orientation)
    if plan.camera is not None:
        width, height = turned_size(frame.true_size, frame.orientation)
        return Intrinsics(width, height, *plan.camera)
    return None


def _lens(camera: Intrinsics) -> dict[str, Any]:
    """As entries have it."""
    lens = {name: round(float(getattr(camera, name)), 4) for name in ("fx", "fy", "cx", "cy")}
    return {"width": camera.width, "height": camera.height, **lens}


def _millimetres(picture: Picture, frame: Frame, plan: Plan, camera: Intrinsics | None, notes: Notes) -> np.ndarray | None:
    if picture.depth is None or "depth" not in plan.tasks:
        return None
    if camera is None:
        notes.add("depth of pictures whose camera is not known, left out: give --camera FX,FY,CX,CY", picture.name)
        return None
    depth_m = placed_map(picture.depth.read(), frame, picture, "depth")
    with np.errstate(invalid="ignore"):
        beyond = int(np.count_nonzero((depth_m > 65.535) & np.isfinite(depth_m)))
    if beyond:
        notes.add("pictures with depth beyond 65.535 m, which becomes unknown", picture.name)
    millimetres = depth_to_millimetres(np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0))
    if not millimetres.any():
        notes.add("depth images without any known pixel, left out", picture.name)
        return None
    return millimetres


# ---------------------------------------------------------------------------------------------------------------------
# Files


def _write_picture(source: ImageBytes | np.ndarray, header: Header, folder: Path, stem: str, plan: Plan, done: Done) -> str:
    """Its file name. A JPEG or PNG that is upright is taken over byte by byte."""
    if isinstance(source, np.ndarray):
        content, suffix = _encoded(source, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, plan.jpeg_quality]), ".jpg"
        grey = cv2.cvtColor(source, cv2.COLOR_RGB2GRAY)
        done.digest = hashlib.blake2b(np.ascontiguousarray(source).tobytes(), digest_size=16).hexdigest()
    else:
        done.digest = hashlib.blake2b(source.content, digest_size=16).hexdigest()
        if header.orientation == 1 and header.kind in ("JPEG", "PNG"):
            content, suffix = source.content, ".jpg" if header.kind == "JPEG" else ".png"
            grey = _small_grey(source, header)
        else:
            rgb = read_pixels(source, header)
            suffix = ".jpg" if header.kind == "JPEG" else ".png"
            options = [cv2.IMWRITE_JPEG_QUALITY, plan.jpeg_quality] if suffix == ".jpg" else _PNG
            content = _encoded(rgb, suffix, options)
            grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
            if header.kind not in ("JPEG", "PNG"):
                done.notes.add(f"{header.kind} pictures, stored as PNG", source.where)
    done.hash = perceptual_hash(grey)
    write_atomically(folder / f"{stem}{suffix}", content, durable=False)
    return f"{stem}{suffix}"


def _small_grey(source: ImageBytes, header: Header) -> np.ndarray:
    shorter = min(header.width, header.height)
    if shorter >= 8 * 64:
        flags = cv2.IMREAD_REDUCED_GRAYSCALE_8
    elif shorter >= 4 * 64:
        flags = cv2.IMREAD_REDUCED_GRAYSCALE_4
    else:
        flags = cv2.IMREAD_GRAYSCALE
    return decode(source, flags)


def _encoded(rgb: np.ndarray, suffix: str, options: list[int]) -> bytes:
    ok, content = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not ok:
        raise DataError(f"could not encode {rgb.dtype} of shape {rgb.shape} as {suffix}", "unreadable")
    return content.tobytes()


def _write_png(path: Path, values: np.ndarray) -> None:
    ok, content = cv2.imencode(".png", values, _PNG)
    if not ok:
        raise DataError(f"{path}: could not encode {values.dtype} of shape {values.shape}", "unreadable")
    write_atomically(path, content.tobytes(), durable=False)
