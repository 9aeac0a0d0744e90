# SPDX-License-Identifier: Apache-2.0
"""Which backend runs which file."""

from __future__ import annotations

from pathlib import Path

from mtl_perception.checkpoint import load_checkpoint
from mtl_perception.inference.backends._base import Backend
from mtl_perception.inference.backends.torch_backend import TorchBackend
from mtl_perception.inference.device import resolve_device, resolve_precision


def load_backend(path: Path | str, device: str, precision: str, backend: str, compiled: bool) -> Backend:
    """See ``Engine.load``."""
    # The device is checked first: it costs nothing, and a wrong one should not wait for the weights.
    resolve_precision(precision, resolve_device(device)[0])
    network, card = load_checkpoint(path)
    return TorchBackend(network, card, device, precision, compiled)
