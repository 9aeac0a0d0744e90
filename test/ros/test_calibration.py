# SPDX-License-Identifier: Apache-2.0
from std_msgs.msg import Header

from mtl_perception.core.camera_info import read_intrinsics
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.ros.outputs.calibration import write_camera_info


def test_written_camera_info_reads_back_by_k_and_by_p():
    intrinsics = Intrinsics(640, 480, 500.0, 510.0, 319.5, 239.5)
    written = write_camera_info(intrinsics, Header(frame_id="camera"))
    assert written.header.frame_id == "camera"
    for rectified in (False, True):
        assert read_intrinsics(written, 640, 480, rectified=rectified) == intrinsics
