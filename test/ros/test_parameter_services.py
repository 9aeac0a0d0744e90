# SPDX-License-Identifier: Apache-2.0
"""Parameters over the services that ``ros2 param`` calls, while the node runs: listed, described, changed, dumped and loaded again."""

import numpy as np
import pytest
import yaml
from node_process import load_engine
from peer import camera_info, image
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy.parameter import get_parameter_value, parameter_value_to_python
from vision_msgs.msg import Detection2DArray

from mtl_perception.ros.node.node import PerceptionNode
from mtl_perception.ros.node.specs import SPECS

FILTERS = {"classes", "class_score_thresholds", "max_detections", "min_box_side", "region"}
PIXELS = np.zeros((480, 640, 3), np.uint8)


class Client:
    """Does what ``ros2 param list``, ``describe``, ``set`` and ``dump`` do."""

    def __init__(self, peer, name: str) -> None:
        self._peer, self._name = peer, name

    def _call(self, service: str, kind: type, **request):
        return self._peer.call(f"{self._name}/{service}", kind, kind.Request(**request))

    def list(self) -> list[str]:
        return list(self._call("list_parameters", ListParameters).result.names)

    def describe(self, name: str):
        (descriptor,) = self._call("describe_parameters", DescribeParameters, names=[name]).descriptors
        return descriptor

    def set(self, name: str, text: str) -> str:
        """The reason why it is refused; empty if it is not. ``text`` is read as the command reads it."""
        parameter = ParameterMessage(name=name, value=get_parameter_value(text))
        (result,) = self._call("set_parameters", SetParameters, parameters=[parameter]).results
        return "" if result.successful else result.reason

    def get(self, name: str):
        (value,) = self._call("get_parameters", GetParameters, names=[name]).values
        return parameter_value_to_python(value)

    def dump(self) -> str:
        values = {name: self.get(name) for name in self.list()}
        plain = {
            name: list(value) if isinstance(value, (tuple, list)) or hasattr(value, "tolist") else value for name, value in values.items()
        }
        return yaml.safe_dump({self._name: {"ros__parameters": plain}})


@pytest.mark.slow
def test_filters_are_listed_changed_and_dumped_while_the_node_runs(peer, start_node, tmp_path) -> None:
    node = start_node("-p", "agnostic_nms_iou:=1.0")
    client, heard = Client(peer, node.name), peer.subscribe(f"{node.name}/detections", Detection2DArray)

    def show() -> None:
        peer.publish(f"{node.name}/camera_info", camera_info(640, 480))
        peer.publish(f"{node.name}/image", image(PIXELS))

    def sees(condition) -> None:
        peer.until(lambda: bool(heard) and condition(heard[-1].detections), "the change", every=show)

    def named(detections) -> set[str]:
        return {one.results[0].hypothesis.class_id for one in detections}

    assert {spec.name for spec in SPECS} <= set(client.list())
    for name in FILTERS:
        descriptor = client.describe(name)
        assert descriptor.description and not descriptor.read_only
    everything = {"door", "table", "chair", "bottle"}
    sees(lambda found: named(found) == everything)
    assert client.set("classes", "[chair, bottle]") == ""
    sees(lambda found: named(found) == {"chair", "bottle"})
    assert client.set("class_score_thresholds", "['bottle=1.0']") == ""
    sees(lambda found: named(found) == {"chair"})
    assert client.set("max_detections", "2") == ""
    sees(lambda found: len(found) == 2)
    sides = min(min(one.bbox.size_x, one.bbox.size_y) for one in heard[-1].detections)
    assert client.set("min_box_side", f"{sides + 1000:.1f}") == ""
    sees(lambda found: not found)
    assert client.set("min_box_side", "0.0") == "" and client.set("region", "600,400 640,400 640,480") == ""
    sees(lambda found: not found)

    for name, text, said in (
        ("classes", "[mug]", "classes has 'mug', expected classes of this model: door, table, chair, bottle"),
        ("classes", "chair", "Wrong parameter type, expected"),
        ("classes", "[1, 2]", "Wrong parameter type, expected"),
        ("class_score_thresholds", "[chair]", "class_score_thresholds has 'chair', expected a class and a score"),
        ("class_score_thresholds", "['chair=2']", "class_score_thresholds has 'chair=2'"),
        ("max_detections", "-1", "max_detections"),
        ("min_box_side", "-1.0", "min_box_side"),
        ("region", "1,2", "region has '1,2', expected at least three corners"),
        ("cameras", "[]", "read-only"),
    ):
        before = client.get(name)
        assert said in client.set(name, text), name
        assert client.get(name) == before

    dumped = tmp_path / "dump.yaml"
    dumped.write_text(client.dump())
    namespace, _, name = node.name.rpartition("/")
    arguments = ["--ros-args", "--params-file", str(dumped), "-r", f"__ns:={namespace or '/'}", "-r", f"__node:={name}"]
    again = PerceptionNode(load_engine, context=peer.node.context, cli_args=arguments)
    assert list(again.parameters["classes"]) == ["chair", "bottle"] and again.parameters["region"] == "600,400 640,400 640,480"
    assert list(again.parameters["class_score_thresholds"]) == ["bottle=1.0"] and again.parameters["max_detections"] == 2
    assert list(again.parameters["cameras"]) == [] and list(again.parameters["points.remove_classes"]) == []
    again.destroy_node()

    assert client.set("region", "''") == "" and client.set("max_detections", "0") == ""
    assert client.set("class_score_thresholds", "[]") == "" and client.set("classes", "[]") == ""
    sees(lambda found: named(found) == everything)
