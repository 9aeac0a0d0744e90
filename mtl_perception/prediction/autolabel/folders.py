# SPDX-License-Identifier: Apache-2.0
"""Sources of pictures as data folders, whatever they were before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import cv2

from mtl_perception.core.files import write_atomically
from mtl_perception.core.workers import Workers
from mtl_perception.data.errors import DataError
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.importers.image_file import SUFFIXES, ImageFile, read_header, read_pixels
from mtl_perception.data.importers.run import Settings, import_data
from mtl_perception.data.index import fault_of_name
from mtl_perception.data.index_writer import IndexWriter

BAGS = (".mcap", ".db3")


def data_folders(
    source: Path,
    made: Path,
    workers: Workers,
    on_start: Callable[[str, int | None], None],
    on_pictures: Callable[[int], None],
    on_kept: Callable[[int, int | None], None],
) -> list[Path]:
    """The data folders of ``source``: itself, or what is made below ``made`` of a bag or of pictures.

    Raises:
        DataError: it is none of these, or a picture can't be used.
    """
    if (source / "dataset.json").is_file():
        ImageFolder(source)  # names what is wrong with it
        return [source]
    if source.suffix in BAGS or (source / "metadata.yaml").is_file():
        frames = made / "frames"
        import_data(source, frames, Settings("rosbag2"), workers, on_start, on_pictures, on_kept)
        labelled = [frames] if (frames / "dataset.json").is_file() else []
        plain = frames / "unlabelled"  # those without depth
        return labelled + ([folder_of_pictures(plain, made / "plain", source.stem)] if plain.is_dir() else [])
    if source.is_dir() and pictures_below(source):
        return [folder_of_pictures(source, made / "plain")]
    raise DataError(
        f"{source} is neither a data folder (with dataset.json) nor a bag nor a folder of pictures; 'mtl-perception import' makes a "
        "data folder of other formats",
        "format",
    )


def pictures_below(folder: Path) -> list[Path]:
    """The pictures in a folder and those below it, in the order of their names."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def folder_of_pictures(pictures: Path, out: Path, drive: str | None = None) -> Path:
    """Make plain pictures a data folder ``out`` without labels: links to those that are upright JPEGs and PNGs, others written anew.
    Those of one folder are one group.

    Args:
        drive: name of the bag that an import has taken them from; beside each is then what is known of its camera.

    Raises:
        DataError: one of them is no picture, or has a name that no data folder can have.
    """
    stems: dict[PurePosixPath, Path] = {}
    with IndexWriter(out, {"detection_labels": [], "segmentation_labels": []}) as index:
        for path in pictures_below(pictures):
            name = PurePosixPath(path.relative_to(pictures).as_posix())
            if fault := fault_of_name(str(name)):
                raise DataError(f"{path}: {fault}; rename it", "index")
            if other := stems.get(name.with_suffix("")):
                raise DataError(f"{path} and {other.name} would share their label files; rename one of them", "duplicate")
            stems[name.with_suffix("")] = path
            file_name, (width, height) = _placed(path, out / "images", name)
            group = drive or (name.stem if len(name.parts) == 1 else str(name.parent))
            about = path.with_suffix(".camera.json")
            known = json.loads(about.read_bytes()) if drive is not None and about.exists() else {}
            entry = {"file_name": str(file_name), "width": width, "height": height, "group": group, "tasks": []}
            index.add({**known, **entry, "annotations": []})
    return out


def _placed(path: Path, images: Path, name: PurePosixPath) -> tuple[PurePosixPath, tuple[int, int]]:
    """Its name below ``images``, and its size."""
    picture = ImageFile(path).read()
    header = read_header(picture)
    if header.kind in ("JPEG", "PNG") and header.orientation == 1:
        target = images / name
        if not target.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
        return name, (header.width, header.height)
    suffix, options = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]) if header.kind == "JPEG" else (".png", [])
    name = name.with_suffix(suffix)
    if not (images / name).exists():
        content = cv2.imencode(suffix, cv2.cvtColor(read_pixels(picture, header), cv2.COLOR_RGB2BGR), options)[1]
        write_atomically(images / name, content.tobytes(), durable=False)
    return name, header.upright_size
