# SPDX-License-Identifier: Apache-2.0
"""The head of a network with a branch: cells of the network as it was, and beside them those of the branch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.tasks.detection.cells import CellHead

NEVER = -30.0
"""Logit of a class that a cell can't answer with: a probability of 1e-13, and no infinity that an exported graph would have to bear."""


class BranchedHead(nn.Module):
    """Two heads in one, each for its own classes.

    Args:
        kept: answers with the first classes, from {"p3" …}.
        own: answers with the last ones, from the levels of the branch.
        classes: how many each of them has.
        prefix: of the branch's levels among the features: {"PREFIXp3" …}.
    """

    def __init__(self, kept: CellHead, own: CellHead, classes: tuple[int, int], prefix: str) -> None:
        super().__init__()
        self.kept, self.own = kept, own
        self._classes, self._prefix = classes, prefix

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """As ``CellHead.forward``, with twice the cells: first those of ``kept``, to the bit as they are without a branch."""
        of_branch = {level.removeprefix(self._prefix): feature for level, feature in features.items() if level.startswith(self._prefix)}
        kept, own = self.kept(features), self.own(of_branch)
        before, after = self._classes
        logits = [F.pad(kept["class_logits"], (0, after), value=NEVER), F.pad(own["class_logits"], (before, 0), value=NEVER)]
        joined = {
            name: torch.cat([kept[name], own[name]], 0 if name in ("points", "strides") else 1) for name in kept if name != "class_logits"
        }
        return {"class_logits": torch.cat(logits, 1), **joined}
