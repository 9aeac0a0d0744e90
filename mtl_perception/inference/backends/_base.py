# SPDX-License-Identifier: Apache-2.0
"""The interface of backends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import numpy as np

from mtl_perception.core.geometry import View
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.model.network import MAX_STRIDE


class BackendError(ValueError):
    """A backend that can't run what it was asked to; the message says what to do."""


class Answers(NamedTuple):
    """Outputs of a graph for a batch.

    Attributes:
        arrays: what ``Graph.forward`` returns, on the host. The receiver owns them.
        stage_s: seconds spent on "preprocess", "network" and "postprocess"; a backend that runs the graph in one piece
            counts all of it as the network's.
    """

    arrays: dict[str, np.ndarray]
    stage_s: dict[str, float]


class Runner(Protocol):
    """A graph of fixed shapes, ready to run."""

    def __call__(self, images_rgb: np.ndarray, focal_px: np.ndarray) -> Answers:  # pyright: ignore[reportReturnType]
        """``images_rgb`` (B, height, width, 3) uint8, ``focal_px`` (B,) float32, as for ``Graph.forward``."""


class Backend(ABC):
    """A network on a device, and what runs it there.

    Attributes:
        name: such as "torch" or "openvino".
        card: what the network is.
        device, precision: as resolved, such as "cuda:0" and "float16".
        notes: what had to be settled for, in sentences for diagnostics.
        batch_size: how many images are worth handing over at once.
        fixed_size: width and height of the images it was made for; None if it takes any.
    """

    name: str
    card: ModelCard
    device: str
    precision: str
    notes: list[str]
    batch_size: int = 1
    fixed_size: tuple[int, int] | None = None

    def frame(self, width: int, height: int) -> tuple[int, int]:
        """The size, as width and height, at which a graph wants an image of ``width`` × ``height``.

        By default that of the network's content where the image is larger: then a graph serves all cameras of one
        shape, and shrinking on the host costs a CPU less than shrinking in floating point.
        """
        view = self.view(width, height)
        return (width, height) if view.scale >= 1 else (view.content_width, view.content_height)

    def view(self, width: int, height: int) -> View:
        """How an image of that size lies in the network's input."""
        return View.fit(width, height, self.card.input_width, self.card.input_height, MAX_STRIDE)

    def batch(self, count: int) -> int:
        """Size of the smallest batch that ``count`` images, at most ``batch_size``, fit into."""
        return count

    @abstractmethod
    def runner(self, view: View, batch: int, tasks: tuple[str, ...]) -> Runner:
        """Returns a runner of ``tasks`` on batches of images that lie in the input as ``view`` says.

        Raises:
            BackendError: it can't be had.
        """

    def free(self) -> None:
        """Give back the device's memory that is only kept for later; there are no runners any more."""

    def close(self) -> None:
        """Free the device's memory."""
