# SPDX-License-Identifier: Apache-2.0
"""Beginning with the weights of an earlier checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mtl_perception.core.resources import shipped_models
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, find_checkpoint, load_checkpoint, read_card
from mtl_perception.model.network import AxisNames, MultiTaskNetwork


def take_over(start: Path, network: MultiTaskNetwork, card: ModelCard) -> list[str]:
    """Copy into ``network`` every weight of a checkpoint that means the same there; ``card`` remembers the origin.

    What stands for a class or a task goes by its name, wherever that is in either order. What the checkpoint has no
    counterpart for stays as it is: new. But a new class beside known ones begins as their mean.

    Args:
        start: a checkpoint, or the name of a shipped model.

    Returns:
        What a user should know of it: what begins anew, and which classes are left behind.

    Raises:
        CheckpointError: the checkpoint can't be used, or is of another architecture; heads of another style begin anew.
    """
    loaded, earlier = load_checkpoint(find_checkpoint(start, "start_from"))
    refuse_branch(start, earlier)
    if earlier.architecture.channel_gains not in ({}, card.architecture.channel_gains):
        raise CheckpointError(
            f"start_from: {start} reads its channels through channel_gains, which this run's architecture does not have; set them as its card "
            "does, or start from the network that they were made for"
        )
    free = {"heads": card.architecture.heads, "channel_gains": card.architecture.channel_gains}
    if earlier.architecture.model_copy(update=free) != card.architecture:
        raise CheckpointError(f"start_from: {_misfit(start, earlier, card)}")
    known = loaded.tasks if earlier.architecture.heads == card.architecture.heads else {}
    heads = [name for name, task in network.tasks.items() if name in known and task.agrees_with(known[name])]
    own, stored = network.state_dict(), loaded.state_dict()
    own_names, stored_names = network.named_axes(), loaded.named_axes()
    new: list[str] = []
    for name, value in own.items():
        part, of = name.split(".")[:2]
        usable = name in stored and (part != "heads" or of in heads)
        if not usable or not _copy(stored[name], value, stored_names.get(name, ()), own_names.get(name, ())):
            new.append(f"{part}.{of}")
    card.training["start_from"] = {"name": earlier.name, **earlier.training}
    whole = f"starting from {start}" + (f"; new: {', '.join(dict.fromkeys(new))}" if new else "")
    return [whole, *(line for name in heads for line in _changed_classes(name, loaded, network))]


def refuse_branch(start: Path, card: ModelCard) -> None:
    """Raises:
    CheckpointError: the network has a branch, which a training can't go on from.
    """
    if (branch := card.architecture.branch) is not None:
        raise CheckpointError(
            f"start_from: {start} has a branch for {', '.join(branch.labels)}, and such a network can't be trained further; start from the model "
            "that it began with, with the data of all new classes"
        )


def _misfit(start: Path, earlier: ModelCard, card: ModelCard) -> str:
    """Returns the differences, and what would fit, in words."""
    before, now = earlier.architecture.model_dump(), card.architecture.model_dump()
    names = [name for name in now if before.get(name) != now[name] and name not in ("heads", "channel_gains")]
    parts = " and ".join(f"{name} is {before.get(name)}, this run's {now[name]}" for name in names)
    fitting = [name for name, path in shipped_models().items() if read_card(path).architecture == card.architecture]
    shipped = f"start from {' or '.join(fitting)}" if fitting else "no shipped model fits this run"
    own = ", ".join(f"{name}: {before[name]}" for name in names if name in before)
    return f"the {parts} ({start}), so its weights fit nowhere. Either {shipped}, or set architecture: {{{own}}}"


def _copy(source: Tensor, target: Tensor, source_names: AxisNames, target_names: AxisNames) -> bool:
    """Copy all of ``source``, or along the first axes, where they are named, what both have a name for.

    Returns:
        Whether the shapes of the rest allow it.
    """
    named = len(target_names)
    if len(source_names) != named or source.shape[named:] != target.shape[named:]:
        return False
    if not named:
        target.copy_(source)
        return True
    if named == 1 and source.is_floating_point() and not set(target_names[0]) <= set(source_names[0]):
        # A new class begins as the mean of those that are known. It has learned already what is no object at all.
        target[:] = source.mean(0)
    common = [[name for name in own if name in other] for own, other in zip(target_names, source_names, strict=True)]
    target[_places(target_names, common)] = source[_places(source_names, common)]
    return True


def _places(names: AxisNames, wanted: AxisNames) -> tuple[Tensor, ...]:
    """Indices of every combination of the ``wanted`` names, one of each axis."""
    along = [torch.tensor([axis.index(name) for name in chosen], dtype=torch.long) for axis, chosen in zip(names, wanted, strict=True)]
    return torch.meshgrid(*along, indexing="ij")


def _changed_classes(name: str, loaded: MultiTaskNetwork, network: MultiTaskNetwork) -> Iterator[str]:
    before, now = loaded.tasks[name].labels, network.tasks[name].labels
    if new := _without(now, before):
        yield f"classes of {name} that are newly initialised ({len(new)} of {len(now)}): {', '.join(new)}"
    if left := _without(before, now):
        yield f"classes of {name} that are left behind ({len(left)} of {len(before)}): {', '.join(left)}"


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name not in others]
