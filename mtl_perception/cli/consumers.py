# SPDX-License-Identifier: Apache-2.0
"""Sub-commands for those who read the node's topics."""

from __future__ import annotations

from typing import Annotated

import typer

from mtl_perception.cli.command_line import errors_in_one_line
from mtl_perception.ros.environment import require_ros

app = typer.Typer()

NodeName = Annotated[str, typer.Option(help="Full name of the perception node.")]


@app.command()
def nav2(
    model: Annotated[str, typer.Argument(help="A shipped model's name, or a .safetensors file.")],
    node: NodeName = "/perception",
    camera: Annotated[list[str] | None, typer.Option(help="A name from the parameter cameras; repeatable.")] = None,
) -> None:
    """Print a local costmap configuration for Nav2 with the model's classes: mtl-perception nav2 lite > costmap.yaml."""
    with errors_in_one_line():
        from mtl_perception.core.resources import find_model
        from mtl_perception.inference.export.run import card_of
        from mtl_perception.ros.consumers.nav2 import costmap_yaml

        card = card_of(find_model(model))
        typer.echo(costmap_yaml(card.name, card.segmentation_labels, node, camera or ()), nl=False)


@app.command()
def moveit(
    node: NodeName = "/perception",
    camera: Annotated[str, typer.Option(help="A name from the parameter cameras, if there are several.")] = "",
) -> None:
    """Print the sensor configuration for MoveIt's octomap: mtl-perception moveit > sensors_3d.yaml."""
    with errors_in_one_line():
        from mtl_perception.ros.consumers.moveit import sensors_yaml

        typer.echo(sensors_yaml(node, camera), nl=False)


@app.command()
def doctor(
    node: NodeName = "/perception",
    camera: Annotated[str, typer.Option(help="A name from the parameter cameras, if there are several.")] = "",
    seconds: Annotated[float, typer.Option(min=1.0, help="How long to listen.")] = 10.0,
) -> None:
    """Check what a running node publishes against what its subscribers need; exit status 1 if something is wrong."""
    from mtl_perception.core.terminal import Terminal

    with errors_in_one_line():
        require_ros()
        from mtl_perception.ros.doctor.doctor import examine, findings_table

        findings = examine(node, camera, seconds)
        Terminal().print(findings_table(node, findings))
    if any(finding.is_breach for finding in findings):
        raise typer.Exit(1)


@app.command()
def foxglove(
    node: NodeName = "/perception",
    camera: Annotated[str, typer.Option(help="A name from the parameter cameras, if there are several.")] = "",
    image: Annotated[str, typer.Option(help="The camera's topic; default: the one that the node subscribes to.")] = "",
    host: Annotated[
        str, typer.Option(help="Address to listen on; with 0.0.0.0, everybody who can reach it sees what the robot sees.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8765,
    rate: Annotated[float, typer.Option(min=0.1, help="Maximum messages per second and topic.")] = 10.0,
    points: Annotated[int, typer.Option(min=1, help="Maximum points per cloud.")] = 30_000,
    viewers: Annotated[int, typer.Option(min=1, help="Maximum connections.")] = 8,
) -> None:
    """Serve a running node to Foxglove, on any computer in the network, without ROS there."""
    with errors_in_one_line():
        require_ros()
        try:
            from mtl_perception.ros.foxglove.bridge import Settings
            from mtl_perception.ros.foxglove.server import serve
        except ModuleNotFoundError as error:
            raise ImportError(f"this needs {error.name}: pip install 'mtl-perception[foxglove]'") from None

        def tell(address: str) -> None:
            typer.echo(f"Foxglove server: {address} (Ctrl-C ends it)")
            typer.echo("On a laptop: Open connection, this address; and import the layout config/foxglove_layout.json")

        serve(Settings(node, camera, image, host, port, rate, points, viewers), tell)
