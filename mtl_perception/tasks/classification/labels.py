# SPDX-License-Identifier: Apache-2.0
"""Labels of whole images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mtl_perception.tasks._labels import ClassesCodec, Window


class ClassLabels(NamedTuple):
    """Classes of a whole image.

    Attributes:
        present: (C,) bool, whether each class applies; several may.
        labelled: (C,) bool, the classes of which that is known; None: all of them.
    """

    present: np.ndarray
    labelled: np.ndarray | None = None

    @property
    def teaches(self) -> bool:
        """Whether any class is known."""
        return self.labelled is None or bool(self.labelled.any())


class ClassificationCodec(ClassesCodec):
    def of_classes(self, present: np.ndarray, labelled: np.ndarray | None) -> ClassLabels:
        return ClassLabels(present, labelled)

    def teaches(self, label: ClassLabels) -> bool:
        return label.teaches

    def cropped(self, label: ClassLabels, window: Window) -> ClassLabels:
        return label

    def mirrored(self, label: ClassLabels, width: int) -> ClassLabels:
        return label

    def padded(self, label: ClassLabels, width: int, height: int) -> ClassLabels:
        return label


CODEC = ClassificationCodec()
