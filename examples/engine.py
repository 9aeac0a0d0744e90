# SPDX-License-Identifier: Apache-2.0
"""Boxes, classes and metres of one picture: ``scripts/run python examples/engine.py PICTURE [MODEL]``."""

import sys

import cv2

from mtl_perception.inference import Engine

picture, model = [*sys.argv[1:], "models/lite.safetensors"][:2]
engine = Engine.load(model)  # on the GPU if there is one
image_rgb = cv2.cvtColor(cv2.imread(picture), cv2.COLOR_BGR2RGB)
scene = engine(image_rgb)  # give the camera's intrinsics too where they are known: without, depth is right up to a factor

for box, score, class_id in zip(scene.detections.boxes_xyxy, scene.detections.scores, scene.detections.class_ids, strict=True):
    print(f"{engine.card.detection_labels[class_id]} {score:.2f} at {box.round().astype(int).tolist()}")
print("mask", scene.segmentation.mask.shape, "depth in metres", scene.depth.depth_m.shape, "nearest", scene.depth.depth_m.min())
