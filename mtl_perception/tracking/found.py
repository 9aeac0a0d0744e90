# SPDX-License-Identifier: Apache-2.0
"""The detections of one frame as trackers want them: places in their frame, and how uncertain each measurement is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mtl_perception.core.scene import AGNOSTIC_NMS_IOU, Detections
from mtl_perception.tracking.appearance import LENGTH
from mtl_perception.tracking.gallery import sighting_noise
from mtl_perception.tracking.kalman import GATE
from mtl_perception.tracking.matching import Side
from mtl_perception.tracking.symmetric import UNIT, mahalanobis_squared

if TYPE_CHECKING:
    from mtl_perception.core.scene import Boxes3D

BOX_NOISE = 0.05
"""Standard deviation of a box's coordinates, as a share of its mean side."""

_SAME = 0.8
"""Share of the smaller of two boxes from which on both may show one object."""

_UPPER = np.array([0, 1, 2, 4, 5, 8])


class Found:
    """M detections.

    Args:
        detections: of the frame.
        boxes_3d: parallel to them, in the camera's optical frame; None for no places.
        camera_pose: (4, 4) from that frame to the tracker's; None where they are the same.
        position_std_m: least uncertainty of a measured place.
        looks: (M, LENGTH) of ``appearance.looks``, or None.
        is_remembered: whether sightings are wanted for the gallery.

    Attributes:
        corners: (4, M) float32: x1, y1, x2, y2 in pixels.
        centred, box_noise: (4, M) middle and size in pixels, and (M,) variances.
        scores, class_ids: (M,).
        places, noise: (3, M) metres in the tracker's frame and (6, M) covariances as ``symmetric.upper``; NaN where one is not known.
        has_place: (M,) bool.
        sighting_noise: (6, M), for the gallery; None where places are not in the fixed frame.
        looks: (M, LENGTH); NaN where they are not known.
    """

    def __init__(
        self,
        detections: Detections,
        boxes_3d: Boxes3D | None,
        camera_pose: np.ndarray | None,
        position_std_m: float,
        looks: np.ndarray | None = None,
        *,
        is_remembered: bool = False,
    ) -> None:
        boxes_xyxy = np.asarray(detections.boxes_xyxy, np.float32).reshape(-1, 4)
        count = len(boxes_xyxy)
        self.corners = np.ascontiguousarray(boxes_xyxy.T)
        self.scores = np.asarray(detections.scores, np.float64)
        self.class_ids = np.asarray(detections.class_ids, np.int64)
        self.looks = np.full((count, LENGTH), np.nan, np.float32) if looks is None else looks
        sides = np.maximum(self.corners[2:] - self.corners[:2], 1.0)
        self.centred = np.concatenate([(self.corners[:2] + self.corners[2:]) / 2, sides])
        self.box_noise = np.square(BOX_NOISE / 2 * (sides[0] + sides[1]))
        self.places, self.noise = np.full((3, count), np.nan), np.full((6, count), np.nan)
        self.sighting_noise: np.ndarray | None = None
        if boxes_3d is not None:
            self._measure(boxes_3d, np.eye(4) if camera_pose is None else np.asarray(camera_pose, np.float64), position_std_m)
            if camera_pose is not None and is_remembered:
                sizes_m = np.asarray(boxes_3d.sizes_m, np.float64)
                self.sighting_noise = sighting_noise(self.noise, self.places, sizes_m, camera_pose[:3, 3])
        self.has_place = ~np.isnan(self.places[0])

    def __len__(self) -> int:
        return len(self.scores)

    def side(self, columns: np.ndarray) -> Side:
        """The detections ``columns`` (K,) as one side of pairs."""
        if len(columns) == len(self):
            return Side(self.corners, self.places, self.noise, self.class_ids, self.looks)
        return Side(
            self.corners.take(columns, 1),
            self.places.take(columns, 1),
            self.noise.take(columns, 1),
            self.class_ids[columns],
            self.looks[columns],
        )

    def repeated(self, columns: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """Which of the detections ``columns`` (K,) show an object that one of ``taken`` shows, or an earlier one of ``columns``: those of
        the same class that lie mostly in its box, or have it mostly in theirs, at a place that may be the same. Boxes that are nearly alike
        are left to NMS: where they come as far as here, they are two objects.

        Returns:
            (K,) bool.
        """
        others = np.concatenate([taken, columns])
        left, top, right, bottom = self.corners[:, columns][:, :, None]
        left_2, top_2, right_2, bottom_2 = self.corners[:, others][:, None, :]
        width = np.minimum(right, right_2) - np.maximum(left, left_2)
        height = np.minimum(bottom, bottom_2) - np.maximum(top, top_2)
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        area, area_2 = (right - left) * (bottom - top), (right_2 - left_2) * (bottom_2 - top_2)
        inside = (shared > _SAME * np.minimum(area, area_2)) & (shared < AGNOSTIC_NMS_IOU * (area + area_2 - shared))
        inside &= self.class_ids[columns][:, None] == self.class_ids[others]
        inside[:, len(taken) :] &= np.tri(len(columns), k=-1, dtype=bool)
        i, j = np.nonzero(inside)
        apart = self.places[:, columns[i]] - self.places[:, others[j]]
        inside[i, j] = ~(mahalanobis_squared(apart, self.noise[:, columns[i]] + self.noise[:, others[j]]) > GATE)
        return inside.any(1)

    def _measure(self, boxes_3d: Boxes3D, pose: np.ndarray, position_std_m: float) -> None:
        if len(boxes_3d.valid) != len(self):
            raise ValueError(f"tracking: {len(boxes_3d.valid)} 3D boxes for {len(self)} detections, expected one for each")
        measured = np.concatenate(
            [
                np.asarray(boxes_3d.centers_m, np.float64).reshape(-1, 3),
                np.asarray(boxes_3d.center_covariances_m2, np.float64).reshape(-1, 9),
            ],
            1,
        ).T
        known = np.asarray(boxes_3d.valid, bool) & np.isfinite(measured.sum(0))
        rotation = pose[:3, :3]
        # R C Rᵀ of all at once: the Kronecker product of R and R with the nine numbers of each C.
        twice = (rotation[:, None, :, None] * rotation[None, :, None, :]).reshape(9, 9)[_UPPER]
        places = rotation @ measured[:3] + pose[:3, 3:]
        noise = twice @ measured[3:] + position_std_m**2 * UNIT
        if not known.all():
            places[:, ~known] = noise[:, ~known] = np.nan
        self.places, self.noise = places, noise
