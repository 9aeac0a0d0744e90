# SPDX-License-Identifier: Apache-2.0
"""Shared by the sub-commands: options, and errors in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from mtl_perception.core.interrupts import STATUS, interruptions, raised
from mtl_perception.ros.environment import require_ros

if TYPE_CHECKING:
    from mtl_perception.core.workers import OnRay

Model = Annotated[str, typer.Option(help="A shipped model's name, or a .safetensors file.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes; with --ray, the maximum of parallel tasks; default: no limit.")]
RayAddress = Annotated[
    str | None, typer.Option("--ray", metavar="ADDRESS", help="HOST:PORT of a Ray cluster to run on, or auto (docs/ray.md).")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 ...")]
Precision = Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")]
Image = Annotated[str | None, typer.Option(help="Image topic of the bag; needed only if there are several cameras.")]
CameraInfo = Annotated[str | None, typer.Option(help="CameraInfo topic; default: the one beside the image topic.")]
ParamsFile = Annotated[Path | None, typer.Option(help="ROS parameter file; default: config/robot.yaml.")]

_NOT_ON_ROBOTS = ("mtl_perception.simulation", "mtl_perception.studies")
"""Left out where colcon installs the package (CMakeLists.txt)."""


def spread(workers: int, ray: str | None) -> int | OnRay:
    """Where the work is done, by the two options."""
    from mtl_perception.core.workers import OnRay

    return workers if ray is None else OnRay(ray, None if workers == 1 else workers)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends what a user can put right with a sentence and exit status 1, Ctrl-C and SIGTERM with a line and 130; our bugs show
    their trace. While the command itself still imports what it needs, the two signals end the process at once."""
    command = sys._getframe(2)  # around this one stands that of contextlib

    def is_start(importer: FrameType) -> bool:
        while importer.f_code is require_ros.__code__ and importer.f_back is not None:
            importer = importer.f_back
        return importer is command

    try:
        with raised(is_start), interruptions():
            yield
    except Exception as error:
        ours = type(error).__module__.startswith("mtl_perception.")
        if not ours and not isinstance(error, (ValueError, OSError, ImportError)):
            raise
        typer.echo(f"error: {_sentence(error)}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(STATUS) from None


def _sentence(error: Exception) -> str:
    """Without what a terminal would take for its own, and of what pydantic says only what is wrong."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith(_NOT_ON_ROBOTS):
        return (
            f"a robot's installation is without {error.name}; on the machine that renders or trains, install the package from its source: "
            "'make setup', or pip install '.[simulation]'"
        )
    if type(error).__module__.startswith("pydantic"):
        from mtl_perception.core.validation_text import problems

        return problems(error)
    text = str(error)
    if isinstance(error, OSError) and error.strerror:  # without the error's number
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)
