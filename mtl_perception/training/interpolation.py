# SPDX-License-Identifier: Apache-2.0
"""A network between a trained one and what fine-tuning made of it: WiSE-FT (Wortsman et al., CVPR 2022).

On the straight line between the two weights much of what was learned is there already, and much of what was forgotten is still there.
"""

from __future__ import annotations

from pathlib import Path

import torch

from mtl_perception.model.checkpoint import CheckpointError, ModelCard, find_checkpoint, load_checkpoint, save_checkpoint
from mtl_perception.model.network import MultiTaskNetwork


def interpolate(start: Path, tuned: Path, share: float, out: Path) -> ModelCard:
    """Write a checkpoint whose weights are (1 - ``share``) times those of ``start`` and ``share`` times those of ``tuned``.

    Classes go by name. What only ``tuned`` has, such as a new class or a new head, is taken as it is.

    Args:
        start, tuned: checkpoints, or names of shipped models; ``tuned`` was trained from ``start``.
        share: 0 to 1.

    Returns:
        The card of the new checkpoint, that of ``tuned`` with what was done in ``training``. Scores are left out: nobody has measured them.

    Raises:
        CheckpointError: one is missing, or they are of different architectures.
        ValueError: ``share`` is not between 0 and 1.
        OSError: ``out`` can't be written.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the share is {share}, expected 0 (all of the start) to 1 (all of the fine-tuned network)")
    (first, first_card), (second, card) = (load_checkpoint(find_checkpoint(path)) for path in (start, tuned))
    for path, branch in (start, first_card.architecture.branch), (tuned, card.architecture.branch):
        if branch is not None:
            raise CheckpointError(
                f"{path} has a branch for {', '.join(branch.labels)}; beside it nothing was changed that could be averaged"
            )
    if first_card.architecture != card.architecture:
        raise CheckpointError(
            f"{start} and {tuned} are of different architectures ({first_card.architecture.encoder} and {card.architecture.encoder}, "
            f"{first_card.architecture.neck} and {card.architecture.neck}); expected a network and what was trained from it"
        )
    _move_towards(second, first, 1 - share)
    training = {**card.training, "interpolated": {"from": f"{first_card.name} {first_card.version}", "share": share}}
    card = card.model_copy(update={"training": training, "scores": {}})
    save_checkpoint(out, second, card)
    return card


@torch.no_grad()
def _move_towards(network: MultiTaskNetwork, other: MultiTaskNetwork, share: float) -> None:
    """Bring every tensor of ``network`` so much nearer to its counterpart in ``other``, if it has one."""
    own, theirs = network.state_dict(), other.state_dict()
    own_names, their_names = network.named_axes(), other.named_axes()
    for key, value in own.items():
        if key not in theirs or not value.is_floating_point():
            continue
        mine, of_other, target = own_names.get(key, ()), their_names.get(key, ()), theirs[key].to(value.dtype)
        if mine == of_other and value.shape == target.shape:
            value.lerp_(target, share)
        elif len(mine) == len(of_other) == 1 and value.shape[1:] == target.shape[1:]:
            for i, name in enumerate(mine[0]):
                if name in of_other[0]:
                    value[i].lerp_(target[of_other[0].index(name)], share)
