# SPDX-License-Identifier: Apache-2.0
"""A depth sensor's messages as the depth of a camera's images."""

from __future__ import annotations

import cv2
import numpy as np

from mtl_perception.core.camera_info import calibrate
from mtl_perception.core.compressed_depth import decode_compressed_depth
from mtl_perception.core.foreign_text import cut
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.image_messages import ConversionError, depth_to_metres
from mtl_perception.ros.cdr import CameraInfoView, CompressedImageView, ImageView, read_camera_info, read_compressed_image, read_image
from mtl_perception.ros.transforms import Place
from mtl_perception.spatial.depth_alignment import AlignmentCheck
from mtl_perception.spatial.depth_registration import register_depth

_CHECK_EVERY = 5
"""Images; what is not registered stays so."""


class MeasuredDepth:
    """Brings depth messages to the size and frame of the camera's images.

    Args:
        is_compressed: messages are ``compressedDepth`` CompressedImages, else Images.
        max_pixels: a depth image of more is rejected.
        info_topic: where the sensor's camera_info comes from, for errors.

    Attributes:
        is_registered_here: whether the last measurement was brought from the sensor's frame into the camera's.
    """

    def __init__(self, *, is_compressed: bool, max_pixels: int, info_topic: str) -> None:
        self._is_compressed, self._max_pixels, self._info_topic = is_compressed, max_pixels, info_topic
        self._info: CameraInfoView | None = None
        self._alignment, self._count = AlignmentCheck(), 0
        self.is_registered_here = False

    @property
    def doubt(self) -> str:
        """Why depth may not be registered to the camera though its frame says so; empty without a reason."""
        return "" if self.is_registered_here else self._alignment.problem

    def take_info(self, serialised: bytes) -> None:
        """Use this CameraInfo of the sensor from now on."""
        self._info = read_camera_info(serialised)

    def of_image(self, serialised: bytes, place: Place, image_rgb: np.ndarray, intrinsics: Intrinsics | None) -> np.ndarray:
        """The depth that one message holds of one image; depth in another frame than the image's is registered to it.

        Args:
            serialised: an Image, or a CompressedImage.
            place: of the image.
            image_rgb: (H, W, 3) uint8.
            intrinsics: of the image's camera.

        Returns:
            (H, W) float32 metres, 0 or NaN where nothing was measured.

        Raises:
            ConversionError: no depth, or depth of another shape, or of a frame that can't be registered.
            TransformError: TF does not join both frames at the image's stamp.
        """
        height, width = image_rgb.shape[:2]
        message = read_compressed_image(serialised) if self._is_compressed else read_image(serialised)
        self.is_registered_here = message.frame_id != place.frame_id
        if self.is_registered_here:
            return self._registered_m(message, place, width, height, intrinsics)
        measured_m = _of_size(self._decode(message), width, height)
        self._count += 1
        if self._count % _CHECK_EVERY == 0:
            self._alignment.add(image_rgb, measured_m)
        return measured_m

    def _registered_m(
        self, message: ImageView | CompressedImageView, place: Place, width: int, height: int, intrinsics: Intrinsics | None
    ) -> np.ndarray:
        frames = f"depth images are in the frame {cut(message.frame_id)!r}, the camera's in {cut(place.frame_id)!r}"
        if self._info is None:
            raise ConversionError(
                f"{frames}: give depth that is registered to the camera, such as aligned_depth_to_color of a RealSense, or the sensor's "
                f"camera_info on {self._info_topic}, and it is registered here"
            )
        if intrinsics is None:
            raise ConversionError(f"{frames}: to register depth here the camera's camera_info is needed too")
        to_camera = place.from_frame(message.frame_id)
        measured_m = self._decode(message)
        try:
            sensor = calibrate(self._info, measured_m.shape[1], measured_m.shape[0], rectified=False, rectify=False).intrinsics
        except ValueError as error:
            raise ConversionError(f"camera_info on {self._info_topic}: {error}") from None
        return register_depth(measured_m, sensor, intrinsics.scaled(width, height), to_camera)

    def _decode(self, message: ImageView | CompressedImageView) -> np.ndarray:
        if isinstance(message, CompressedImageView):
            return decode_compressed_depth(message.format, message.data, self._max_pixels)
        return depth_to_metres(message, self._max_pixels)


def _of_size(measured_m: np.ndarray, width: int, height: int) -> np.ndarray:
    rows, columns = measured_m.shape
    if (rows, columns) == (height, width):
        return measured_m
    if abs(rows * width - columns * height) > max(width, height):
        raise ConversionError(f"depth images are {columns}x{rows}, the camera's {width}x{height}, expected one shape: is depth registered?")
    return cv2.resize(measured_m, (width, height), interpolation=cv2.INTER_NEAREST)
