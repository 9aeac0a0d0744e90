# SPDX-License-Identifier: Apache-2.0
"""How identities are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mtl_perception.core.scene import SCORE_THRESHOLD


@dataclass(frozen=True)
class TrackerSettings:
    """How identities are kept.

    Attributes:
        high_score: detections from here on are matched first.
        low_score: weaker ones than this are not looked at; those between continue tracks that nothing better continued.
        begin_score: of those, detections from here on begin new tracks; weaker ones only where the gallery knows somebody.
        confirm_hits: successive frames in which a new object must be seen before it gets an id.
        keep_s: how long an object that is out of sight is followed; a gap in time longer than that ends every track.
        gallery_s: how long after it was last seen an object that comes back to its place in the fixed frame gets its id again; 0 never.
        appearance: cost of pairs that look wholly different, where looks are known. Whatever costs 1 or more is no pair: the same
            box or place costs nothing, one at the limit of what is possible 1.
        min_iou: least overlap of a detection with a track's predicted box where their places in space are not compared.
        acceleration_m_s2: how abruptly objects change their velocity (root of the power density, m/s²/√Hz).
        speed_m_s: how fast objects may be when they are first seen (standard deviation, each axis).
        position_std_m: least uncertainty of a measured position: visible parts shift what is taken for the middle.

    Raises:
        ValueError: a value is out of range.
    """

    high_score: float = SCORE_THRESHOLD
    low_score: float = 0.1
    begin_score: float = 0.4
    confirm_hits: int = 2
    keep_s: float = 3.0
    gallery_s: float = 300.0
    appearance: float = 0.8
    min_iou: float = 0.2
    acceleration_m_s2: float = 0.3
    speed_m_s: float = 0.4
    position_std_m: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.low_score <= self.high_score <= 1:
            raise ValueError(f"tracking: low_score is {self.low_score} and high_score {self.high_score}, expected 0 ≤ low ≤ high ≤ 1")
        if not 0 <= self.begin_score <= 1:
            raise ValueError(f"tracking: begin_score is {self.begin_score}, expected 0 to 1")
        if not 0 <= self.appearance <= 10:
            raise ValueError(f"tracking: appearance is {self.appearance}, expected 0 to 10")
        if self.confirm_hits < 1:
            raise ValueError(f"tracking: confirm_hits is {self.confirm_hits}, expected 1 or more")
        if not 0 <= self.min_iou < 1:
            raise ValueError(f"tracking: min_iou is {self.min_iou}, expected 0 to below 1")
        if not (math.isfinite(self.gallery_s) and self.gallery_s >= 0):
            raise ValueError(f"tracking: gallery_s is {self.gallery_s}, expected 0 or a positive number")
        for name in ("keep_s", "acceleration_m_s2", "speed_m_s", "position_std_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"tracking: {name} is {value}, expected a positive number")
