# SPDX-License-Identifier: Apache-2.0
"""One picture of another format → its files and its entry here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from mtl_perception.data.format import DataError
from mtl_perception.data.importers.class_map import ClassMap, wholly_labelled
from mtl_perception.data.importers.duplicates import perceptual_hash
from mtl_perception.data.importers.image_file import (
    Header,
    ImageBytes,
    decode,
    read_header,
    read_pixels,
    turned,
    turned_camera,
    turned_points,
    turned_size,
)
from mtl_perception.data.importers.labelled import Notes, Picture, Thing
from mtl_perception.data.importers.shapes import Encoded
from mtl_perception.data.masks import decode_mask, encode_mask
from mtl_perception.data.writer import to_millimetres
from mtl_perception.files import write_atomically
from mtl_perception.geometry import Intrinsics
from mtl_perception.scene import UNLABELLED

_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 3]
_ROUNDING_PX = 1.0
_MASK_TO_BOX_PX = 2
_RESCALED_ASPECT = 0.02



@dataclass(frozen=True)
class Plan:
    """How every picture of an import is converted. It can be sent to another process.

    Attributes:
        out: the new data folder.
        tasks: which kinds of labels are wanted.
        names: class map.
        detection_source, detection_labels: class names of the source and here.
        segmentation_table: (S + 1,) uint8, id of the source → id here.
        instance_ids: class here → segmentation id, to paint the things' masks where there is no label map; None: don't.
        lanes_table: (256,) uint8, bits of the source → bits here.
        exhaustive: classes here that the user says are labelled wholly in each picture.
        camera: fx, fy, cx, cy for pictures that bring none.
        rescale: labels that were made for another size are scaled to the picture's.
        jpeg_quality: of pictures that are not taken over as files.
        keeps_unlabelled: pictures without a label go to ``unlabelled/``.
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
    """What became of a picture.

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
    frame = _frame(picture, header, plan, done.notes)
    width, height = header.upright_size

    annotations: list[dict[str, Any]] | None = None
    exhaustive: list[str] | None = None
    things = picture.things if "detection" in plan.tasks or plan.instance_ids is not None else None
    if things is not None:
        things = things.read() if hasattr(things, "read") else things
        annotations = _annotations(things, picture, frame, plan, done.notes)
        exhaustive = _exhaustive(picture, plan)
    semantic = _read_map(picture.semantic, "segmentation", plan, frame, picture)
    if semantic is not None:
        _check_ids(semantic, plan.segmentation_table, picture)
        semantic = plan.segmentation_table[semantic]
    elif plan.instance_ids is not None and annotations is not None:
        semantic = _painted(annotations, plan.instance_ids, width, height, done.notes)
    lanes = _read_map(picture.lanes, "lanes", plan, frame, picture)
    if lanes is not None:
        lanes = plan.lanes_table[lanes]
    camera = _camera(picture, frame, plan)
    millimetres = _millimetres(picture, frame, plan, camera, done.notes)

    tasks = []
    if annotations is not None and "detection" in plan.tasks:
        if exhaustive == []:
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
        lens = {name: round(float(getattr(camera, name)), 4) for name in ("fx", "fy", "cx", "cy")}
        entry["camera"] = {"width": width, "height": height, **lens}
        if picture.depth_is_nominal:
            entry["camera"]["depth_scale"] = "nominal"
    if exhaustive and "detection" in tasks:
        entry["detection_labels"] = exhaustive
    if classes is not None:
        entry["classes"] = classes
    entry["annotations"] = annotations if annotations is not None and "detection" in tasks else []
    done.entry = entry


# ---------------------------------------------------------------------------------------------------------------------
# Where labels are


class _Frame(NamedTuple):
    """The picture as its labels see it: ``size``, then scaled to ``true_size``, then turned by ``orientation``."""

    size: tuple[int, int]
    true_size: tuple[int, int]
    orientation: int

    @property
    def scale(self) -> tuple[float, float]:
        return self.true_size[0] / self.size[0], self.true_size[1] / self.size[1]


def _frame(picture: Picture, header: Header, plan: Plan, notes: Notes) -> _Frame:
    stored, upright = (header.width, header.height), header.upright_size
    said = picture.size
    if header.orientation != 1:
        notes.add("pictures that were turned upright by their EXIF orientation, and so compressed anew", picture.name)
        if said is None or (said == stored and said == upright):
            notes.add(
                "of these, labels whose size does not tell on which way up they were drawn: taken as drawn on the "
                + ("upright picture" if picture.labels_are_upright else "stored picture"),
                picture.name,
            )
    as_upright = _Frame(upright, upright, 1)
    as_stored = _Frame(stored, stored, header.orientation)
    if said is None or said == upright == stored:
        return as_upright if picture.labels_are_upright else as_stored
    if said == upright:
        return as_upright
    if said == stored:
        return as_stored
    if plan.rescale:
        true = upright if picture.labels_are_upright else stored
        if abs(said[0] / said[1] / (true[0] / true[1]) - 1) > _RESCALED_ASPECT:
            raise DataError(
                f"{_named(picture)}: labels are for {said[0]}x{said[1]}, the picture is of {true[0]}x{true[1]}: of another "
                "shape, so it was not only resized; bring the picture that was labelled",
                "size",
            )
        notes.add("pictures of another size than their labels say: labels were scaled (--rescale)", picture.name)
        return _Frame(said, true, 1 if picture.labels_are_upright else header.orientation)
    raise DataError(
        f"{_named(picture)}: labels are for {said[0]}x{said[1]}, the picture is of {upright[0]}x{upright[1]}; "
        "bring the picture that was labelled, or give --rescale if it was only resized",
        "size",
    )


def _named(picture: Picture) -> str:
    return f"{picture.name} ({picture.where})" if picture.where else picture.name


def _placed_box(box: Sequence[float], frame: _Frame, is_normalized: bool) -> tuple[float, float, float, float]:
    sx, sy = frame.true_size if is_normalized else frame.scale
    x1, y1, x2, y2 = box[0] * sx, box[1] * sy, box[2] * sx, box[3] * sy
    if frame.orientation != 1:
        (x1, y1), (x2, y2) = turned_points(np.array([[x1, y1], [x2, y2]]), frame.true_size, frame.orientation).tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _placed_shape(encoded: Encoded, frame: _Frame, is_normalized: bool) -> Encoded:
    """In the upright picture."""
    if isinstance(encoded, list):
        sx, sy = frame.true_size if is_normalized else frame.scale
        if (sx, sy) == (1, 1) and frame.orientation == 1:
            return encoded
        placed = []
        for part in encoded:
            xy = np.array(part, np.float64).reshape(-1, 2) * (sx, sy)
            if frame.orientation != 1:
                xy = turned_points(xy, frame.true_size, frame.orientation)
            placed.append(xy.round(2).ravel().tolist())
        return placed
    if frame.size == frame.true_size and frame.orientation == 1:
        return encoded
    mask = decode_mask(encoded, frame.size[1], frame.size[0]).astype(np.uint8)
    if frame.size != frame.true_size:
        mask = cv2.resize(mask, frame.true_size, interpolation=cv2.INTER_NEAREST)
    return encode_mask(turned(mask, frame.orientation).astype(bool))


# ---------------------------------------------------------------------------------------------------------------------
# Labels


def _annotations(
    things: Sequence[Thing], picture: Picture, frame: _Frame, plan: Plan, notes: Notes
) -> list[dict[str, Any]]:
    width, height = turned_size(frame.true_size, frame.orientation)
    annotations = []
    for thing in things:
        label = plan.names.target(thing.label)
        if label is None:
            continue
        shape = None
        if thing.shape is not None:
            try:
                encoded = thing.shape.encoded(*frame.size)
                shape = _placed_shape(encoded, frame, picture.is_normalized)
            except ValueError as error:
                notes.add("masks that can't be used, left out", f"{_named(picture)}: {thing.label}: {error}")
        given = None if thing.box_xyxy is None else _placed_box(thing.box_xyxy, frame, picture.is_normalized)
        extent = None
        if shape is not None:
            # Pixels are counted only where the outline alone leaves a doubt: there may be a million.
            extent = _outline_extent(shape, width, height) if isinstance(shape, list) and shape else None
            if extent is None or (given is not None and _apart(extent, _cut(given, width, height)) > _MASK_TO_BOX_PX - 1):
                extent = _pixel_extent(shape, width, height) if shape else None
            if extent is None:
                notes.add("masks that cover no pixel, left out", f"{_named(picture)}: {thing.label}")
                shape = None
        box = extent if given is None else given
        if box is None:
            notes.add("things with neither a box nor a mask, left out", f"{_named(picture)}: {thing.label}")
            continue
        beyond = max(-box[0], -box[1], box[2] - width, box[3] - height)
        if beyond > _ROUNDING_PX:
            notes.add(
                "boxes that reached beyond their picture, cut at its edge", f"{_named(picture)}: {thing.label} by {beyond:.0f} px"
            )
        box = _cut(box, width, height)
        if box[2] - box[0] < 0.005 or box[3] - box[1] < 0.005:
            notes.add("boxes without area, left out", f"{_named(picture)}: {thing.label}")
            continue
        if shape is not None and _apart(extent, box) > _MASK_TO_BOX_PX:
            notes.add(
                f"masks that end more than {_MASK_TO_BOX_PX} px from their boxes, left out; the boxes are kept",
                f"{_named(picture)}: {thing.label}: mask {[round(v) for v in extent]}, box {[round(v) for v in box]}",
            )
            shape = None
        annotations.append(_annotation(label, box, shape, thing, frame, notes, picture))
    return annotations


def _cut(box: Sequence[float], width: int, height: int) -> list[float]:
    """To the picture."""
    return [min(max(box[0], 0), width), min(max(box[1], 0), height), min(max(box[2], 0), width), min(max(box[3], 0), height)]


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    """By how much the edges of two boxes differ at most."""
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]), abs(one[2] - other[2]), abs(one[3] - other[3]))


def _annotation(
    label: str, box: list[float], shape: Encoded | None, thing: Thing, frame: _Frame, notes: Notes, picture: Picture
) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    bbox = [int(v) if v == int(v) else round(v, 2) for v in (x1, y1, x2 - x1, y2 - y1)]
    annotation: dict[str, Any] = {"label": label, "bbox": bbox, "area": round(bbox[2] * bbox[3], 2), "iscrowd": int(thing.is_crowd)}
    if shape is not None:
        annotation["segmentation"] = shape
        annotation["area"] = _area(shape)
    if thing.box_3d is not None:
        if frame.orientation == 1:
            annotation["box_3d"] = {
                key: [round(float(value), 5) for value in values] for key, values in thing.box_3d.items()
            }
        else:
            notes.add("3D boxes of pictures that were turned upright, left out", picture.name)
    if thing.track is not None:
        annotation["track"] = thing.track
    if thing.score is not None:
        annotation["score"] = thing.score
    return annotation


def _outline_extent(parts: Sequence[Sequence[float]], width: int, height: int) -> list[float] | None:
    """The box around polygons, in the picture: within a pixel that of their pixels. None if they may cover no pixel."""
    x1, y1 = min(min(part[0::2]) for part in parts), min(min(part[1::2]) for part in parts)
    x2, y2 = max(max(part[0::2]) for part in parts), max(max(part[1::2]) for part in parts)
    box = [max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)]
    return box if box[2] - box[0] > 2 and box[3] - box[1] > 2 else None


def _pixel_extent(shape: Encoded, width: int, height: int) -> list[float] | None:
    """The box around the pixels of a shape; None if there are none."""
    from faster_coco_eval import mask as coco

    runs = coco.frPyObjects(shape, height, width) if isinstance(shape, list) else [shape]
    boxes = np.asarray(coco.toBbox(runs), np.float64).reshape(-1, 4)
    boxes = boxes[(boxes[:, 2:] > 0).all(1)]
    if not len(boxes):
        return None
    low, high = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return [float(low[0]), float(low[1]), float(high[0]), float(high[1])]


def _area(shape: Encoded) -> float:
    """Pixels of run lengths; of polygons the area inside, which is what COCO's own files say."""
    if not isinstance(shape, list):
        from faster_coco_eval import mask as coco

        return int(coco.area(shape))
    total = 0.0
    for part in shape:
        x, y = np.array(part[0::2]), np.array(part[1::2])
        total += abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1])) / 2
    return round(total, 2)


def _painted(
    annotations: Sequence[Mapping[str, Any]], ids: Mapping[str, int], width: int, height: int, notes: Notes
) -> np.ndarray:
    """Label map of the things' masks, smaller ones over larger ones; what no mask covers is unlabelled."""
    semantic = np.full((height, width), UNLABELLED, np.uint8)
    for annotation in sorted(annotations, key=lambda a: -a["area"]):
        if annotation["label"] not in ids:
            continue
        if "segmentation" in annotation:
            semantic[decode_mask(annotation["segmentation"], height, width)] = ids[annotation["label"]]
        else:
            notes.add("things with a box alone: their pixels stay unlabelled in the segmentation", annotation["label"])
    return semantic


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


def _read_map(source: Any, task: str, plan: Plan, frame: _Frame, picture: Picture) -> np.ndarray | None:
    if source is None or task not in plan.tasks:
        return None
    return _placed_map(source.read(), frame, picture, task)


def _placed_map(values: np.ndarray, frame: _Frame, picture: Picture, what: str) -> np.ndarray:
    """A label image in the upright picture."""
    found = (values.shape[1], values.shape[0])
    upright = turned_size(frame.true_size, frame.orientation)
    if found == frame.size:
        if frame.size != frame.true_size:
            values = cv2.resize(values, frame.true_size, interpolation=cv2.INTER_NEAREST)
        return turned(values, frame.orientation)
    if found == upright:
        return values
    raise DataError(
        f"{_named(picture)}: its {what} image is of {found[0]}x{found[1]}, the picture of {upright[0]}x{upright[1]}; "
        "bring those that belong together",
        "size",
    )


def _check_ids(ids: np.ndarray, table: np.ndarray, picture: Picture) -> None:
    if ids.size and (int(ids.max()) >= len(table) - 1 or int(ids.min()) < -1):
        bad = int(ids.max()) if int(ids.max()) >= len(table) - 1 else int(ids.min())
        raise DataError(
            f"{_named(picture)}: its segmentation holds id {bad}, expected -1 to {len(table) - 2}", "unknown class"
        )


def _camera(picture: Picture, frame: _Frame, plan: Plan) -> Intrinsics | None:
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


def _millimetres(
    picture: Picture, frame: _Frame, plan: Plan, camera: Intrinsics | None, notes: Notes
) -> np.ndarray | None:
    if picture.depth is None or "depth" not in plan.tasks:
        return None
    if camera is None:
        notes.add("depth of pictures whose camera is not known, left out: give --camera FX,FY,CX,CY", picture.name)
        return None
    depth_m = _placed_map(picture.depth.read(), frame, picture, "depth")
    with np.errstate(invalid="ignore"):
        beyond = int(np.count_nonzero((depth_m > 65.535) & np.isfinite(depth_m)))
    if beyond:
        notes.add("pictures with depth beyond 65.535 m, which becomes unknown", picture.name)
    millimetres = to_millimetres(np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0))
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
