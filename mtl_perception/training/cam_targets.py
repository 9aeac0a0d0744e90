# SPDX-License-Identifier: Apache-2.0
"""Maps of where the head for whole images looks, as weak targets of a task with masks, where an image has none.

A map says where the head looks, not where the object ends: it is coarse, and only its strongest part becomes a target.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from mtl_perception.core.yaml_file import ConfigError
from mtl_perception.data.batch import Batch
from mtl_perception.model.network import Features
from mtl_perception.tasks import TASKS, LossTerm, Task


class CamTargets(BaseModel):
    """Teach masks by class activation maps, in images that are labelled as a whole and have no mask.

    Attributes:
        weight: of this term beside the loss by masks.
        strong: share of a map's maximum from which a pixel becomes a target.
        sure: probability that a class that is there must have, before its map is believed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(0.3, gt=0)
    strong: float = Field(0.6, gt=0, le=1)
    sure: float = Field(0.6, ge=0, lt=1)

    def check(self, tasks: Collection[str]) -> None:
        """Raises:
        ValueError: no task is trained that gives maps, or none that learns from them.
        """
        for does, known in (("gives maps", givers()), ("learns from them", takers())):
            if not set(known) & set(tasks):
                raise ValueError(f"cam_targets: no task is trained that {does}; add {' or '.join(known)} to 'tasks'")


def givers() -> list[str]:
    """Names of the tasks whose heads say where they look."""
    return [name for name, task in TASKS.items() if task.class_maps is not Task.class_maps]


def takers() -> list[str]:
    """Names of the tasks that such maps teach."""
    return [name for name, task in TASKS.items() if task.loss_by_class_maps is not Task.loss_by_class_maps]


class CamTeacher:
    """Adds a term to the loss of the task that maps teach, in steps that have labels of both tasks.

    Attributes:
        needed: the two tasks, without whose labels a step has no such term.

    Args:
        tasks: of the network, by name.
        heads: of the network, by task.

    Raises:
        ConfigError: the two tasks have no class in common.
    """

    def __init__(self, settings: CamTargets, tasks: Mapping[str, Task], heads: nn.ModuleDict) -> None:
        giver, taker = (next(name for name in known if name in tasks) for known in (givers(), takers()))
        self.needed = (giver, taker)
        self._settings, self._giver, self._taker, self._head = settings, tasks[giver], tasks[taker], heads[giver]
        whole, regions = self._giver.labels, self._taker.labels
        self._columns = [i for i, name in enumerate(whole) if name in regions]
        self._ids = [regions.index(whole[i]) for i in self._columns]
        if not self._columns:
            raise ConfigError(
                f"cam_targets: no class of {giver} ({', '.join(whole)}) is one of {taker} ({', '.join(regions)}); "
                "what maps are to teach goes by the same name in both"
            )

    def terms(self, features: Features, raw: Mapping[str, Mapping[str, Tensor]], batch: Batch) -> dict[str, LossTerm]:
        """{"TASK/cam": the term}, of zero where no map is believed.

        Args:
            features: the pyramid that the head which gives maps sees.
            raw: by task, what the heads returned.
            batch: on the device.
        """
        giver, taker = self.needed
        weak = batch.labelled[giver] & ~batch.labelled[taker]
        with torch.no_grad():
            maps = self._giver.class_maps(
                self._head, features, dict(raw[giver]), batch.targets[giver], weak, self._columns, self._settings.sure
            )
        found = self._taker.loss_by_class_maps(dict(raw[taker]), maps, self._ids, self._settings.strong)
        # Methods that weigh tasks by their loss look at masks alone.
        return {f"{taker}/cam": found._replace(weight=self._settings.weight, balanced=False)}
