# SPDX-License-Identifier: Apache-2.0
"""A branch for new classes beside a network that stays as it is.

What keeps a network from forgetting also keeps it from learning (docs/finetune.md has the figures). So the new classes are trained alone, in a
copy of the network with the first stages frozen, and what moved in the copy becomes the branch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mtl_perception.model.branched import BranchedNetwork
from mtl_perception.model.checkpoint import (
    CheckpointError,
    ModelCard,
    TaskCard,
    build_network,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from mtl_perception.model.network import Branch, MultiTaskNetwork


def graft(start: Path, tuned: Path, out: Path) -> ModelCard:
    """Write a network that answers as ``start`` does, and with the classes of ``tuned`` too.

    Args:
        start: a checkpoint, or a shipped model's name.
        tuned: of one task of ``start``, with other classes, and trained from it; stages of the encoder that are still the same are shared.

    Returns:
        The card of the new checkpoint: ``start``'s with what ``tuned`` says of its training. Scores are left out: nobody has measured them.

    Raises:
        CheckpointError: one is missing or has a branch already, or ``tuned`` is no such network.
        OSError: ``out`` can't be written.
    """
    (network, card), (own, own_card) = (load_checkpoint(find_checkpoint(path)) for path in (start, tuned))
    for path, architecture in (start, card.architecture), (tuned, own_card.architecture):
        if architecture.branch is not None:
            raise CheckpointError(f"{path} has a branch already, for {', '.join(architecture.branch.labels)}; a network can have one")
    if card.architecture != own_card.architecture or len(own_card.tasks) != 1 or not own_card.tasks.keys() <= card.tasks.keys():
        raise CheckpointError(f"{tuned} was not trained from {start} for one of its tasks alone: {', '.join(card.tasks)}")
    (task,) = own_card.tasks
    before, new = network.tasks[task].labels, own.tasks[task].labels
    if both := [name for name in new if name in before]:
        raise CheckpointError(f"{start} and {tuned} both know '{both[0]}'; a branch is for classes that the network does not have")
    stages = _common_stages(network, own)
    if not stages:
        raise CheckpointError(f"no stage of the encoder is the same in {start} and {tuned}; train with frozen_stages of at least 1")
    card = card.model_copy(
        update={
            "name": own_card.name,
            "version": own_card.version,
            "architecture": card.architecture.model_copy(update={"branch": Branch(task=task, labels=new, stages=stages)}),
            "tasks": card.tasks | {task: TaskCard(kind=task, settings=card.tasks[task].settings | {"labels": [*before, *new]})},
            "training": own_card.training,
            "scores": {},
        }
    )
    joined = build_network(card)
    assert isinstance(joined, BranchedNetwork)
    own.encoder.begin_behind(stages)
    own.neck.without_p2()
    parts: list[tuple[nn.Module, Any]] = [
        (network.encoder, joined.encoder),
        (network.neck, joined.neck),
        (own.encoder, joined.branch["encoder"]),
        (own.neck, joined.branch["neck"]),
        (own.heads[task], joined.heads[task].own),
        *((head, joined.heads[name].kept if name == task else joined.heads[name]) for name, head in network.heads.items()),
    ]
    for source, target in parts:
        target.load_state_dict(source.state_dict())
    save_checkpoint(out, joined.eval(), card, torch.float16 if _fits_half(network) else torch.float32)
    return card


def _common_stages(one: MultiTaskNetwork, other: MultiTaskNetwork) -> int:
    """How many of the encoder's first stages are the same in half precision, in which a training leaves them."""
    for number, stages in enumerate(zip(one.encoder.stages, other.encoder.stages, strict=True)):
        mine, theirs = (stage.state_dict() for stage in stages)
        if not all(torch.equal(value.half(), theirs[key].half()) for key, value in mine.items()):
            return number
    return len(one.encoder.stages)


def _fits_half(network: MultiTaskNetwork) -> bool:
    """Whether half precision, in which checkpoints are shipped, holds the weights as they are."""
    weights = {
        name: value for name, value in network.state_dict().items() if value.is_floating_point() and not name.endswith("running_var")
    }
    return all(torch.equal(value, value.half().float()) for value in weights.values())
