# SPDX-License-Identifier: Apache-2.0
"""The state of one track at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(slots=True)
class Track:
    """One object as it is known at one moment.

    Attributes:
        id: from 1 on, never given twice by one tracker.
        class_id: index into the model's detection labels; a track keeps its class.
        score: of the detection that was last matched.
        box_xyxy: (4,) float32, pixels: filtered, or predicted while out of sight.
        position_m: (3,) in the tracker's frame (``Tracker.is_in_fixed_frame``); None if no place in space is known.
        velocity_m_s: (3,) in the same frame, or None.
        covariance: (6, 6) of position and velocity, or None.
        age_s: since it was first seen.
        unseen_s: since it was last seen; 0 if in this frame.
        detection: index among the detections of this update; -1 while out of sight.
    """

    id: int
    class_id: int
    score: float
    box_xyxy: np.ndarray
    position_m: np.ndarray | None
    velocity_m_s: np.ndarray | None
    covariance: np.ndarray | None
    age_s: float
    unseen_s: float
    detection: int

    @property
    def is_seen(self) -> bool:
        return self.detection >= 0

    def seen_from(self, transform: np.ndarray) -> Track:
        """The same track in another frame.

        Args:
            transform: (4, 4) rotation and translation from the track's frame. The velocity is turned with it: it stays
                the one over the frame that the track was made in, whether or not the other frame moves.
        """
        if self.position_m is None:
            return self
        rotation = transform[:3, :3]
        turn = np.kron(np.eye(2), rotation)
        return replace(
            self,
            position_m=rotation @ self.position_m + transform[:3, 3],
            velocity_m_s=rotation @ self.velocity_m_s,
            covariance=turn @ self.covariance @ turn.T,  # pyright: ignore[reportOperatorIssue]
        )
