# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception evaluate``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from mtl_perception.bags import Bag
from mtl_perception.evaluation.samples import BagSamples, FolderSamples
from mtl_perception.evaluation.scenes import Evaluation, evaluate_engine
from mtl_perception.evaluation.tables import class_table, plain, score_table
from mtl_perception.progress import frame_progress


def evaluate_model(
    model: str,
    data: Path,
    json_file: Path | None,
    device: str,
    precision: str,
    limit: int | None,
    image: str | None,
    camera_info: str | None,
    console: Console,
) -> Evaluation:
    """Score a model on a data folder or on a bag with ground truth; tables to ``console``, JSON to a file.

    Raises:
        ValueError: the model, the data or the device can't be used; the text says why.
        FileNotFoundError: there is no such model.
    """
    from mtl_perception.inference.engine import Engine
    from mtl_perception.resources import find_model

    engine = Engine.load(find_model(model), device, precision)
    try:
        with _samples(data, engine.card, limit, image, camera_info) as samples:
            done = 0
            with frame_progress(console, f"scoring {engine.card.name} on {data.name}", len(samples)) as show:

                def on_frame(*_: Any) -> None:
                    nonlocal done
                    done += 1
                    show(done)

                evaluation = evaluate_engine(engine, samples, on_frame)
            if samples.left_out:
                console.print(
                    f"not known to the model, not scored: {', '.join(sorted(samples.left_out))}",
                    highlight=False,
                )
        console.print(score_table(evaluation.scores, f"{engine.card.name} on {data.name}"))
        console.print(class_table(evaluation.scores))
        if json_file is not None:
            result = {
                "model": engine.card.name,
                "data": data.name,
                "device": engine.device,
                "precision": engine.precision,
                "scores": plain(evaluation.scores),
            }
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        return evaluation
    finally:
        engine.close()


@contextmanager
def _samples(
    data: Path, card: Any, limit: int | None, image: str | None, camera_info: str | None
) -> Iterator[Any]:
    is_bag = data.is_file() or (data / "metadata.yaml").exists()
    if not is_bag:
        yield FolderSamples(data, card, limit)
        return
    with Bag(data) as bag:
        topic = bag.find_image(image)
        yield BagSamples(bag, topic, bag.find_camera_info(topic, camera_info), card, limit)
