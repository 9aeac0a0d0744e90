# SPDX-License-Identifier: Apache-2.0
"""Draws docs/spatial.jpg: the cloud and the 3D boxes of one image of the demo drive.

scripts/run python docs/draw_spatial.py bags/demo --at 15 --out docs/spatial.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from mtl_perception.bags import Bag
from mtl_perception.core.drawing import draw_overlay
from mtl_perception.core.files import write_atomically
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.resources import find_model
from mtl_perception.inference.engine import Engine
from mtl_perception.pipeline import PipelineOptions, published
from mtl_perception.simulation.drive import CAMERA_TILT_DEG
from mtl_perception.spatial.boxes_3d import BoxEstimator
from mtl_perception.spatial.picture import Viewpoint, draw_boxes, draw_cloud
from mtl_perception.spatial.points import PointFilter, PointProjector


def main() -> None:
    parser = argparse.ArgumentParser(description="Cloud and 3D boxes of one image of the demo drive, as a picture.")
    parser.add_argument("bag", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at", type=float, default=5.0, help="seconds into the drive")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--score", type=float, default=0.35)
    parser.add_argument("--uncertainty", type=float, default=0.4, help="largest of the points shown")
    options = parser.parse_args()
    engine = Engine.load(find_model(options.model))
    engine.score_threshold = options.score
    with Bag(options.bag) as bag:
        topic = bag.find_image()
        frames = bag.frames(topic, bag.find_camera_info(topic))
        first_ns, frame = None, None
        for frame in frames:
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            if frame.stamp_ns - first_ns >= options.at * 1e9:
                break
    scene = published(engine(frame.image_rgb, frame.intrinsics), PipelineOptions(score_threshold=options.score))
    card, tilt = engine.card, np.radians(CAMERA_TILT_DEG)
    up = np.array([0.0, -np.cos(tilt), -np.sin(tilt)])
    estimate = BoxEstimator(card.detection_labels, card.segmentation_labels, ("door", "window"))
    boxes = estimate(scene, frame.intrinsics, up)
    keep = PointFilter(max_range_m=6.0, max_relative_std=options.uncertainty)
    points = PointProjector(filter=keep)(scene.depth, frame.intrinsics, frame.image_rgb, scene.segmentation)
    names = [card.detection_labels[class_id] for class_id in scene.detections.class_ids]
    overlay = draw_overlay(frame.image_rgb, scene, card)
    target = 2.2 * (np.array([0.0, 0.0, 1.0]) - up[2] * up) - 0.9 * up
    pictures = [overlay]
    for eye in (np.array([-0.9, 0.0, -1.2]) + 0.9 * up, target + 4.6 * up + np.array([0.0, 0.0, -0.8])):
        view = Viewpoint(eye, target, up, Intrinsics(640, 480, 520.0, 520.0, 319.5, 239.5))
        canvas = draw_cloud(points, view)
        draw_boxes(canvas, boxes, names, view, is_level=True)
        pictures.append(canvas)
    _, content = cv2.imencode(".jpg", np.hstack(pictures)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    write_atomically(options.out, content.tobytes())  # imwrite would be silent on a full disk


if __name__ == "__main__":
    main()
