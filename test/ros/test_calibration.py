# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from mtl_perception.geometry import Intrinsics
from mtl_perception.ros.calibration import calibrate, read_intrinsics, write_camera_info


def info(width=640, height=480, fx=500.0, fy=510.0, cx=319.5, cy=239.5, **rest) -> CameraInfo:
    return CameraInfo(width=width, height=height, k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0], **rest)


def test_k_for_raw_images_and_p_for_rectified_ones():
    both = info(p=[400.0, 0.0, 310.0, 0.0, 0.0, 405.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    assert read_intrinsics(both, 640, 480, rectified=False) == Intrinsics(
        640, 480, 500.0, 510.0, 319.5, 239.5
    )
    assert read_intrinsics(both, 640, 480, rectified=True) == Intrinsics(640, 480, 400.0, 405.0, 310.0, 230.0)


def test_an_image_of_half_the_size_has_half_the_focal_length():
    half = read_intrinsics(info(binning_x=2, binning_y=2), 320, 240, rectified=False)
    assert half == Intrinsics(320, 240, 250.0, 255.0, 159.5, 119.5)


def test_a_region_moves_the_principal_point():
    region = info(roi=RegionOfInterest(x_offset=100, y_offset=50, width=200, height=100))
    assert read_intrinsics(region, 200, 100, rectified=False) == Intrinsics(
        200, 100, 500.0, 510.0, 219.5, 189.5
    )


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (info(fx=0.0), "fx is 0.0, expected a positive number"),
        (info(fy=math.nan), "fy is nan"),
        (info(cx=math.nan), "cx is nan"),
        (info(fx=-1.0), "fx is -1.0"),
        (info(width=0), "width is 0"),
        (CameraInfo(), "width is 0"),
        (info(width=640, height=640), "camera_info is for 640x640 pixels and the image has 640x480"),
    ],
)
def test_bad_camera_info_is_named(bad, words):
    with pytest.raises(ValueError, match=words):
        read_intrinsics(bad, 640, 480, rectified=False)


P = [400.0, 0.0, 310.0, 0.0, 0.0, 405.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
BENT = {"distortion_model": "plumb_bob", "d": [-0.3, 0.1, 0.0, 0.0, 0.0]}


def test_a_lens_without_distortion_needs_nothing():
    straight = calibrate(info(distortion_model="plumb_bob", d=[0.0] * 5, p=P), 640, 480, rectified=False, rectify=True)
    assert (straight.intrinsics.fx, straight.rectify, straight.warning) == (500.0, None, "")


def test_distortion_is_corrected_if_asked_for():
    """The rectified image is P's, also at half the size and where the driver leaves P and R empty."""
    whole = calibrate(info(p=P, **BENT), 640, 480, rectified=False, rectify=True)
    assert (whole.intrinsics, whole.warning) == (Intrinsics(640, 480, 400.0, 405.0, 310.0, 230.0), "")
    assert whole.rectify(np.zeros((480, 640, 3), np.uint8)).shape == (480, 640, 3)
    half = calibrate(info(p=P, **BENT), 320, 240, rectified=False, rectify=True)
    assert half.intrinsics.fx == 200.0
    assert half.rectify(np.zeros((240, 320, 3), np.uint8)).shape == (240, 320, 3)
    incomplete = calibrate(info(**BENT), 640, 480, rectified=False, rectify=True)
    assert incomplete.intrinsics.fx == 500.0 and incomplete.rectify is not None


def test_distortion_that_is_seen_and_not_corrected_is_named():
    bent = calibrate(info(p=P, **BENT), 640, 480, rectified=False, rectify=False)
    assert bent.rectify is None and bent.intrinsics.fx == 500.0
    assert "set rectify to true" in bent.warning and "% of the image's width" in bent.warning
    hardly = calibrate(info(distortion_model="plumb_bob", d=[-0.01, 0.0, 0.0, 0.0, 0.0]), 640, 480, rectified=False, rectify=False)
    assert hardly.warning == ""
    assert calibrate(info(p=P, **BENT), 640, 480, rectified=True, rectify=True).warning == ""


@pytest.mark.parametrize("rectify", [True, False])
def test_a_lens_that_nobody_knows_is_named_and_taken_as_it_is(rectify):
    unknown = calibrate(info(distortion_model="mirror", d=[0.2]), 640, 480, rectified=False, rectify=rectify)
    assert unknown.intrinsics.fx == 500.0 and unknown.rectify is None
    assert "distortion_model is 'mirror', expected one of plumb_bob" in unknown.warning


def test_written_camera_info_reads_back_by_k_and_by_p():
    intrinsics = Intrinsics(640, 480, 500.0, 510.0, 319.5, 239.5)
    written = write_camera_info(intrinsics, Header(frame_id="camera"))
    assert written.header.frame_id == "camera"
    for rectified in (False, True):
        assert read_intrinsics(written, 640, 480, rectified=rectified) == intrinsics
