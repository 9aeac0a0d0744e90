# SPDX-License-Identifier: Apache-2.0
"""How many labels the order of `mtl-perception label` saves: new classes learned from the pictures that it offers first, and from random ones.

    scripts/run python -m mtl_perception.benchmark.components.active_learning POOL [POOL ...] --validation DATA --out out/active_learning

POOL and DATA are folders with boxes (docs/data.md). Their classes are renamed, so that the model has to learn them, as `finetune` does with a
branch. Order and pictures are chosen from pool and model alone; labels are looked at in training only. A figure is AP50 on DATA, mean and
range of one training a seed, and the boxes that had to be labelled; random pictures are other ones with each seed. Trainings that are
done are kept in --out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mtl_perception.core.files import write_atomically
from mtl_perception.data.folder import ImageFolder
from mtl_perception.data.labelled_image import Instance, LabelledImage
from mtl_perception.data.writer import write_index, write_sample
from mtl_perception.evaluation.samples import open_samples
from mtl_perception.evaluation.scenes import evaluate_engine
from mtl_perception.inference.engine import Engine
from mtl_perception.prediction.autolabel.teachers import open_teacher
from mtl_perception.prediction.labelling.worth import features_of, most_worth, proposed
from mtl_perception.training.finetune_command import FinetuneOptions, finetune

ORDERS = ("by worth", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path, nargs="+")
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="lite")
    parser.add_argument("--budgets", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--size", default="256x192")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pool = [(folder, i) for folder in map(ImageFolder, options.pool) for i in range(len(folder))]
    largest = max(options.budgets)
    if largest > len(pool):
        parser.error(f"--budgets asks for {largest} pictures, and the pool has {len(pool)}")
    by_worth = order_by_worth(pool, options.model, largest)
    validation = ImageFolder(options.validation)
    if not (options.out / "validation/dataset.json").exists():
        write_renamed([(validation, i) for i in range(len(validation))], options.out / "validation")
    scores: dict[str, dict[int, list[tuple[float, int]]]] = {order: {budget: [] for budget in options.budgets} for order in ORDERS}
    for seed in range(options.seeds):
        shuffled = np.random.default_rng(seed).permutation(len(pool))[:largest].tolist()
        for order, indices in zip(ORDERS, (by_worth, shuffled), strict=True):
            for budget in options.budgets:
                folder = options.out / order.replace(" ", "_") / f"{budget}_{seed}"
                found = score(folder, [pool[i] for i in indices[:budget]], options.out / "validation", options, seed)
                scores[order][budget].append(found)
    Console().print(table(scores, options.budgets))


def order_by_worth(pool: Sequence[tuple[ImageFolder, int]], model: str, count: int) -> list[int]:
    """The pictures that `label` would offer first, if each is labelled when it is offered."""
    teacher, features = open_teacher(model), features_of(model)
    worth = []
    for folder, i in track(pool, "asking the network"):
        answer = proposed(teacher, features, folder[i].image)
        worth.append((answer.doubt, answer.features))
    doubts, vectors = (np.array(column) for column in zip(*worth, strict=True))
    labelled = np.zeros(len(pool), bool)
    chosen: list[int] = []
    while len(chosen) < count and (best := most_worth(doubts, vectors, labelled)) is not None:
        labelled[best] = True
        chosen.append(best)
    return chosen


def write_renamed(pictures: Sequence[tuple[ImageFolder, int]], root: Path) -> None:
    """Write the pictures with their boxes as a folder whose classes no model knows."""
    entries, labels = [], set()
    for number, (folder, i) in enumerate(pictures):
        sample = folder[i]
        boxes = folder.box_arrays(i)
        if boxes is None:
            raise ValueError(f"{folder.entries[i].file_name} of {folder.root} has no labels of boxes")
        names = [f"new {name}" for name in folder.labels["detection"]]
        labels.update(names)
        instances = [Instance(names[class_id], box) for class_id, box in zip(boxes.class_ids, boxes.boxes_xyxy, strict=True)]
        entries.append(write_sample(root, f"{number:05d}", LabelledImage(sample.image, None, f"picture {number}", instances)))
    write_index(root, {"detection_labels": sorted(labels), "segmentation_labels": []}, entries)


def score(
    folder: Path, pictures: Sequence[tuple[ImageFolder, int]], validation: Path, options: argparse.Namespace, seed: int
) -> tuple[float, int]:
    """AP50 after a training on the pictures, and how many boxes they have."""
    result = folder / "score.json"
    if result.exists():
        known = json.loads(result.read_text())
        return known["AP50"], known["boxes"]
    write_renamed(pictures, folder / "data")
    width, height = map(int, options.size.split("x"))
    chosen = FinetuneOptions(out=folder / "model.safetensors", steps=options.steps, width=width, height=height, seed=seed)
    finetune(options.model, [folder / "data"], chosen, Console(quiet=True))
    engine = Engine.load(chosen.out, backend="torch")
    with open_samples(validation, engine.card) as samples:
        found = evaluate_engine(engine, samples).scores["detection"]["AP50"]
    boxes = sum(len(labels.class_ids) for f, i in pictures if (labels := f.box_arrays(i)) is not None)
    names = [str(f.image_files[i]) for f, i in pictures]
    write_atomically(result, json.dumps({"AP50": found, "boxes": boxes, "pictures": names}, indent=1).encode())
    return found, boxes


def table(scores: dict[str, dict[int, list[tuple[float, int]]]], budgets: Sequence[int]) -> Table:
    """Mean and range over the seeds, by the number of pictures."""
    rows = Table("AP50 and boxes, pictures", *map(str, budgets))
    for order, found in scores.items():
        cells = []
        for budget in budgets:
            ap50, boxes = zip(*found[budget], strict=True)
            cells.append(f"{np.mean(ap50):.3f} ({min(ap50):.3f} to {max(ap50):.3f}), {min(boxes)} to {max(boxes)}")
        rows.add_row(order, *cells)
    return rows


if __name__ == "__main__":
    main()
