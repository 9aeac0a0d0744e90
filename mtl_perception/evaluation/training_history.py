# SPDX-License-Identifier: Apache-2.0
"""How a network was trained, as its card tells it: one row a stage, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtl_perception.reporting.numbers import NONE, figure
from mtl_perception.reporting.tables import escaped

Training = Mapping[str, Any]

CAPTION = "Each stage starts from the weights of the one above."


def ancestry(training: Training) -> list[Training]:
    """The record of a training and those of the trainings that it started from, oldest first; none of an empty record."""
    stages: list[Training] = []
    stage: Training | None = training
    while stage:
        stages.append(stage)
        stage = stage.get("start_from")
    return stages[::-1]


def history_rows(training: Training, network: str) -> list[list[str]]:
    """One row a stage, one column for each fact that at least one stage tells; only a head if the card tells nothing.

    Args:
        training: ``ModelCard.training``.
        network: name and version of the last stage's network, whose record does not hold them.
    """
    stages = [{"name": network, **stage} if stage is training else stage for stage in ancestry(training)]
    columns = {
        "network": [stage.get("name", "") for stage in stages],
        "data": [stage.get("data", "") for stage in stages],
        "images": [_count(stage, "images") for stage in stages],
        "samples": [_count(stage, "samples") for stage in stages],
        "minutes": [f"{stage['minutes']:.0f}" if "minutes" in stage else "" for stage in stages],
        "device": [stage.get("device", "") for stage in stages],
        "seed": [_count(stage, "seed") for stage in stages],
        "frozen": [", ".join(stage.get("finetuning", {}).get("freeze", [])) for stage in stages],
        "afterwards": [_afterwards(stage) for stage in stages],
    }
    told = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [[str(number), *(escaped(str(cell)) or NONE for cell in cells)] for number, cells in enumerate(zip(*told.values()), 1)]
    return [["stage", *told], *rows]


def _count(stage: Training, key: str) -> str:
    return figure(stage[key]) if key in stage else ""


def _afterwards(stage: Training) -> str:
    done = []
    if "interpolated" in stage:
        share = stage["interpolated"]["share"]
        done.append(f"{share:g} × this + {1 - share:.2g} × {stage['interpolated']['from']}")
    if "composed" in stage:
        done.append(f"{stage['composed']['encoder']} beside its encoder")
    return ", then ".join(done)
