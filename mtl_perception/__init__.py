# SPDX-License-Identifier: Apache-2.0
"""Detections, segmentation and metric depth from one multi-task network, as a ROS 2 node."""

from pkgutil import extend_path

from mtl_perception._moved import allow_old_names

__version__ = "0.2.0"

# The generated messages (mtl_perception.msg) lie in the colcon install, these modules also in the source tree.
# Run from the source tree, the package is both folders.
__path__ = extend_path(__path__, __name__)
allow_old_names()


def __getattr__(name: str) -> object:
    """``mtl_perception.predict`` without paying for PyTorch where nobody asks for it."""
    if name == "predict":
        from mtl_perception.prediction import predict

        return predict
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
