# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception label``: serve a data folder to be labelled until Ctrl-C."""

from __future__ import annotations

import shutil
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mtl_perception.core.files import write_atomically
from mtl_perception.data.errors import DataError
from mtl_perception.prediction.autolabel.folders import folder_of_pictures, pictures_below
from mtl_perception.prediction.autolabel.teachers import Teacher, open_teacher
from mtl_perception.prediction.labelling.proposals import Proposals
from mtl_perception.prediction.labelling.server import LabelServer
from mtl_perception.prediction.labelling.store import LabelStore
from mtl_perception.prediction.labelling.worth import Features, features_of


def label(
    data: Path,
    model: str | None,
    console: Console,
    classes: Sequence[str] = (),
    added: Path | None = None,
    score: float = 0.3,
    port: int = 0,
    device: str = "auto",
    opened: bool = True,
) -> None:
    """Serve the data folder ``data`` until KeyboardInterrupt.

    Args:
        model: as ``open_teacher`` takes it; None: nothing is proposed.
        classes: more classes of boxes. A new folder without any gets those of the model.
        added: a folder of pictures that are copied into the data folder first.
        score: least one of a proposed box.
        opened: open the page in the user's browser.

    Raises:
        DataError: the folder can't be used.
        ConfigError, CheckpointError, BackendError, FileNotFoundError: the model can't be used.
        OSError: the port is taken, or a file can't be written.
    """
    if added is not None:
        console.print(f"{add_pictures(added, data)} pictures copied into {data / 'images'}", highlight=False, markup=False, soft_wrap=True)
    teacher: Teacher | None = None
    features: Features | None = None
    if model is not None:
        teacher = open_teacher(model, device)
        features = features_of(model)
    labels = {} if teacher is None else teacher.labels
    store = LabelStore(data, classes, labels.get("segmentation", []))
    for name in [] if store.classes else labels.get("detection", []):
        store.add_class(name)
    proposals = Proposals(store, teacher, features, score)
    with LabelServer(store, proposals, port) as server:
        proposals.start()
        try:
            done = sum(map(store.is_done, store.pictures))
            console.print(
                f"{data}: {len(store.pictures)} pictures, {done} done. Ctrl-C ends.", highlight=False, markup=False, soft_wrap=True
            )
            console.print(server.address, markup=False, highlight=False, soft_wrap=True)
            if opened:
                webbrowser.open(server.address)
            server.serve_forever(poll_interval=0.1)
        finally:
            proposals.close()


def add_pictures(pictures: Path, data: Path) -> int:
    """Copy the pictures of a folder, upright, into images/ of the data folder ``data``; those that are there already stay.

    Returns:
        How many were copied.

    Raises:
        DataError: there is none, or one of them is no picture.
    """
    if not pictures.is_dir() or not pictures_below(pictures):
        raise DataError(f"{pictures} is no folder with pictures", "missing")
    made, copied = data / "adding", 0
    try:
        folder_of_pictures(pictures, made)
        for path in sorted(path for path in (made / "images").rglob("*") if path.is_file()):
            target = data / "images" / path.relative_to(made / "images")
            if not target.exists():
                write_atomically(target, path.read_bytes(), durable=False)
                copied += 1
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return copied
