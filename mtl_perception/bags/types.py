# SPDX-License-Identifier: Apache-2.0
"""Message types: how the bytes of a bag become objects."""

from __future__ import annotations

from functools import cache

from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mtl_perception.bags.storage import Definition

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
FFMPEG_PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
COMPRESSED_VIDEO = "foxglove_msgs/msg/CompressedVideo"
THEORA_PACKET = "theora_image_transport/msg/Packet"
VIDEO = (FFMPEG_PACKET, COMPRESSED_VIDEO, THEORA_PACKET)
CAMERAS = (IMAGE, COMPRESSED_IMAGE, *VIDEO)
"""Types of which a camera's images may be."""
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TRANSFORMS = "tf2_msgs/msg/TFMessage"

_LANGUAGES = ("ros2msg", "ros2idl", "omgidl")
_LONGEST_DEFINITION = 1_000_000
_IDL_RULE = "=" * 80 + "\n"

_VISION_MSGS = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": ("vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"),
    "Detection2D": ("std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox2D bbox\nstring id"),
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "Detection3D": ("std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox3D bbox\nstring id"),
    "Detection3DArray": "std_msgs/Header header\nvision_msgs/Detection3D[] detections",
    "VisionClass": "uint16 class_id\nstring class_name",
    "LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
}
"""Version 4.1, as in Jazzy: same fields, hence same bytes and type hashes."""


_VIDEO_MSGS = {
    FFMPEG_PACKET: (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\nbool is_bigendian\nuint8[] data"
    ),
    COMPRESSED_VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format",
    THEORA_PACKET: "std_msgs/Header header\nuint8[] data\nint32 b_o_s\nint32 e_o_s\nint64 granulepos\nint64 packetno",
}
"""As in Jazzy; bags of SQLite before Iron have no definitions of their own."""


@cache
def jazzy_with_vision_msgs() -> Typestore:
    """The message types of ROS 2 Jazzy, of vision_msgs those that results and ground truth are made of, and of video. One for all, since
    it compiles a type when it is first used: register nothing in it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in _VISION_MSGS.items():
        store.register(get_types_from_msg(definition, f"vision_msgs/msg/{name}"))
    for name, definition in _VIDEO_MSGS.items():
        store.register(get_types_from_msg(definition, name))
    return store


class BagTypes:
    """The types of a bag. Its own definitions go before those that this package knows; they are read when first needed, so
    that one that can't be understood harms nobody who does not ask for it.

    Args:
        definitions: type → its definition, where the bag has one.
    """

    def __init__(self, definitions: dict[str, Definition]) -> None:
        self._definitions = definitions
        self._known = jazzy_with_vision_msgs()
        self._stores: dict[str, Typestore] = {}

    def deserialize(self, data: bytes, kind: str) -> object:
        """Raises ValueError for a type that is not known or a definition that can't be used, and what rosbags raises for bytes
        that are no such message."""
        if kind not in self._stores:
            self._stores[kind] = self._store_of(kind)
        try:
            return self._stores[kind].deserialize_cdr(data, kind)
        except KeyError as error:
            raise ValueError(f"the bag's definition of this type lacks that of {error}") from error

    def _store_of(self, kind: str) -> Typestore:
        definition = self._definitions.get(kind)
        if definition is None or definition.language not in _LANGUAGES or not definition.text:
            if kind not in self._known.fielddefs:
                raise ValueError("the bag has no definition of this type in ros2msg or ros2idl")
            return self._known
        types = _parsed(kind, definition)
        known = {name: self._known.fielddefs[name][1] for name in types if name in self._known.fielddefs}
        if kind in known and all(known.get(name) == fields for name, (_, fields) in types.items()):
            return self._known
        for name, fields in known.items():
            if missing := [field for field, what in fields if (field, what) not in types[name][1]]:
                raise ValueError(f"the bag defines {name} otherwise than ROS 2 Jazzy: {', '.join(missing)} is missing or another")
        store = get_typestore(Stores.EMPTY)
        store.register(types)
        return store


def _parsed(kind: str, definition: Definition) -> dict:
    """Type → (constants, fields) of all that a definition holds."""
    text = definition.text
    if len(text) > _LONGEST_DEFINITION:
        raise ValueError(f"the bag's definition of this type has {len(text)} characters, expected at most {_LONGEST_DEFINITION}")
    try:
        if definition.language == "ros2msg":
            types = get_types_from_msg(text, kind)
        else:
            types = {}
            for part in text.split(_IDL_RULE) if text.startswith(_IDL_RULE) else [text]:
                head, _, rest = part.partition("\n")
                types |= get_types_from_idl(rest if head.startswith("IDL: ") else part) if part else {}
    except Exception as error:  # the parser raises much of its own
        raise ValueError(f"the bag's definition of this type can't be understood: {str(error)[:200]}") from error
    if kind not in types:
        raise ValueError("the bag's definition of this type defines another one")
    return types
