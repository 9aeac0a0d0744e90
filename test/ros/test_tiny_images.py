# SPDX-License-Identifier: Apache-2.0
"""Images of a pixel or a row, through every output of a running node."""

import numpy as np
import pytest
from peer import camera_info, image
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from mtl_perception.msg import PerceptionStatus, TrackArray

pytestmark = pytest.mark.slow
OUTPUTS = {
    "overlay": Image,
    "segmentation/mask": Image,
    "segmentation/confidence": Image,
    "depth/image_rect": Image,
    "depth/camera_info": CameraInfo,
    "points": PointCloud2,
    "detections": Detection2DArray,
    "detections_3d": Detection3DArray,
    "markers": MarkerArray,
    "tracks": TrackArray,
    "status": PerceptionStatus,
}


@pytest.fixture(scope="module", params=[1, 3])
def node(request, peer, start_shared_node):
    """With a stride that is larger than some of the images, too."""
    node = start_shared_node("-p", f"stride:={request.param}", "-p", "tracking.enabled:=true")
    node.heard = {topic: peer.subscribe(f"{node.name}/{topic}", kind) for topic, kind in OUTPUTS.items()}
    return node


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 2), (2, 2), (640, 1), (1, 480)])
def test_every_output_of_a_tiny_image(peer, node, width, height):
    pixels = np.full((height, width, 3), 90, np.uint8)
    fits = lambda: [one for one in node.heard["overlay"] if (one.width, one.height) == (width, height)]  # noqa: E731

    def show():
        peer.publish(f"{node.name}/camera_info", camera_info(width, height, fx=float(max(width, height))))
        peer.publish(f"{node.name}/image", image(pixels))

    peer.until(fits, "an overlay of this size", every=show)
    for messages in node.heard.values():
        messages.clear()
    peer.until(lambda: fits() and all(node.heard.values()), "all outputs", every=show)
    assert node.heard["status"][-1].frames_rejected == 0
    assert "failed" not in peer.told(node.name, "model").message
