# SPDX-License-Identifier: Apache-2.0
"""The network on pictures, films, cameras and bags, without ROS."""

from typing import TYPE_CHECKING, Any

from mtl_perception.prediction.camera import intrinsics_for

if TYPE_CHECKING:
    from mtl_perception.prediction.predictor import Prediction, Predictor, predict

__all__ = ["Prediction", "Predictor", "intrinsics_for", "predict"]


def __getattr__(name: str) -> Any:
    """Imports what needs PyTorch when it is first asked for: who labels by hand, or with another's network, does without."""
    if name in ("Prediction", "Predictor", "predict"):
        from mtl_perception.prediction import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
