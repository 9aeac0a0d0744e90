# SPDX-License-Identifier: Apache-2.0
"""launch/robot.launch.py and replay.launch.py, launched."""

import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")
pytest.importorskip("launch_ros", reason="launch is not installed (it comes with apt's ROS, not with PyPI's)")

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from sensor_msgs.msg import Image
from websockets.sync.client import connect

from mtl_perception.model.checkpoint import ModelCard, TaskCard, build_network, save_checkpoint
from mtl_perception.model.network import Architecture
from mtl_perception.ros.node.video import VIDEO_TRANSPORTS

LAUNCH_FILE = Path(__file__).parents[2] / "launch" / "robot.launch.py"
REPLAY_FILE = LAUNCH_FILE.with_name("replay.launch.py")
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [tuple(argument.split(":=", 1)) for argument in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights."""
    card = ModelCard(
        name="random",
        architecture=Architecture(encoder="mobilenet_v3_large", neck_channels=16),
        input_width=160,
        input_height=128,
        tasks={"segmentation": TaskCard(kind="segmentation", settings={"labels": ["floor", "wall"]})},
    )
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    save_checkpoint(path, build_network(card), card)
    return path


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts the launch file with `name=value` arguments; ends it with Ctrl-C."""
    processes: list[subprocess.Popen] = []

    def start(file: Path = LAUNCH_FILE, **arguments: object) -> subprocess.Popen:
        given = [f"{name}:={value}" for name, value in arguments.items()]
        command = [sys.executable, "-c", LAUNCH, str(file), *given]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("FASTRTPS_", "FASTDDS_", "MALLOC_"))}
        environment |= {"ROS_LOG_DIR": str(tmp_path), "OVERRIDE_LAUNCH_PROCESS_OUTPUT": "screen"}
        output = (tmp_path / "output.txt").open("w")
        processes.append(subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def observer() -> Iterator[Node]:
    rclpy.init()
    node = rclpy.create_node("observer")
    yield node
    node.destroy_node()
    rclpy.shutdown()


def wait_until(condition: Callable[[], bool], output: Path, timeout_s: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, output.read_text()
        time.sleep(0.1)


def call(node: Node, service_type: type, name: str, request: object) -> object:
    client = node.create_client(service_type, name)
    try:
        if not client.wait_for_service(timeout_sec=5.0):
            return None
        future = client.call_async(request)
        rclpy.spin_until_future_complete(node, future, timeout_sec=300.0)
        return future.result()
    finally:
        node.destroy_client(client)


def state(node: Node, name: str) -> int | None:
    response = call(node, GetState, f"{name}/get_state", GetState.Request())
    return response and response.current_state.id


def test_images_of_every_transport_are_read_below_the_cameras_topic() -> None:
    pairs = runpy.run_path(str(LAUNCH_FILE))["remappings"]("front", "/{camera}/color", "/{camera}/info", "", "")
    assert ("~/front/image", "/front/color") in pairs
    for transport in ("compressed", *VIDEO_TRANSPORTS):
        assert (f"~/front/image/{transport}", f"/front/color/{transport}") in pairs


@pytest.mark.parametrize(
    "text", ["perception: {ros__parameters: {cameras: [front]}}", "robot1: {perception: {ros__parameters: {cameras: [front]}}}"]
)
def test_cameras_are_found_in_whichever_section(tmp_path: Path, text: str) -> None:
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    assert runpy.run_path(str(LAUNCH_FILE))["cameras_of"](str(file)) == ["front"]


def test_foxglove_is_served_beside_the_node(launch: Callable, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(namespace="robot2", autostart="false", foxglove=port)
    wait_until(lambda: f":{port} " in (tmp_path / "output.txt").read_text(), tmp_path / "output.txt")
    with connect(f"ws://127.0.0.1:{port}", subprotocols=["foxglove.sdk.v1"], open_timeout=300) as viewer:
        while "/robot2/perception/detections" not in str(viewer.recv(timeout=300)):  # else a TimeoutError
            pass


def test_the_node_starts_as_the_arguments_say(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    process = launch(namespace="robot1", model=model, device="cpu", transport="compressed", image="/front/color", camera_info="/front/info")
    output = tmp_path / "output.txt"
    wait_until(lambda: state(observer, "/robot1/perception") == State.PRIMARY_STATE_ACTIVE, output)

    names = ["model", "device", "transport", "use_sim_time", "autostart"]
    values = call(observer, GetParameters, "/robot1/perception/get_parameters", GetParameters.Request(names=names)).values
    assert [value.string_value for value in values[:3]] == [str(model), "cpu", "compressed"]
    assert [value.bool_value for value in values[3:]] == [False, False]

    wait_until(lambda: observer.count_subscribers("/front/color/compressed") == 1, output)
    wait_until(lambda: observer.count_subscribers("/front/info") == 1, output)
    assert observer.count_publishers("/robot1/perception/segmentation/mask") == 1

    child = next(
        path for path in Path("/proc").glob("[0-9]*") if parent_of(path) == process.pid and b"perception" in (path / "cmdline").read_bytes()
    )
    environment = (child / "environ").read_text().split("\0")
    profile = next(entry for entry in environment if "_DEFAULT_PROFILES_FILE=" in entry)
    assert Path(profile.partition("=")[2]).is_file() and profile.endswith("fastdds.xml")
    assert "MALLOC_TRIM_THRESHOLD_=8589934592" in environment

    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=300) == 0
    assert "process has finished cleanly" in output.read_text()


def test_a_depth_camera_is_connected_as_the_arguments_say(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    launch(model=model, depth="/{camera}/aligned/image_raw", depth_source="fused", depth_transport="compressedDepth")
    output = tmp_path / "output.txt"
    wait_until(lambda: observer.count_subscribers("/camera/aligned/image_raw/compressedDepth") == 1, output)
    wait_until(lambda: observer.count_subscribers("/camera/aligned/camera_info") == 1, output)
    names = ["depth.source", "depth.transport"]
    values = call(observer, GetParameters, "/perception/get_parameters", GetParameters.Request(names=names)).values
    assert [value.string_value for value in values] == ["fused", "compressedDepth"]


def test_several_cameras_are_connected_as_the_params_file_names_them(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    launch(
        params_file=LAUNCH_FILE.parents[1] / "config" / "four_cameras.yaml",
        model=model,
        device="cpu",
        image="/{camera}/color/image",
        camera_info="/{camera}/color/camera_info",
    )
    output = tmp_path / "output.txt"
    wait_until(lambda: state(observer, "/perception") == State.PRIMARY_STATE_ACTIVE, output)
    for camera in ("front", "left", "right", "rear"):
        image = f"/{camera}/color/image" + ("/compressed" if camera == "rear" else "")
        wait_until(lambda: observer.count_subscribers(image) == 1, output)
        wait_until(lambda: observer.count_subscribers(f"/{camera}/color/camera_info") == 1, output)
        assert observer.count_publishers(f"/perception/{camera}/segmentation/mask") == 1


def test_without_autostart_the_node_waits(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    launch(autostart="false", model=model)
    wait_until(lambda: state(observer, "/perception") is not None, tmp_path / "output.txt")
    time.sleep(2.0)
    assert state(observer, "/perception") == State.PRIMARY_STATE_UNCONFIGURED


def test_a_model_that_is_missing_is_named(launch: Callable, observer: Node, tmp_path: Path) -> None:
    launch(model="/no/such.safetensors")
    output = tmp_path / "output.txt"
    wait_until(lambda: "/no/such.safetensors" in output.read_text(), output)
    wait_until(lambda: state(observer, "/perception") == State.PRIMARY_STATE_UNCONFIGURED, output)


@pytest.mark.skipif(shutil.which("ros2") is None, reason="`ros2 bag` is not installed")
def test_a_bag_plays_once_the_node_is_active(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    bag = LAUNCH_FILE.parents[1] / "bags" / "demo"
    launch(model=model, transport="compressed", bag=bag)
    wait_until(lambda: observer.count_publishers("/camera/image_raw/compressed") == 1, tmp_path / "output.txt")
    assert state(observer, "/perception") == State.PRIMARY_STATE_ACTIVE
    use_sim_time = call(observer, GetParameters, "/perception/get_parameters", GetParameters.Request(names=["use_sim_time"])).values[0]
    assert use_sim_time.bool_value


@pytest.mark.skipif(shutil.which("ros2") is None, reason="`ros2 bag` is not installed")
def test_the_recorded_drive_is_replayed_without_an_argument_about_it(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    launch(REPLAY_FILE, model=model, device="cpu", rviz="false", rate=2.0)
    output = tmp_path / "output.txt"
    wait_until(lambda: observer.count_publishers("/camera/image_raw/compressed") == 1, output)
    wait_until(lambda: observer.count_subscribers("/camera/image_raw/compressed") == 1, output)
    assert observer.count_subscribers("/camera/camera_info") == 1
    masks: list[Image] = []
    observer.create_subscription(Image, "/perception/segmentation/mask", masks.append, 1)

    def spun() -> bool:
        rclpy.spin_once(observer, timeout_sec=0.1)
        return bool(masks)

    wait_until(spun, output)
    assert masks[0].header.frame_id


@pytest.mark.skipif(shutil.which("ros2") is None, reason="`ros2 bag` is not installed")
def test_a_drive_with_a_depth_camera_is_replayed_with_it(launch: Callable, observer: Node, model: Path, tmp_path: Path) -> None:
    depth = "/camera/aligned_depth_to_color/image_raw/compressedDepth"
    launch(REPLAY_FILE, bag=LAUNCH_FILE.parents[1] / "bags" / "depth", model=model, depth_source="fused", rviz="false")
    wait_until(lambda: observer.count_subscribers(depth) == 1 and observer.count_publishers(depth) == 1, tmp_path / "output.txt")


def test_a_bag_without_the_depth_that_is_wanted_is_named(launch: Callable, tmp_path: Path) -> None:
    process = launch(REPLAY_FILE, depth_source="fused", rviz="false")
    assert process.wait(timeout=300) != 0
    assert "has the depth cameras: none; expected one, or the argument depth:=TOPIC" in (tmp_path / "output.txt").read_text()


def test_a_folder_that_is_no_bag_is_named(launch: Callable, tmp_path: Path) -> None:
    process = launch(REPLAY_FILE, bag=tmp_path)
    assert process.wait(timeout=300) != 0
    assert f"{tmp_path} is no rosbag2 folder" in (tmp_path / "output.txt").read_text()


def parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1
