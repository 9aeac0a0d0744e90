# SPDX-License-Identifier: Apache-2.0
"""Draws docs/applications/medical.jpg: eight drawn ultrasound pictures, with the outlines of their lesions and what is labelled.

python docs/draw_ultrasound.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtl_perception.simulation.ultrasound import GRADES, MASK_LABELS, Patient, drawn_picture

WIDTH, HEIGHT, COLUMNS, ROWS = 256, 192, 4, 2
FIRST = 900_100


def panel(number: int) -> np.ndarray:
    """(HEIGHT + 20, WIDTH, 3) uint8 RGB."""
    patient = Patient.drawn(np.random.default_rng((FIRST, number)))
    picture = drawn_picture(np.random.default_rng((FIRST, number, 1)), patient, WIDTH, HEIGHT, "shown")
    image = picture.image.copy()
    lesion = (picture.maps["segmentation"] == MASK_LABELS.index("lesion")).astype(np.uint8)
    outlines, _ = cv2.findContours(lesion, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, outlines, -1, (255, 90, 60), 1)
    classes = picture.classes or []
    grade = sum(name in GRADES for name in classes)
    words = ", ".join([f"grade {grade}", *(name for name in classes if name not in GRADES)]) if grade else "no lesion"
    line = np.full((20, WIDTH, 3), 255, np.uint8)
    cv2.putText(line, words, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (30, 30, 30), 1, cv2.LINE_AA)
    return np.vstack([image, line])


def main() -> None:
    """Write the picture."""
    rows = [np.hstack([panel(row * COLUMNS + column) for column in range(COLUMNS)]) for row in range(ROWS)]
    path = Path(__file__).parent / "applications" / "medical.jpg"
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
