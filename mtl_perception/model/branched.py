# SPDX-License-Identifier: Apache-2.0
"""A network with a branch: a path of its own to the last classes of one task, beside all that was there before."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn

from mtl_perception.model.encoders import LEVELS, build_encoder
from mtl_perception.model.necks import build_coarse_neck
from mtl_perception.model.network import BRANCH_PREFIX, Features, MultiTaskNetwork


class BranchedNetwork(MultiTaskNetwork):
    """``encoder``, ``neck`` and heads are the network as it was. The branch goes on from one of the encoder's stages with stages and a neck of
    its own, ``branch``, to a head of its own, which is a part of its task's."""

    def build_trunk(self) -> None:
        super().build_trunk()
        encoder = build_encoder(self.architecture.encoder)
        encoder.begin_behind(self.architecture.branch.stages)
        neck = build_coarse_neck(self.architecture.neck, encoder.channels, self.architecture.neck_channels)
        self.branch = nn.ModuleDict({"encoder": encoder, "neck": neck})

    def features(self, images: Tensor, tasks: Collection[str]) -> dict[str, Features]:
        levels = self.encoder.levels(images)
        shared: Features = self.neck(self.encoder.aggregated(levels))
        task = self.architecture.branch.task
        found = dict.fromkeys(tasks, shared)
        if task in tasks:
            found[task] = shared | self._branched(levels)
        return found

    def _branched(self, levels: Features) -> Features:
        """The branch's pyramid, from what the shared stages gave."""
        common = LEVELS[: self.architecture.branch.stages]
        encoder, neck = self.branch["encoder"], self.branch["neck"]
        own = {level: levels[level] for level in common} | encoder.levels(levels[common[-1]])
        return {f"{BRANCH_PREFIX}{level}": feature for level, feature in neck.coarse(encoder.aggregated(own)).items()}
