# SPDX-License-Identifier: Apache-2.0
"""How far an exported model's answers are from PyTorch's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from mtl_perception.inference.backends.sessions import import_onnxruntime
from mtl_perception.inference.export.onnx_graph import RAW
from mtl_perception.inference.exported import FOCAL_PX, IMAGES
from mtl_perception.inference.graph import RawTensors, flat


class Difference(NamedTuple):
    """Of one output.

    Attributes:
        name: "task.name"; with "raw." before it, a head's own tensor.
        largest: largest absolute difference.
        magnitude: largest absolute value that PyTorch's has.
        equal: share of values that are the same to a thousandth, or exactly where they are whole numbers.
    """

    name: str
    largest: float
    magnitude: float
    equal: float

    @property
    def relative(self) -> float:
        """Largest difference in units, or as a share of the largest value where that is more than one: boxes are in pixels,
        of which single precision distinguishes fewer digits."""
        return self.largest / max(1.0, self.magnitude)

    @property
    def is_raw(self) -> bool:
        """Whether it is a head's own tensor. Those are what parity is about: a tie between two boxes, decided the other
        way, exchanges them in the answers."""
        return self.name.startswith(RAW)


def differences(model: bytes, inputs: tuple[Tensor, Tensor], expected: dict[str, Tensor], expected_raw: RawTensors) -> list[Difference]:
    """Run a serialised ONNX model on the CPU and compare.

    Args:
        inputs: images (B, H, W, 3) uint8 and focal lengths (B,).
        expected: what ``Graph.forward`` says of them in float32.
        expected_raw: what ``Graph.infer`` says of them.

    Raises:
        BackendError: ONNX Runtime is not installed.
    """
    session = import_onnxruntime().InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {IMAGES: inputs[0].numpy(), FOCAL_PX: inputs[1].numpy()})
    truth = expected | {f"{RAW}{name}": tensor for name, tensor in flat(expected_raw).items()}
    return [_difference(name, truth[name].numpy(), value) for name, value in zip(names, found)]


def _difference(name: str, expected: np.ndarray, found: np.ndarray) -> Difference:
    apart = np.abs(expected.astype(np.float64) - found.astype(np.float64))
    apart = np.where(np.isnan(apart), np.inf, apart)  # NaN would pass every comparison with a tolerance
    whole = np.issubdtype(expected.dtype, np.integer)
    same = apart == 0 if whole else apart <= 1e-3 * np.maximum(np.abs(expected), 1e-3)
    magnitude = np.abs(expected.astype(np.float64)).max(initial=0.0)
    return Difference(name, float(apart.max(initial=0.0)), float(magnitude), float(same.mean()))
