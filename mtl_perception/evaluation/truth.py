# SPDX-License-Identifier: Apache-2.0
"""The truth that a labelled sample holds."""

from __future__ import annotations

from mtl_perception.tasks import LABELS, Sample, Truth, truth_fields


def truth_of(sample: Sample) -> Truth:
    """Returns the labels of ``sample`` as metrics take them."""
    return Truth(**truth_fields(sample, LABELS), intrinsics=sample.intrinsics)
