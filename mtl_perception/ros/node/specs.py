# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node, with its default, range and meaning. config/robot.yaml says the same to users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from mtl_perception.core.image_files import AUTO
from mtl_perception.core.image_messages import BAYER_ENCODINGS, InputSettings
from mtl_perception.core.scene import AGNOSTIC_NMS_IOU, SCORE_THRESHOLD
from mtl_perception.pipeline.options import DEPTH_SOURCES
from mtl_perception.ros.node.video import VIDEO_TRANSPORTS

ALL_TASKS = "all"


@dataclass(frozen=True)
class Spec:
    """One parameter. Only those with ``at_run_time`` can change once the node has started.

    One with ``choices`` and a range is one of these words, or a whole number of the range.
    """

    name: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    at_run_time: bool = False

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(description=self.description, read_only=not self.at_run_time)
        if self.choices:
            descriptor.additional_constraints = "one of " + ", ".join(self.choices)
            if self.low is not None:
                descriptor.additional_constraints = f"{' or '.join(self.choices)}, or {self.low} to {self.high}"
                descriptor.dynamic_typing = True
        elif isinstance(self.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=self.low, to_value=self.high)]
        elif isinstance(self.default, int) and not isinstance(self.default, bool):
            descriptor.integer_range = [IntegerRange(from_value=self.low, to_value=self.high, step=1)]
        return descriptor

    def has_number(self, value: Any) -> bool:
        """Whether ``value`` is a whole number of the range that stands beside the choices."""
        return self.low is not None and self.high is not None and type(value) is int and self.low <= value <= self.high


SPECS = (
    Spec("model", "lite", "name of a shipped model, or path of a checkpoint (.safetensors) or of an exported one (.onnx)"),
    Spec("device", "auto", "where the network runs: auto, cpu, cuda, cuda:0, ..."),
    Spec(
        "precision",
        "auto",
        "number format of the network",
        choices=("auto", "float32", "float16", "bfloat16"),
    ),
    Spec(
        "backend",
        "auto",
        "what runs the network: auto for the quickest that is installed",
        choices=("auto", "torch", "openvino", "onnxruntime", "tensorrt"),
    ),
    Spec("compile", False, "let PyTorch compile the network: a slow start, then quicker frames"),
    Spec("cameras", [], "names of several cameras, each with topics under ~/<name>/; empty for one on ~/image"),
    Spec(
        "transport",
        "raw",
        "subscribe to ~/image (raw), ~/image/compressed, or to video on ~/image/ffmpeg, ~/image/foxglove or ~/image/theora",
        choices=("raw", "compressed", *VIDEO_TRANSPORTS),
    ),
    Spec("rectified", False, "the image is rectified: use P of camera_info instead of K"),
    Spec("rectify", False, "correct the lens's distortion as camera_info says; outputs then fit the corrected image"),
    Spec(
        "input.reliability",
        "best_effort",
        "QoS of image and camera_info",
        choices=("best_effort", "reliable"),
    ),
    Spec("input.depth", 1, "QoS history depth of image and camera_info, in messages", low=1, high=100),
    Spec(
        "input.max_pixels", InputSettings.max_pixels, "images with more pixels are rejected before they are decoded", low=1, high=80_000_000
    ),
    Spec(
        "input.corrupt_jpeg",
        InputSettings.corrupt_jpeg,
        "JPEGs whose data contradict themselves: reject them, or accept, count and name them",
        choices=("reject", "accept"),
    ),
    Spec(
        "input.mono16_max",
        InputSettings.mono16_max,
        "value of a 16-bit image (mono16, 16UC1, bayer_*16, PNG) that is white, 4095 for a camera of 12 bits; auto: the brightest 0.5 % are",
        choices=(AUTO,),
        low=1,
        high=65535,
    ),
    Spec(
        "input.encoding_8uc1",
        InputSettings.encoding_8uc1,
        "what images with the encoding 8UC1 hold",
        choices=("mono8", *BAYER_ENCODINGS),
    ),
    Spec("input.encoding_8uc3", InputSettings.encoding_8uc3, "what images with the encoding 8UC3 hold", choices=("bgr8", "rgb8")),
    Spec("output.reliability", "reliable", "QoS of the outputs", choices=("best_effort", "reliable")),
    Spec("output.depth", 1, "QoS history depth of the outputs, in messages", low=1, high=100),
    Spec(
        "depth.encoding",
        "32FC1",
        "metres as float, NaN invalid; or millimetres as integer, 0 invalid",
        choices=("32FC1", "16UC1"),
    ),
    Spec(
        "depth.source",
        "network",
        "what depth is made of: the network's, what a sensor measured (~/depth/image), or both",
        choices=DEPTH_SOURCES,
    ),
    Spec("depth.transport", "raw", "subscribe to ~/depth/image (raw) or ~/depth/image/compressedDepth", choices=("raw", "compressedDepth")),
    Spec("depth.tolerance", 0.02, "seconds by which stamps of image and measured depth may differ", low=0.0, high=1.0),
    Spec("depth.wait", 0.0, "seconds to wait for measured depth that comes after its image", low=0.0, high=1.0),
    Spec(
        "depth.scale",
        "none",
        "what tells the factor by which the network's depth is off: the floor, from the camera's height; the laser on ~/scan; usual sizes of objects",
        choices=("none", "floor", "scan", "sizes"),
    ),
    Spec("depth.ground_frame", "base_footprint", "frame on the floor, for depth.scale: floor and free_space"),
    Spec("stride", 1, "mask, confidence and points hold every n-th pixel of a row and column", low=1, high=64),
    Spec("points.max_range", 0.0, "metres from the camera beyond which points are NaN; 0 for no limit", low=0.0, high=1000.0),
    Spec("points.min_confidence", 0.0, "points of pixels whose class is less probable are NaN", low=0.0, high=1.0),
    Spec(
        "points.max_uncertainty",
        0.0,
        "points whose depth has a larger relative standard deviation are NaN; 0 for no limit",
        low=0.0,
        high=10.0,
    ),
    Spec("points.remove_classes", [], "segmentation classes without points, such as floor"),
    Spec("free_space.cell", 0.05, "side of the floor's cells in free_space, metres", low=0.01, high=1.0),
    Spec("free_space.max_range", 5.0, "metres from the camera's foot beyond which no floor is reported free", low=1.0, high=50.0),
    Spec("free_space.min_height", 0.1, "what is lower than this, in metres above the floor, is no obstacle", low=0.01, high=0.5),
    Spec("free_space.max_height", 2.0, "what is higher than this, in metres above the floor, is no obstacle", low=0.6, high=10.0),
    Spec("detections_3d.flat_classes", ["door", "window"], "objects without depth of their own; 3D boxes leave them as they look"),
    Spec("output_frame", "", "frame of 3D boxes, tracks and points, such as base_link; empty for the camera's"),
    Spec("fixed_frame", "odom", "frame that stands still, with z up: what tracks move in; empty if the camera does"),
    Spec("transform_timeout", 0.1, "seconds to wait for the transform of an image's stamp", low=0.0, high=5.0),
    Spec("tracking.enabled", False, "follow objects over time: ids in detections, and ~/tracks"),
    Spec(
        "tracking.low_score",
        0.1,
        "detections from this score on, though not published below score_threshold, continue tracks",
        low=0.0,
        high=1.0,
        at_run_time=True,
    ),
    Spec(
        "tracking.begin_score",
        0.4,
        "published detections from this score on begin tracks, weaker ones only where somebody is remembered who looks like that",
        low=0.0,
        high=1.0,
        at_run_time=True,
    ),
    Spec("tracking.confirm_hits", 2, "successive frames in which a new object must be seen to get an id", low=1, high=100),
    Spec("tracking.keep", 3.0, "seconds for which an object out of sight is followed", low=0.1, high=60.0),
    Spec(
        "tracking.gallery_s",
        300.0,
        "seconds for which the place of an object at rest is remembered in fixed_frame: what comes back there has the old id; 0 for never",
        low=0.0,
        high=86400.0,
    ),
    Spec(
        "tracking.appearance",
        0.8,
        "how much it counts that two objects differ in colours: the cost of wholly different ones, where 1 is the limit; 0: nothing",
        low=0.0,
        high=10.0,
        at_run_time=True,
    ),
    Spec(
        "memory_headroom",
        4.0,
        "GB by which the process may grow once it is configured: no message can fill the machine; 0 for no limit",
        low=0.0,
        high=1000.0,
    ),
    Spec("autostart", True, "configure and activate at start; false where a lifecycle manager does it"),
    Spec(
        "tasks",
        [ALL_TASKS],
        "heads that may run: detection, segmentation, depth, ...; all for every one of the model",
        at_run_time=True,
    ),
    Spec(
        "score_threshold",
        SCORE_THRESHOLD,
        "detections below this score are left out",
        low=0.0,
        high=1.0,
        at_run_time=True,
    ),
    Spec(
        "agnostic_nms_iou",
        AGNOSTIC_NMS_IOU,
        "of two boxes that overlap more the weaker is left out, whatever their classes; 1 for never",
        low=0.0,
        high=1.0,
        at_run_time=True,
    ),
    Spec("classes", [], "classes whose detections are published; empty for all of the model's", at_run_time=True),
    Spec(
        "class_score_thresholds",
        [],
        "least scores of classes that are not to have score_threshold: cup=0.5",
        at_run_time=True,
    ),
    Spec("max_detections", 0, "the best so many detections of an image are published; 0 for all", low=0, high=10_000, at_run_time=True),
    Spec("min_box_side", 0.0, "detections whose box has a shorter side, in pixels, are left out", low=0.0, high=10_000.0, at_run_time=True),
    Spec(
        "region",
        "",
        "polygon in pixels of the image in which a detection's centre must lie: '0,240 640,240 640,480 0,480'; empty for anywhere",
        at_run_time=True,
    ),
    Spec(
        "max_frame_age",
        0.0,
        "frames older than this many seconds are discarded; 0 for never",
        low=0.0,
        high=3600.0,
        at_run_time=True,
    ),
)


PER_CAMERA = (
    "transport",
    "rectified",
    "rectify",
    *(spec.name for spec in SPECS if spec.name.startswith("input.")),
    "depth.source",
    "depth.transport",
    "depth.tolerance",
    "depth.wait",
    "depth.scale",
    "region",
)
"""Each of these is also declared as <camera>.<name> for every one of several cameras, with the general value as default."""

FRAMES = ("output_frame", "fixed_frame", "depth.ground_frame")
"""Their values are names of TF frames."""
