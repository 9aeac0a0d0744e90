# SPDX-License-Identifier: Apache-2.0
"""What the sub-commands share: options, errors in one line, the environment of a node."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from mtl_perception.core.interrupts import STATUS, raised

Model = Annotated[str, typer.Option(help="A shipped model's name, or a .safetensors file.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 ...")]
Precision = Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")]
Image = Annotated[str | None, typer.Option(help="Image topic of the bag; found by itself if there is one camera.")]
CameraInfo = Annotated[str | None, typer.Option(help="CameraInfo topic; the one beside the image if not given.")]
ParamsFile = Annotated[Path | None, typer.Option(help="ROS parameter file; config/robot.yaml if not given.")]


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """What a user can put right ends with a sentence and exit status 1, Ctrl-C and SIGTERM with a line and 130; our bugs show
    their trace. While the command itself still imports what it needs, the two signals end the process at once."""
    command = sys._getframe(2)  # around this one stands that of contextlib

    def is_start(importer: FrameType) -> bool:
        while importer.f_code.co_filename == __file__ and importer.f_back is not None:  # such as require_ros
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
    if type(error).__module__.startswith("pydantic"):
        from mtl_perception.core.validation_text import problems

        return problems(error)
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in str(error))


@contextmanager
def interruptions() -> Iterator[None]:
    """An error that Ctrl-C led to leaves as KeyboardInterrupt.

    A pybind11 module (rclpy's, OpenVINO's) that is interrupted while it is loaded makes it an ImportError "initialization
    failed", and who expects a package to be missing would go on without it.
    """
    try:
        yield
    except Exception as error:
        before: BaseException | None = error
        while before is not None and not isinstance(before, KeyboardInterrupt):
            before = before.__cause__ or before.__context__
        if before is not None:
            raise KeyboardInterrupt from error
        raise


def require_ros() -> None:
    try:
        import mtl_perception.msg
        import mtl_perception.ros.node.node  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"this command needs ROS 2 and this package's messages ({error}); "
            "source the workspace in which it was built, or prefix the command with scripts/run"
        ) from None


def tuned_environment() -> dict[str, str]:
    """The environment with room for images in Fast DDS and in malloc; what is set already stays."""
    from mtl_perception.core.resources import resource

    tuned = {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(resource("config/fastdds.xml")),
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
    }
    return tuned | dict(os.environ)
