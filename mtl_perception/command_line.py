# SPDX-License-Identifier: Apache-2.0
"""What the sub-commands share: options, errors in one line, the environment of a node."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Option(help="A shipped model's name, or a .safetensors file.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 ...")]
Precision = Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")]
Image = Annotated[
    str | None, typer.Option(help="Image topic of the bag; found by itself if there is one camera.")
]
CameraInfo = Annotated[
    str | None, typer.Option(help="CameraInfo topic; the one beside the image if not given.")
]
ParamsFile = Annotated[Path | None, typer.Option(help="ROS parameter file; config/robot.yaml if not given.")]


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """What a user can put right ends with a sentence and exit status 1; our bugs show their trace."""
    try:
        with interruptions():
            yield
    except Exception as error:
        ours = type(error).__module__.startswith("mtl_perception.")
        if not ours and not isinstance(error, (ValueError, OSError, ImportError)):
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None


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


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM and SIGINT end the work inside as Ctrl-C does, so that it can leave whole files and no processes behind; also
    where the process was started in the background of a script, which leaves it SIGINT ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def require_ros() -> None:
    try:
        import mtl_perception.ros.node  # noqa: F401

        import mtl_perception.msg  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"this command needs ROS 2 and this package's messages ({error}); "
            "source the workspace in which it was built, or prefix the command with scripts/run"
        ) from None


def tuned_environment() -> dict[str, str]:
    """The environment with room for images in Fast DDS and in malloc; what is set already stays."""
    from mtl_perception.resources import resource

    tuned = {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(resource("config/fastdds.xml")),
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
    }
    return tuned | dict(os.environ)
