# SPDX-License-Identifier: Apache-2.0
"""The sub-commands of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtl_perception.cli.command_line import Device, Model, Precision, errors_in_one_line

app = typer.Typer()


@app.command()
def benchmark(
    quick: Annotated[bool, typer.Option("--quick", help="A few minutes on two cores, less precise.")] = False,
    model: Model = "lite",
    device: Device = "auto",
    precision: Precision = "auto",
    backend: Annotated[
        str, typer.Option(help="auto, or the backend for our networks in the sections that do not compare backends.")
    ] = "auto",
    size: Annotated[str, typer.Option(help="Size of the camera images.")] = "640x480",
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of each comparison; default: 30.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames in the sections stages and node; default: 200.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: one per core.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this section: stages, node, sharing, peers, backends, memory, cameras, resolution; repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Output folder; an interrupted run resumes.")] = Path("out/benchmark"),
    restart: Annotated[bool, typer.Option("--restart", help="Discard earlier results; needed after a change of settings.")] = False,
    remark: Annotated[str, typer.Option(help="A remark for the page, such as what else was running.")] = "",
) -> None:
    """Benchmark stages, memory and scaling against single-task networks, torchvision's and other backends."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.benchmark.command import benchmark as run_benchmark
        from mtl_perception.benchmark.command import make_settings

        ours = {"model": model, "device": device, "precision": precision, "backend": backend}
        settings = make_settings(quick, size, **ours, threads=threads, rounds=rounds, frames=frames)
        failed = run_benchmark(settings, only or [], out, restart, remark, Terminal())
    if failed:
        raise typer.Exit(1)


@app.command()
def benchmark_page(
    folder: Annotated[Path, typer.Argument(help="Folder of JSON files that benchmark wrote.")],
    out: Annotated[Path, typer.Option(help="The Markdown page.")] = Path("benchmarks.md"),
) -> None:
    """Write a page with charts from the results of several machines."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        from mtl_perception.benchmark.page import write_docs_page

        console = Terminal()
        write_docs_page(folder, out, console)
        console.print(str(out), highlight=False)
