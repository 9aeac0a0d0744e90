# SPDX-License-Identifier: Apache-2.0
"""What we write, ROS reads as the message meant; what ROS writes, we read."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from mtl_perception.core.image_messages import ConversionError
from mtl_perception.core.scene import Detections
from mtl_perception.ros.cdr import (
    Stamp,
    pack_header,
    read_camera_info,
    read_compressed_image,
    read_image,
    read_transforms,
)
from mtl_perception.ros.outputs.detections import write_detections
from mtl_perception.ros.outputs.images import ImageWriter

# Lengths of strings decide the alignment of everything behind them.
NAMES = ["", "a", "ab", "abc", "abcd", "camera_färbe"]


def header(frame_id: str) -> Header:
    return Header(stamp=Time(sec=-7, nanosec=999_999_999), frame_id=frame_id)


@pytest.mark.parametrize("frame_id", NAMES)
@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "bayer_rggb8", "16UC1"])
def test_reads_the_image_that_ros_wrote(frame_id, encoding):
    message = Image(
        header=header(frame_id),
        height=2,
        width=3,
        encoding=encoding,
        is_bigendian=1,
        step=11,
        data=list(range(22)),
    )
    view = read_image(serialize_message(message))
    assert (view.stamp.sec, view.stamp.nanosec, view.frame_id) == (-7, 999_999_999, frame_id)
    assert (view.height, view.width, view.encoding, view.is_bigendian, view.step) == (2, 3, encoding, 1, 11)
    assert bytes(view.data) == bytes(range(22))


@pytest.mark.parametrize("frame_id", NAMES)
def test_reads_the_compressed_image_that_ros_wrote(frame_id):
    view = read_compressed_image(serialize_message(CompressedImage(header=header(frame_id), format="rgb8; jpeg", data=[1, 2, 3])))
    assert (view.stamp.nanoseconds, view.frame_id, view.format) == (
        -7_000_000_000 + 999_999_999,
        frame_id,
        "rgb8; jpeg",
    )
    assert bytes(view.data) == b"\1\2\3"


@pytest.mark.parametrize("frame_id", NAMES)
@pytest.mark.parametrize(("model", "count"), [("", 0), ("plumb_bob", 5), ("equidistant", 4), ("rational_polynomial", 14)])
def test_reads_the_camera_info_that_ros_wrote(frame_id, model, count):
    message = CameraInfo(
        header=header(frame_id),
        height=480,
        width=640,
        distortion_model=model,
        d=[0.5 + one for one in range(count)],
        k=[float(one) for one in range(9)],
        r=[10.0 + one for one in range(9)],
        p=[20.0 + one for one in range(12)],
        binning_x=2,
        binning_y=3,
        roi=RegionOfInterest(x_offset=1, y_offset=2, height=3, width=4, do_rectify=True),
    )
    view = read_camera_info(serialize_message(message))
    assert (view.stamp, view.frame_id) == (Stamp(-7, 999_999_999), frame_id)
    for name in ("height", "width", "distortion_model", "binning_x", "binning_y"):
        assert getattr(view, name) == getattr(message, name)
    for name in ("d", "k", "r", "p"):
        assert list(getattr(view, name)) == list(getattr(message, name)), name
    for name in ("x_offset", "y_offset", "height", "width"):
        assert getattr(view.roi, name) == getattr(message.roi, name)


def test_a_camera_info_of_absurd_size_is_named():
    whole = serialize_message(CameraInfo(header=header("a"), d=[0.0] * 15))
    with pytest.raises(ConversionError, match="15 distortion coefficients, expected at most 14"):
        read_camera_info(whole)
    for size in (4, 20, len(whole) // 2):
        with pytest.raises(ConversionError):
            read_camera_info(whole[:size])


@pytest.mark.parametrize("frame_id", ["x" * 256, "x" * 5_000_000, "two\nlines", "\x1b[31m"])
@pytest.mark.parametrize(
    ("make", "read"),
    [(Image, read_image), (CompressedImage, read_compressed_image), (CameraInfo, read_camera_info)],
)
def test_a_frame_id_that_is_none_is_named_and_cut(make, read, frame_id):
    with pytest.raises(ConversionError, match="frame_id is .*, expected at most 255 characters that print") as caught:
        read(serialize_message(make(header=header(frame_id))))
    assert len(str(caught.value)) < 250 and str(caught.value).isprintable()


def test_reads_a_big_endian_message():
    little = serialize_message(Image(height=1, width=1, encoding="mono8", step=1, data=[9]))
    body = little[4:]
    words = [body[0:4], body[4:8], body[8:12]]  # stamp, and the length of frame_id
    big = b"\0\0\0\0" + b"".join(word[::-1] for word in words) + body[12:16]
    big += b"".join(body[at : at + 4][::-1] for at in (16, 20, 24)) + body[28:36]  # sizes, length of encoding; encoding, is_bigendian
    big += b"".join(body[at : at + 4][::-1] for at in (36, 40)) + body[44:45]
    view = read_image(big)
    assert (view.height, view.width, view.encoding, view.step, bytes(view.data)) == (
        1,
        1,
        "mono8",
        1,
        b"\x09",
    )


def test_every_shortened_message_is_named():
    whole = serialize_message(Image(header=header("camera"), height=1, width=2, encoding="rgb8", step=6, data=[0] * 6))
    for size in range(len(whole)):
        with pytest.raises(ConversionError, match="message (ends|starts)"):
            read_image(whole[:size])


def test_foreign_encapsulation_is_named():
    with pytest.raises(ConversionError, match="00 07 00 00, expected .* plain CDR"):
        read_image(bytes.fromhex("00070000") + bytes(100))


def sent(message: Image) -> Image:
    """As its reader gets it."""
    return deserialize_message(serialize_message(message), Image)


@pytest.mark.parametrize("frame_id", NAMES)
@pytest.mark.parametrize(
    ("encoding", "dtype", "channels"),
    [("mono8", np.uint8, 1), ("32FC1", np.float32, 1), ("16UC1", np.uint16, 1), ("rgb8", np.uint8, 3)],
)
def test_ros_reads_the_image_that_we_wrote(frame_id, encoding, dtype, channels):
    pixels = np.arange(5 * 7 * channels).reshape((5, 7, channels) if channels > 1 else (5, 7)).astype(dtype)
    message = sent(ImageWriter(None).image(header(frame_id), encoding, pixels))
    assert message.header == header(frame_id)
    assert (message.height, message.width, message.encoding, message.is_bigendian) == (5, 7, encoding, 0)
    assert message.step == 7 * channels * pixels.itemsize
    assert message.data.tobytes() == pixels.tobytes()


def test_pixels_with_gaps_are_written_without():
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)[::2, 1:6]
    message = sent(ImageWriter(None).image(header("a"), "mono8", pixels))
    assert (message.height, message.width, message.step) == (3, 5, 5)
    assert message.data.tobytes() == pixels.tobytes()


def test_a_message_is_filled_again_for_images_of_another_size():
    writer = ImageWriter(None)
    large, small = np.full((6, 8, 3), 7, np.uint8), np.full((2, 3), 1.5, np.float32)
    assert sent(writer.image(header("a"), "rgb8", large)).data.tobytes() == large.tobytes()
    message = sent(writer.image(header("b"), "32FC1", small))
    assert (message.header.frame_id, message.encoding, message.step) == ("b", "32FC1", 12)
    assert message.data.tobytes() == small.tobytes()


@pytest.mark.parametrize("frame_id", NAMES)
@pytest.mark.parametrize("count", [0, 1, 5])
def test_ros_reads_the_detections_that_we_wrote(frame_id, count):
    boxes_xyxy = np.float32([[10, 20, 30, 60], [0, 0, 640, 480], [1.5, 2.5, 3, 4], [5, 5, 6, 6], [0.25, 0, 1, 1]])[:count]
    class_ids = np.array([1, 2, 3, 4, 5])[:count]
    scores = np.float32([0.5, 0.25, 1, 0, 0.125])[:count]
    message = deserialize_message(
        write_detections(pack_header(header(frame_id)), Detections(boxes_xyxy, scores, class_ids), NAMES),
        Detection2DArray,
    )

    expected = Detection2DArray(header=header(frame_id))
    for (x1, y1, x2, y2), score, class_id in zip(boxes_xyxy.tolist(), scores.tolist(), class_ids):
        one = Detection2D(header=header(frame_id), results=[ObjectHypothesisWithPose()])
        one.results[0].hypothesis.class_id, one.results[0].hypothesis.score = NAMES[class_id], score
        one.bbox.center.position.x, one.bbox.center.position.y = (x1 + x2) / 2, (y1 + y2) / 2
        one.bbox.size_x, one.bbox.size_y = x2 - x1, y2 - y1
        expected.detections.append(one)
    assert message == expected


@pytest.mark.parametrize("frame_id", NAMES)
def test_ros_reads_the_ids_that_we_wrote(frame_id):
    ids = ["7", "", "1234", "123", "98765"]
    found = Detections(np.zeros((5, 4), np.float32), np.full(5, 0.5, np.float32), np.arange(5))
    message = deserialize_message(write_detections(pack_header(header(frame_id)), found, NAMES, ids), Detection2DArray)
    assert [one.id for one in message.detections] == ids
    assert [one.results[0].hypothesis.class_id for one in message.detections] == NAMES[:5]


@pytest.mark.parametrize("child", ["base_link", "b", "", "lidar_3"])
def test_transforms_are_read_as_they_were_written(child):
    one = TransformStamped(child_frame_id=child, header=Header(frame_id="odom", stamp=Time(sec=7, nanosec=8)))
    one.transform.translation.x, one.transform.translation.z = 1.5, -2.5
    one.transform.rotation.w, one.transform.rotation.y = 0.8, 0.6
    serialised = serialize_message(TFMessage(transforms=[one, one, one]))
    read = list(read_transforms(serialised))
    assert read == [(Stamp(7, 8), "odom", child, (1.5, 0.0, -2.5, 0.0, 0.6, 0.0, 0.8))] * 3
    with pytest.raises(ConversionError, match="message ends after"):
        list(read_transforms(serialised[:-8]))
