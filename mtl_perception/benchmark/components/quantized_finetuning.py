# SPDX-License-Identifier: Apache-2.0
"""Costs of fine-tuning a Swin encoder: whole, through adapters, and through adapters beside 4-bit weights.

    scripts/run python -m mtl_perception.benchmark.components.quantized_finetuning [--batch 4] [--size 384x288] [--steps 3] [--device cpu]

Each way runs in a fresh process. On a CPU memory is the peak of the resident set over what it was after importing, on a
GPU what PyTorch allocated at most; "held" is what stays between two steps: weights, gradients, the optimiser's moments
and the running average. Seconds are those of the processor on a CPU, of the clock on a GPU; the fastest step counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

WAYS = {
    "whole, float32": ("none", "float32"),
    "whole, bfloat16": ("none", "bfloat16"),
    "adapters, float32": ("float32", "float32"),
    "adapters, bfloat16": ("float32", "bfloat16"),
    "adapters beside NF4, float32": ("nf4", "float32"),
    "adapters beside NF4, bfloat16": ("nf4", "bfloat16"),
}
RANK = 8
MODULE = "mtl_perception.benchmark.components.quantized_finetuning"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", default="384x288", help="width x height of the network's input")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way is not None:
        print(json.dumps(measure(arguments)))
        return
    first: dict[str, float] = {}
    print("| way | peak MiB | ratio | held MiB | ratio | trained, M | s/step | ratio |\n|---|---|---|---|---|---|---|---|", flush=True)
    for way in WAYS:
        # Large blocks go back to the system as soon as they are free, so that the resident set is what is in use.
        environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        run = subprocess.run(
            [sys.executable, "-m", MODULE, *sys.argv[1:], "--way", way], env=environment, stdout=subprocess.PIPE, check=True, text=True
        )
        found = json.loads(run.stdout.splitlines()[-1])
        first = first or found
        ratios = {name: found[name] / first[name] for name in ("peak", "held", "seconds")}
        print(
            f"| {way} | {found['peak']:.0f} | {ratios['peak']:.2f} | {found['held']:.0f} | {ratios['held']:.2f} "
            f"| {found['trained']:.2f} | {found['seconds']:.2f} | {ratios['seconds']:.2f} |",
            flush=True,
        )


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """One way, in this process."""
    import torch

    from mtl_perception.model.checkpoint import ModelCard, TaskCard, build_network
    from mtl_perception.model.network import Architecture
    from mtl_perception.training.averaging import RunningAverage
    from mtl_perception.training.low_bit.adapters import add_adapters
    from mtl_perception.training.low_bit.low_rank import LowRankLinear

    weights, precision = WAYS[arguments.way]
    if weights == "nf4":
        import torchao  # noqa: F401  what it takes by itself is not what training takes

    width, height = (int(part) for part in arguments.size.split("x"))
    card = ModelCard(
        name="swin",
        architecture=Architecture(encoder="swin_t", neck_channels=96),
        input_width=width,
        input_height=height,
        tasks={
            "detection": TaskCard(kind="detection", settings={"labels": [str(i) for i in range(14)]}),
            "segmentation": TaskCard(kind="segmentation", settings={"labels": [str(i) for i in range(17)]}),
            "depth": TaskCard(kind="depth"),
        },
    )
    device = torch.device(arguments.device)
    torch.manual_seed(0)
    before = resident_mib()
    network = build_network(card).train()
    if weights != "none":
        add_adapters(network, RANK, 16.0, weights == "nf4")
    network = network.to(device, memory_format=torch.channels_last)
    average = RunningAverage(network, 0.998)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    images = torch.randint(0, 256, (arguments.batch, 3, height, width), dtype=torch.uint8, device=device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    peak = PeakResident() if device.type == "cpu" else None
    seconds = []
    for _ in range(arguments.steps):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        started = time.process_time() if device.type == "cpu" else time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            raw = network(images)
        # Any loss that reaches every head will do: what is measured is the network.
        loss = sum(tensor.float().square().mean() for tensors in raw.values() for tensor in tensors.values() if tensor.requires_grad)
        del raw
        loss.backward()
        optimizer.step()
        average.update_parameters(network)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append((time.process_time() if device.type == "cpu" else time.perf_counter()) - started)
    held = [*network.parameters(), *network.buffers(), *average.parameters(), *average.buffers()]
    held += [p.grad for p in trained if p.grad is not None]
    held += [t for state in optimizer.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
    for module in network.modules():
        if isinstance(module, LowRankLinear):
            held += module.get_extra_state().values()
    return {
        "peak": torch.cuda.max_memory_allocated(device) / 2**20 if peak is None else peak.stop() - before,
        "held": sum(tensor.nbytes for tensor in held) / 2**20,
        "trained": sum(p.numel() for p in trained) / 1e6,
        "seconds": min(seconds),
    }


class PeakResident:
    """The largest resident set from now on; the system's own mark would hold the making of the network too."""

    def __init__(self) -> None:
        self._largest, self._ended = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            self._largest = max(self._largest, resident_mib())

    def stop(self) -> float:
        """In MiB."""
        self._ended.set()
        self._thread.join()
        return self._largest


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
