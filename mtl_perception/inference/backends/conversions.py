# SPDX-License-Identifier: Apache-2.0
"""Networks converted for another runtime, kept from one start to the next."""

from __future__ import annotations

import hashlib
import logging

import torch

import mtl_perception
from mtl_perception.inference.backends.checksums import cache_folder, read_checked, write_checked
from mtl_perception.inference.export.onnx_graph import OPSET, export_network
from mtl_perception.inference.graph import Graph
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.model.network import MultiTaskNetwork

_log = logging.getLogger(__name__)


class Conversions:
    """ONNX models of one network, one for each size of its input.

    They lie in the cache folder, named after the network's weights and all that could change the conversion, each with its
    checksum beside it. One that is damaged is made anew; where the folder can't be written, all are at each start.

    Args:
        network: with the weights that are converted.
        card: what it is.
    """

    def __init__(self, network: MultiTaskNetwork, card: ModelCard) -> None:
        # Of what is converted, not of a file that somebody may have replaced since it was read.
        self._content = hashlib.sha256(card.model_dump_json(include={"architecture", "tasks"}).encode())
        for name, tensor in network.state_dict().items():
            self._content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            self._content.update(tensor.contiguous().numpy().tobytes())

    def of(self, graph: Graph) -> bytes:
        """The serialised model of that graph's network; see ``export_network``.

        Raises:
            ExportError: what converts is not installed.
        """
        digest = self._content.copy()
        size = graph.view.input_width, graph.view.input_height
        digest.update(repr((mtl_perception.__version__, torch.__version__, OPSET, size, graph.task_names)).encode())
        path = cache_folder() / f"{digest.hexdigest()[:32]}.onnx"
        content = read_checked(path)
        if content is not None:
            return content
        reason = f"{path} is damaged, " if path.exists() else ""
        _log.warning(f"{reason}converting the network for OpenVINO; this takes about 10 s and is done once for each size of input")
        content = export_network(graph).SerializeToString()
        try:
            write_checked(path, content)
        except OSError as error:
            _log.warning(f"the converted network is not kept for the next start: {error.strerror}")
        return content
