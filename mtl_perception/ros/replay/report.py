# SPDX-License-Identifier: Apache-2.0
"""The report of a replay."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

_WARNINGS = 50


@dataclass(frozen=True)
class FrameTiming:
    """One processed frame.

    Attributes:
        stamp_ns: of its header.
        latency_s: live: from publishing the image to its last result's arrival. Offline: the engine's time.
        stage_s: by stage, as the node or the engine timed them.
    """

    stamp_ns: int
    latency_s: float
    stage_s: dict[str, float]


@dataclass
class ReplayReport:
    """One replay.

    Attributes:
        mode: "live" or "offline".
        image_topic: of the bag.
        frames_in: images of the bag that were given to the node or the engine.
        frames_processed: those that gave results.
        frames_dropped: replaced by a newer frame before they were processed.
        frames_rejected: messages that hold no usable image.
        frames_lost: sent and never received.
        interrupted: ended by Ctrl-C.
        warnings: in words, each once; some of them, where a bag gives cause for many.
    """

    mode: str
    image_topic: str
    model: str = ""
    device: str = ""
    precision: str = ""
    frames_in: int = 0
    frames_processed: int = 0
    frames_dropped: int = 0
    frames_rejected: int = 0
    frames_lost: int = 0
    interrupted: bool = False
    frames: list[FrameTiming] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        if len(self.warnings) < _WARNINGS and text not in self.warnings:
            self.warnings.append(text if len(self.warnings) < _WARNINGS - 1 else "there are more warnings, which are not shown")

    def durations_s(self) -> dict[str, np.ndarray]:
        """Stage → seconds of every processed frame, in the order of the work; ``whole`` is the latency."""
        names = dict.fromkeys(name for frame in self.frames for name in frame.stage_s)
        stages = {name: [frame.stage_s[name] for frame in self.frames if name in frame.stage_s] for name in names}
        stages["whole"] = [frame.latency_s for frame in self.frames]
        return {name: np.array(values) for name, values in stages.items()}

    def percentiles_ms(self) -> dict[str, dict[str, float]]:
        """Stage → {"p50": …, "p99": …} in milliseconds; empty when no frame was processed."""
        return {
            name: {f"p{share}": float(np.percentile(seconds, share) * 1e3) for share in (50, 99)}
            for name, seconds in self.durations_s().items()
            if len(seconds)
        }
