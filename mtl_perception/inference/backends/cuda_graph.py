# SPDX-License-Identifier: Apache-2.0
"""A graph of the GPU's own: recorded once, then launched as a whole, so that no kernel waits for Python."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl_perception.inference.backends._base import Answers
from mtl_perception.inference.graph import Graph

_WARM_UP_RUNS = 3
"""Before recording, for libraries that choose their kernels on the first calls."""


class _Part(NamedTuple):
    """Where one answer lies in the packed bytes."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    stop: int


class CudaRunner:
    """One batch size, one set of heads.

    Images go up from pinned memory; network and decoding are two recordings, so that each can be timed; all answers
    come back in one copy.

    Args:
        stream, pool: where the recordings of several runners run, and memory that they share. They never run at the same
            time, and the answers of one are copied away before the next starts.
    """

    @torch.inference_mode()
    def __init__(self, graph: Graph, batch: int, stream: torch.cuda.Stream, pool: object) -> None:
        view, device = graph.view, stream.device
        self._images_host = torch.zeros((batch, view.height, view.width, 3), dtype=torch.uint8, pin_memory=True)
        self._focal_host = torch.zeros(batch, pin_memory=True)
        self._images, self._focal = self._images_host.to(device), self._focal_host.to(device)
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(4)]
        self._stream = stream

        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_RUNS):
                answers = graph(self._images, self._focal)
            self._parts = _layout(answers)
            self._stream.synchronize()
        self._network, self._decoding = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        # Other threads go on meanwhile, such as the one that pins the batches of a training that is being validated:
        # what they ask of the GPU is no part of this.
        settings = {"pool": pool, "stream": self._stream, "capture_error_mode": "thread_local"}
        with torch.cuda.graph(self._network, **settings):
            # Kept: the second recording reads where the first one wrote.
            self._raw = graph.infer(graph.lay_out(self._images))
        with torch.cuda.graph(self._decoding, **settings):
            decoded = graph.decode(self._raw, self._focal)
            self._packed = torch.cat([_bytes(decoded[part.name]) for part in self._parts])

    @torch.inference_mode()
    def __call__(self, images_rgb: np.ndarray, focal_px: np.ndarray) -> Answers:
        started_s = time.perf_counter()
        np.copyto(self._images_host.numpy(), images_rgb)
        np.copyto(self._focal_host.numpy(), focal_px)
        # Pinned memory from the allocator's cache: it is reused once nobody holds the arrays below.
        packed = torch.empty(len(self._packed), dtype=torch.uint8, pin_memory=True)
        copied_s = time.perf_counter()
        uploaded, prepared, inferred, ended = self._events
        with torch.cuda.stream(self._stream):
            uploaded.record()
            self._images.copy_(self._images_host, non_blocking=True)
            self._focal.copy_(self._focal_host, non_blocking=True)
            prepared.record()
            self._network.replay()
            inferred.record()
            self._decoding.replay()
            packed.copy_(self._packed, non_blocking=True)
            ended.record()
        ended.synchronize()
        stage_s = {
            "preprocess": copied_s - started_s + uploaded.elapsed_time(prepared) / 1e3,
            "network": prepared.elapsed_time(inferred) / 1e3,
            "postprocess": inferred.elapsed_time(ended) / 1e3,
        }
        content = packed.numpy()
        arrays = {part.name: content[part.start : part.stop].view(part.dtype).reshape(part.shape) for part in self._parts}
        return Answers(arrays, stage_s)


def _layout(answers: dict[str, Tensor]) -> list[_Part]:
    """The widest elements first, so that each answer starts at a multiple of its elements' size."""
    parts, start = [], 0
    for name, tensor in sorted(answers.items(), key=lambda item: -item[1].element_size()):
        dtype = torch.empty(0, dtype=tensor.dtype).numpy().dtype
        stop = start + tensor.numel() * tensor.element_size()
        parts.append(_Part(name, dtype, tuple(tensor.shape), start, stop))
        start = stop
    return parts


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().view(-1).view(torch.uint8)
