# SPDX-License-Identifier: Apache-2.0
"""The whole way from a camera's pixels to answers, as one module with static shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from mtl_perception.core.geometry import LETTERBOX_GREY, View
from mtl_perception.model.network import MultiTaskNetwork

ValueT = TypeVar("ValueT")

RawTensors = dict[str, dict[str, Tensor]]
"""Task → what its head returned."""


class Graph(nn.Module):
    """Lay out, network, decode: what an engine runs, and what an exported file holds.

    Args:
        network: in the precision to run in.
        view: how the images lie in the network's input; fixes every shape but the batch's.
        tasks: whose heads run.
    """

    def __init__(self, network: MultiTaskNetwork, view: View, tasks: Iterable[str]) -> None:
        super().__init__()
        self.network = network
        self.view = view
        self.task_names = tuple(name for name in network.tasks if name in set(tasks))

    def forward(self, images_rgb: Tensor, focal_px: Tensor) -> dict[str, Tensor]:
        """Returns the decoded answers for a batch.

        Args:
            images_rgb: (B, height, width, 3) uint8.
            focal_px: (B,) float32, focal length in pixels of these images; 0 where the camera is not known.

        Returns:
            {"task.name": what the task's ``decode`` returns under that name}.
        """
        return self.decode(self.infer(self.lay_out(images_rgb)), focal_px)

    def lay_out(self, images_rgb: Tensor) -> Tensor:
        """(B, height, width, 3) → the network's input, (B, 3, input_height, input_width), scaled and padded."""
        view, images = self.view, images_rgb.permute(0, 3, 1, 2)
        if (view.content_width, view.content_height) != (view.width, view.height):
            images = images.float()
            # A linear filter looks at two pixels a side: shrinking by more than two would pick pixels and leave moiré.
            whole = int(1 / view.scale + 1e-6)
            if whole > 1:
                images = F.avg_pool2d(images, whole, ceil_mode=True)
            content = (view.content_height, view.content_width)
            images = F.interpolate(images, size=content, mode="bilinear", align_corners=False)
        right, below = view.input_width - view.content_width, view.input_height - view.content_height
        return F.pad(images, (0, right, 0, below), value=float(LETTERBOX_GREY)) if right or below else images

    def infer(self, images: Tensor) -> RawTensors:
        """Returns the raw outputs of the heads."""
        return self.network(images, self.task_names)

    def decode(self, raw: RawTensors, focal_px: Tensor) -> dict[str, Tensor]:
        """Decodes the raw outputs into pixels of the images and metres."""
        return flat({name: self.network.tasks[name].decode(raw[name], self.view, focal_px) for name in self.task_names})


def flat(by_task: Mapping[str, Mapping[str, ValueT]]) -> dict[str, ValueT]:
    """{task: {name: value}} → {"task.name": value}."""
    return {f"{task}.{name}": value for task, values in by_task.items() for name, value in values.items()}


def of_task(answers: Mapping[str, ValueT], task: str) -> dict[str, ValueT]:
    """The part of a flat dictionary that is ``task``'s, under the names that the task gave."""
    prefix = f"{task}."
    return {name.removeprefix(prefix): answer for name, answer in answers.items() if name.startswith(prefix)}
