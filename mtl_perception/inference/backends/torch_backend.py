# SPDX-License-Identifier: Apache-2.0
"""PyTorch itself, on a CPU or a GPU."""

from __future__ import annotations

import time

import numpy as np
import torch

from mtl_perception.core.geometry import View
from mtl_perception.inference.backends._base import Answers, Backend, Runner
from mtl_perception.inference.device import resolve_device, resolve_precision
from mtl_perception.inference.folding import fold_batch_norms
from mtl_perception.inference.graph import Graph
from mtl_perception.model.checkpoint import ModelCard
from mtl_perception.model.network import MultiTaskNetwork

_MOST_ON_GPU = 16


class TorchBackend(Backend):
    """Any checkpoint, without further installation.

    Args:
        network: is taken over: its batch norms are folded, it is moved and converted.
        compiled: let ``torch.compile`` generate kernels; the first frames of each shape then take a minute or more.

    Raises:
        DeviceError: the device or precision can't be had.
    """

    name = "torch"

    def __init__(
        self, network: MultiTaskNetwork, card: ModelCard, device: str = "auto", precision: str = "auto", compiled: bool = False
    ) -> None:
        self._device, self.notes = resolve_device(device)
        dtype, self.precision = resolve_precision(precision, self._device)
        self.card = card
        self.device = str(self._device)
        self._compiled = compiled
        # A GPU is idle for most of a small network's single image. A CPU is not: there a batch costs as much as its
        # images one by one, and the first of them would wait for the last.
        self.batch_size = _MOST_ON_GPU if self._on_gpu else 1
        self._network = fold_batch_norms(network.eval()).to(self._device, dtype, memory_format=torch.channels_last)
        if self._on_gpu:
            self._stream, self._pool = torch.cuda.Stream(self._device), torch.cuda.graph_pool_handle()

    @property
    def _on_gpu(self) -> bool:
        return self._device.type == "cuda"

    def frame(self, width: int, height: int) -> tuple[int, int]:
        # A GPU resizes in passing what a CPU would spend milliseconds on.
        return (width, height) if self._on_gpu else super().frame(width, height)

    def batch(self, count: int) -> int:
        # Powers of two, so that cameras that come and go make do with a few graphs.
        return 1 << (count - 1).bit_length() if self._on_gpu else count

    def runner(self, view: View, batch: int, tasks: tuple[str, ...]) -> Runner:
        graph = Graph(self._network, view, tasks)
        if self._compiled:
            graph.infer = torch.compile(graph.infer, dynamic=False)
            # On a CPU decoding is quicker as it is: there it looks at values, which a compiled graph can't.
            if self._on_gpu:
                graph.decode = torch.compile(graph.decode, dynamic=False)
        if not self._on_gpu:
            return _CpuRunner(graph)
        from mtl_perception.inference.backends.cuda_graph import CudaRunner

        return CudaRunner(graph, batch, self._stream, self._pool)

    def free(self) -> None:
        if self._on_gpu:
            torch.cuda.empty_cache()
            # The next recordings begin another pool: PyTorch takes none up again that has lost all of its own.
            self._pool = torch.cuda.graph_pool_handle()

    def close(self) -> None:
        self._network = None
        self.free()


class _CpuRunner:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @torch.inference_mode()
    def __call__(self, images_rgb: np.ndarray, focal_px: np.ndarray) -> Answers:
        started_s = time.perf_counter()
        images = self._graph.lay_out(torch.from_numpy(images_rgb))
        prepared_s = time.perf_counter()
        raw = self._graph.infer(images)
        inferred_s = time.perf_counter()
        decoded = self._graph.decode(raw, torch.from_numpy(focal_px))
        arrays = {name: tensor.numpy() for name, tensor in decoded.items()}
        ended_s = time.perf_counter()
        stage_s = {"preprocess": prepared_s - started_s, "network": inferred_s - prepared_s, "postprocess": ended_s - inferred_s}
        return Answers(arrays, stage_s)
