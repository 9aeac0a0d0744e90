# SPDX-License-Identifier: Apache-2.0
"""Messages for Foxglove, read back by their own schemas."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("foxglove", reason="pip install 'mtl-perception[foxglove]'")

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from mtl_perception.core.drawing import colorize_depth
from mtl_perception.ros.foxglove import schemas as foxglove

HEADER = SimpleNamespace(stamp=SimpleNamespace(sec=5, nanosec=250_000_000), frame_id="camera")


def read(message):
    schema, pool = type(message).get_schema(), DescriptorPool()
    for file in FileDescriptorSet.FromString(schema.data).file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(schema.name)).FromString(message.encode())


def marker(number: int, kind: int, *, action: int = 0, **values):
    zero = SimpleNamespace(x=0.0, y=0.0, z=0.0)
    plain = {
        "pose": SimpleNamespace(position=zero, orientation=SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)),
        "scale": SimpleNamespace(x=0.02, y=0.0, z=0.08),
        "color": SimpleNamespace(r=1.0, g=0.5, b=0.25, a=0.4),
        "points": [],
        "text": "",
    }
    return SimpleNamespace(header=HEADER, ns="n", id=number, type=kind, action=action, **plain | values)


def test_what_is_gone_is_deleted_and_trails_are_lines():
    way = [SimpleNamespace(x=float(step), y=0.0, z=1.0) for step in range(3)]
    said = [marker(0, 0, action=3), marker(1, 4, points=way), marker(2, 9, text="cup 0.90 #4"), marker(3, 1)]
    update = read(foxglove.scene_update(SimpleNamespace(markers=said)))
    assert [one.type for one in update.deletions] == [1]  # ALL
    trail, label, cube = update.entities
    assert [point.x for point in trail.lines[0].points] == [0, 1, 2] and trail.lines[0].thickness == 0.02
    assert (trail.id, trail.frame_id, trail.timestamp.seconds) == ("n/1", "camera", 5)
    assert label.texts[0].text == "cup 0.90 #4" and label.texts[0].billboard and label.texts[0].font_size == 0.08
    assert (cube.cubes[0].color.g, cube.cubes[0].color.a) == (0.5, 0.4)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_depth_is_coloured_alike_in_both_encodings(encoding):
    depth_m = np.tile(np.linspace(0.5, 5.0, 64, dtype=np.float32), (48, 1))
    pixels = depth_m if encoding == "32FC1" else (depth_m * 1000).round().astype(np.uint16)
    message = SimpleNamespace(header=HEADER, height=48, width=64, encoding=encoding, data=pixels.tobytes())
    shown = read(foxglove.depth_picture(message))
    picture = cv2.imdecode(np.frombuffer(shown.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    expected = colorize_depth(depth_m, foxglove.NEAR_M, foxglove.FAR_M)
    assert np.abs(picture.astype(int) - expected).mean() < 12  # JPEG


def decoded(shown) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(shown.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_where_depth_is_from_has_a_colour_each():
    source = np.array([[0, 1, 2, 9]] * 2, np.uint8)
    message = SimpleNamespace(header=HEADER, height=2, width=4, step=4, data=source.tobytes())
    picture = decoded(read(foxglove.source_picture(message)))
    np.testing.assert_array_equal(picture[0], [[0, 0, 0], [70, 110, 220], [60, 200, 90], [255, 255, 255]])


def test_each_object_has_a_colour():
    ids = np.array([[0, 1, 2, 2]] * 2, "<u2")
    message = SimpleNamespace(header=HEADER, height=2, width=4, data=ids.tobytes())
    picture = decoded(read(foxglove.instances_picture(message)))
    assert len(np.unique(picture[0], axis=0)) == 3 and (picture[0, 2] == picture[0, 3]).all()


def test_each_object_has_a_line_around_it():
    """Of what its runs say, column by column."""
    square = SimpleNamespace(id="3", class_id="box", counts=[2 * 6 + 1, 3, 3, 3, 3, 3, 48 - 28])
    message = SimpleNamespace(header=HEADER, width=8, height=6, instances=[square, SimpleNamespace(id="", class_id="can", counts=[48])])
    (line,) = read(foxglove.outlines(message)).points
    assert {(point.x, point.y) for point in line.points} == {(2, 1), (4, 1), (4, 3), (2, 3)}
    assert [(one.key, one.value) for one in line.metadata] == [("class", "box"), ("id", "3")]
    with pytest.raises(ValueError, match="expected 7x6"):
        foxglove.outlines(SimpleNamespace(header=HEADER, width=7, height=6, instances=[square]))


def test_normals_are_directions_as_colours():
    vectors = np.zeros((32, 64, 3), np.float32)
    vectors[:, :32, 2], vectors[:16, 32:, 0], vectors[16:, 32:] = -1, 1, np.nan
    message = SimpleNamespace(header=HEADER, height=32, width=64, data=vectors.tobytes())
    picture = decoded(read(foxglove.normals_picture(message))).astype(int)
    for place, color in (((8, 8), (128, 128, 255)), ((8, 48), (255, 128, 128)), ((28, 48), (0, 0, 0))):
        assert np.abs(picture[place] - color).max() < 12, place  # JPEG


def test_a_png_stays_one():
    data = bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1])
    shown = read(foxglove.compressed_picture(SimpleNamespace(header=HEADER, data=data)))
    assert (shown.format, shown.data, shown.timestamp.nanos) == ("png", data, 250_000_000)


@pytest.mark.parametrize(("most", "stride"), [(10**6, 1), (48 * 64 // 4, 2), (48 * 64 // 5, 3), (1, 56)])
def test_a_cloud_becomes_an_even_grid_of_what_is_known(most, stride):
    packed = np.zeros((48, 64), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("label", "<u4")])
    packed["z"], packed["rgb"] = 2.0, 0x112233
    packed["z"][:, ::2] = np.nan
    fields = [SimpleNamespace(name=name, offset=packed.dtype.fields[name][1]) for name in packed.dtype.names]
    cloud = SimpleNamespace(header=HEADER, height=48, width=64, point_step=20, fields=fields, data=packed.tobytes())
    shown = read(foxglove.point_cloud(cloud, most))
    points = np.frombuffer(shown.data, [("xyz", "<f4", 3), ("bgra", "u1", 4)])
    expected = packed["z"][stride // 2 :: stride, stride // 2 :: stride]
    assert len(points) == np.isfinite(expected).sum() and expected.size <= most
    assert (points["xyz"][:, 2] == 2.0).all() and (points["bgra"] == [0x33, 0x22, 0x11, 255]).all()


def test_a_cloud_without_colours_is_green():
    values = np.arange(30, dtype=np.float32).reshape(10, 3)
    fields = [SimpleNamespace(name=axis, offset=4 * number) for number, axis in enumerate("xyz")]
    cloud = SimpleNamespace(header=HEADER, height=1, width=10, point_step=12, fields=fields, data=values.tobytes())
    for most, expected in ((10, values), (5, values[::2]), (4, values[::3])):
        points = np.frombuffer(read(foxglove.point_cloud(cloud, most)).data, [("xyz", "<f4", 3), ("bgra", "u1", 4)])
        np.testing.assert_array_equal(points["xyz"], expected)
        assert (points["bgra"] == [0x5A, 0xC8, 0x28, 255]).all()
