# SPDX-License-Identifier: Apache-2.0
"""Classes, thresholds and a region, changed while the node runs."""

import numpy as np
import pytest
from peer import camera_info, image
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from vision_msgs.msg import Detection2DArray

PIXELS = np.zeros((480, 640, 3), np.uint8)


def strings(name: str, *values: str) -> Parameter:
    return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_STRING_ARRAY, string_array_value=list(values)))


def text(name: str, value: str) -> Parameter:
    return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value))


def whole(name: str, value: int) -> Parameter:
    return Parameter(name=name, value=ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value))


@pytest.mark.slow
def test_detections_are_selected_at_run_time(peer, start_node) -> None:
    node = start_node("-p", "agnostic_nms_iou:=1.0")
    heard = peer.subscribe(f"{node.name}/detections", Detection2DArray)

    def show() -> None:
        peer.publish(f"{node.name}/camera_info", camera_info(640, 480))
        peer.publish(f"{node.name}/image", image(PIXELS))

    def change(*parameters: Parameter) -> list:
        return peer.call(f"{node.name}/set_parameters", SetParameters, SetParameters.Request(parameters=list(parameters))).results

    def named() -> set[str]:
        return {one.results[0].hypothesis.class_id for one in heard[-1].detections} if heard else set()

    peer.until(lambda: named() == {"door", "table", "chair", "bottle"}, "all classes", every=show)
    assert change(strings("classes", "chair", "bottle"))[0].successful
    peer.until(lambda: named() == {"chair", "bottle"}, "two classes", every=show)
    assert change(strings("class_score_thresholds", "bottle=1.0"))[0].successful
    peer.until(lambda: named() == {"chair"}, "a threshold of its own", every=show)
    assert change(whole("max_detections", 2))[0].successful
    peer.until(lambda: len(heard[-1].detections) == 2, "the best two", every=show)
    assert change(text("region", "600,400 640,400 640,480"))[0].successful
    peer.until(lambda: not heard[-1].detections, "none in the corner", every=show)

    for parameter, said in (
        (strings("classes", "mug"), "classes has 'mug', expected classes of this model: door, table, chair, bottle"),
        (strings("class_score_thresholds", "chair"), "class_score_thresholds has 'chair', expected a class and a score"),
        (text("region", "1,2"), "region has '1,2', expected at least three corners"),
    ):
        (result,) = change(parameter)
        assert not result.successful and said in result.reason


@pytest.mark.slow
def test_a_class_that_the_model_lacks_fails_configure(peer, start_node) -> None:
    node = start_node("-p", "classes:=[mug]")
    assert node.end() == 1
    node.stop()
    assert "classes has 'mug', expected classes of this model: door, table, chair, bottle" in node.log
