# SPDX-License-Identifier: Apache-2.0
import math
from types import SimpleNamespace

import numpy as np
import pytest

from mtl_perception.core.camera_info import calibrate, read_intrinsics
from mtl_perception.core.geometry import Intrinsics


def info(width=640, height=480, fx=500.0, fy=510.0, cx=319.5, cy=239.5, skew=0.0, **rest) -> SimpleNamespace:
    """The fields of a CameraInfo."""
    fields = {"distortion_model": "", "d": [], "r": [0.0] * 9, "p": [0.0] * 12, "roi": region()}
    k = [fx, skew, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    return SimpleNamespace(**(fields | {"width": width, "height": height, "k": k} | rest))


def region(x_offset=0, y_offset=0, width=0, height=0) -> SimpleNamespace:
    return SimpleNamespace(x_offset=x_offset, y_offset=y_offset, width=width, height=height)


def test_k_for_raw_images_and_p_for_rectified_ones():
    both = info(p=[400.0, 0.0, 310.0, 0.0, 0.0, 405.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    assert read_intrinsics(both, 640, 480, rectified=False) == Intrinsics(640, 480, 500.0, 510.0, 319.5, 239.5)
    assert read_intrinsics(both, 640, 480, rectified=True) == Intrinsics(640, 480, 400.0, 405.0, 310.0, 230.0)


def test_an_image_of_half_the_size_has_half_the_focal_length():
    half = read_intrinsics(info(binning_x=2, binning_y=2), 320, 240, rectified=False)
    assert half == Intrinsics(320, 240, 250.0, 255.0, 159.5, 119.5)


def test_a_region_moves_the_principal_point():
    cut_out = info(roi=region(x_offset=100, y_offset=50, width=200, height=100))
    assert read_intrinsics(cut_out, 200, 100, rectified=False) == Intrinsics(200, 100, 500.0, 510.0, 219.5, 189.5)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (info(fx=0.0), "fx is 0.0, expected a positive number"),
        (info(fy=math.nan), "fy is nan"),
        (info(cx=math.nan), "cx is nan"),
        (info(fx=-1.0), "fx is -1.0"),
        (info(width=0), "width is 0"),
        (info(0, 0, 0.0, 0.0, 0.0, 0.0), "width is 0"),
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


MATRIX = [500.0, 0.0, 319.5, 0.0, 500.0, 239.5, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("absurd", "words"),
    [
        (info(fx=1e-9, fy=1e-9), r"fx = 1e-09 and fy = 1e-09 at 640x480 pixels are a field of view of 180.0°, expected 5° to 175°"),
        (info(fx=1e9, fy=1e9), "fx = 1e[+]09 and fy = 1e[+]09 .* expected 5° to 175°"),
        (info(fx=1e300, fy=1e300), "a field of view of 0.0°"),
        (info(fx=1e-300, fy=1e-300), "a field of view of 180.0°"),
        (info(fx=0.8, fy=1.1, cx=0.5, cy=0.5), "expected 5° to 175°; are they in pixels"),
        (info(fx=250.0, fy=1.0), "expected"),
        (info(fx=250.0, fy=120.0), "fx = 250 is 2.08 times fy = 120, expected 0.5 to 2 times"),
        (info(fx=120.0, fy=250.0), "fx = 120 is 0.48 times fy = 250"),
        (info(cx=1e300), "cx = 1e[+]300 lies outside of an image of 640x480 pixels, expected -320 to 960"),
        (info(cx=-400.0), "cx = -400 lies outside"),
        (info(cy=2000.0), "cy = 2000 lies outside of an image of 640x480 pixels, expected -320 to 800"),
        (info(skew=30.0), "K has a skew of 30 beside fx = 500, expected 0"),
        (info(skew=math.nan), "K has a skew of nan"),
        (info(k=np.reshape(MATRIX, (3, 3)).T.ravel()), "expected rows of fx 0 cx, 0 fy cy and 0 0 1"),
        (info(k=[*MATRIX[:8], 1000.0]), "expected rows of fx 0 cx"),
        (info(k=[math.nan] * 9), "expected rows of fx 0 cx"),
        (info(roi=region(600, 0, 100, 100)), r"a region of 100x100 pixels at \(600, 0\) of a sensor of 640x480, expected one inside"),
        (info(roi=region(0, 0, 2**32 - 1, 2**32 - 1)), "expected one inside"),
    ],
)
def test_what_no_lens_has_is_refused_with_the_value_and_what_is_expected(absurd, words):
    with pytest.raises(ValueError, match=words):
        read_intrinsics(absurd, 640, 480, rectified=False)


@pytest.mark.parametrize(
    "real",
    [
        info(fx=200.0, fy=200.0),  # 116°
        info(fx=7000.0, fy=7000.0),  # 5.2°
        info(1280, 720, 14.0 * 64, 14.0 * 64, 639.5, 359.5),
        info(4096, 64, 3000.0, 3000.0, 2047.5, 31.5),  # a strip: little of the height is seen
        info(480, 640, fx=400.0, fy=400.0, cx=239.5, cy=319.5),
        info(skew=0.3),
        info(k=[*MATRIX[:8], 0.0]),  # a driver that fills in only what it knows
        info(640, 64, cy=-176.0),  # the last rows of a sensor, cut out by a driver that says nothing of it
    ],
)
def test_what_real_cameras_have_passes(real):
    found = read_intrinsics(real, real.width, real.height, rectified=False)
    assert (found.fx, found.fy, found.cx, found.cy) == (real.k[0], real.k[4], real.k[2], real.k[5])


def test_a_small_region_far_from_the_centre_is_fine():
    """Its own field of view and centre are no lens's, those of the sensor are."""
    corner = read_intrinsics(info(roi=region(600, 440, 40, 40)), 40, 40, rectified=False)
    assert (corner.fx, corner.cx, corner.cy) == (500.0, -280.5, -200.5)


def test_p_is_held_against_the_same_rules():
    absurd = [*P]
    absurd[0] = absurd[5] = 1e-6
    with pytest.raises(ValueError, match="expected 5° to 175°"):
        read_intrinsics(info(p=absurd), 640, 480, rectified=True)
    stereo = [*P]
    stereo[3] = -48.0  # the baseline
    assert read_intrinsics(info(p=stereo), 640, 480, rectified=True).fx == 400.0


@pytest.mark.parametrize("d", [[1e300, 0, 0, 0, 0], [-50.0, 3.0, 0, 0, 9.0], [1e-5, 1e30, 0, 0]])
@pytest.mark.parametrize("rectify", [True, False])
def test_distortion_that_no_lens_has_is_named_and_left_out(d, rectify):
    absurd = calibrate(info(distortion_model="plumb_bob", d=d), 640, 480, rectified=False, rectify=rectify)
    assert absurd.rectify is None and absurd.intrinsics.fx == 500.0
    assert "times the image's width, expected at most once" in absurd.warning


@pytest.mark.parametrize("r", [[1.0] * 9, [2.0, 0, 0, 0, 2.0, 0, 0, 0, 2.0], [-1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0], [1e300] * 9])
def test_a_rotation_that_is_none_is_named(r):
    turned = calibrate(info(p=P, r=r, **BENT), 640, 480, rectified=False, rectify=True)
    assert turned.rectify is None and "expected a rotation" in turned.warning
