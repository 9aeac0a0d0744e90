# SPDX-License-Identifier: Apache-2.0
"""Networks converted for another runtime, kept from one start to the next."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

import torch

import mtl_perception
from mtl_perception.files import write_atomically
from mtl_perception.inference.graph import Graph
from mtl_perception.inference.onnx_export import OPSET, export_network

_log = logging.getLogger(__name__)


class Conversions:
    """ONNX models of one checkpoint's network, one for each size of its input.

    They lie in ``$XDG_CACHE_HOME/mtl_perception``, by default ``~/.cache/mtl_perception``, named after the checkpoint's
    content and all that could change the conversion. The folder may be deleted at any time. Where it can't be written,
    they are made anew at each start.

    Args:
        checkpoint: path of the file.
    """

    def __init__(self, checkpoint: Path) -> None:
        self._content = hashlib.sha256(checkpoint.read_bytes())
        self._own: tempfile.TemporaryDirectory | None = None

    def of(self, graph: Graph) -> Path:
        """Path of the model of that graph's network; see ``export_network``.

        Raises:
            ExportError: what converts is not installed.
        """
        digest = self._content.copy()
        size = graph.view.input_width, graph.view.input_height
        digest.update(repr((mtl_perception.__version__, torch.__version__, OPSET, size, graph.task_names)).encode())
        path = _cache_folder() / f"{digest.hexdigest()[:32]}.onnx"
        if path.is_file():
            return path
        _log.warning("converting the network for OpenVINO; this takes about 10 s and is done once for each size of input")
        content = export_network(graph).SerializeToString()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        except OSError:
            self._own = self._own or tempfile.TemporaryDirectory(prefix="mtl_perception_")
            path = Path(self._own.name) / path.name
            path.write_bytes(content)
        return path


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mtl_perception"
