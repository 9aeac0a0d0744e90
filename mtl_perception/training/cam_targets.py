# SPDX-License-Identifier: Apache-2.0
"""Class activation maps of the classification task as weak targets of segmentation, where an image has no mask.

Grad-CAM (Selvaraju et al., ICCV 2017) at the coarsest level, which is what the classification head reads. A map says where the
head looks, not where the thing ends: it is coarse, and only its strongest part becomes a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mtl_perception.core.scene import UNLABELLED
from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.data.batch import Batch
from mtl_perception.model.network import Features
from mtl_perception.tasks import LossTerm, Task


class CamTargets(BaseModel):
    """Teach segmentation by class activation maps, in images that are labelled for classification and have no mask.

    Attributes:
        weight: of this term beside the loss by masks.
        strong: share of a map's maximum from which a pixel becomes a target.
        sure: probability that classification must give a class that is there, before its map is believed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(0.3, gt=0)
    strong: float = Field(0.6, gt=0, le=1)
    sure: float = Field(0.6, ge=0, lt=1)

    needed: ClassVar[tuple[str, str]] = ("classification", "segmentation")

    def check(self, tasks: Mapping[str, float]) -> None:
        """Raises:
        ValueError: one of the two tasks is not trained.
        """
        for task in self.needed:
            if task not in tasks:
                raise ValueError(
                    f"cam_targets are maps of classification that teach segmentation, and {task} is not trained; add it to 'tasks'"
                )


class CamTeacher:
    """Adds a term to the loss of segmentation, in steps that have labels of both tasks.

    Attributes:
        needed: the tasks without whose labels a step has no such term.

    Args:
        tasks: of the network, by name.
        head: of classification.

    Raises:
        ConfigError: no class of classification is one of segmentation too.
    """

    def __init__(self, settings: CamTargets, tasks: Mapping[str, Task], head: nn.Module) -> None:
        classes, regions = tasks["classification"].labels, tasks["segmentation"].labels
        self._settings, self._head, self.needed = settings, head, settings.needed
        self._columns = [i for i, name in enumerate(classes) if name in regions]
        self._ids = [regions.index(classes[i]) for i in self._columns]
        if not self._columns:
            raise ConfigError(
                f"cam_targets: no class of classification ({', '.join(classes)}) is one of segmentation ({', '.join(regions)}); "
                "what maps are to teach goes by the same name in both"
            )

    def terms(self, features: Features, raw: Mapping[str, Tensor], logits: Tensor, batch: Batch) -> dict[str, LossTerm]:
        """{"segmentation/cam": the term}, of zero where no map is believed.

        Args:
            features: the pyramid that classification sees.
            raw: of the classification head.
            logits: (B, classes, H/4, W/4) of segmentation.
            batch: on the device.
        """
        with torch.no_grad():
            mask = self._targets(features, raw["logits"].float().sigmoid(), logits.shape[-2:], batch)
        total = F.cross_entropy(logits.float(), mask, ignore_index=UNLABELLED, reduction="sum")
        # Methods that weigh tasks by their loss look at masks alone.
        return {"segmentation/cam": LossTerm(total, (mask != UNLABELLED).sum(), self._settings.weight, balanced=False)}

    def _targets(self, features: Features, scores: Tensor, size: tuple[int, int], batch: Batch) -> Tensor:
        """(B, *size) class ids, 255 where nothing is believed."""
        known = batch.targets["classification"]
        weak = batch.labelled["classification"] & ~batch.labelled["segmentation"]
        there = (known["present"] > 0) & known["known"] & (scores >= self._settings.sure) & weak[:, None]
        maps = F.interpolate(activation_maps(self._head, features, self._columns), size=size, mode="bilinear", align_corners=False)
        peaks = maps.amax((2, 3), keepdim=True)
        maps = torch.where(there[:, self._columns, None, None] & (peaks > 0), maps / peaks.clamp(min=1e-12), 0.0)
        strongest, which = maps.max(1)
        ids = torch.tensor(self._ids, device=which.device)[which]
        return torch.where(strongest >= self._settings.strong, ids, UNLABELLED)


def activation_maps(head: nn.Module, features: Features, columns: list[int]) -> Tensor:
    """(B, len(columns), h, w) at the coarsest level, ≥ 0: where the features speak for each of these classes.

    The mean gradient of a class's logit is what a channel counts for it; a map is the sum of the channels that count.
    """
    with torch.enable_grad():
        p5 = features["p5"].detach().float().requires_grad_()
        logits = head({"p5": p5})["logits"]
        maps = []
        for column in columns:
            (gradient,) = torch.autograd.grad(logits[:, column].sum(), p5, retain_graph=True)
            maps.append((gradient.mean((2, 3), keepdim=True) * p5.detach()).sum(1).relu())
    return torch.stack(maps, 1)
