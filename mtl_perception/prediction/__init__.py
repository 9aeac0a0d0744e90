# SPDX-License-Identifier: Apache-2.0
"""The network on pictures, films, cameras and bags, without ROS."""

from mtl_perception.prediction.camera import intrinsics_for
from mtl_perception.prediction.predictor import Prediction, Predictor, predict

__all__ = ["Prediction", "Predictor", "intrinsics_for", "predict"]
