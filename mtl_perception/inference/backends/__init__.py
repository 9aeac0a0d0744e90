# SPDX-License-Identifier: Apache-2.0
"""Backends: one interface, several runtimes."""

from mtl_perception.inference.backends._base import Answers, Backend, BackendError, Runner
from mtl_perception.inference.backends.loading import load_backend
from mtl_perception.inference.backends.torch_backend import TorchBackend

__all__ = ["Answers", "Backend", "BackendError", "Runner", "TorchBackend", "load_backend"]
