# SPDX-License-Identifier: Apache-2.0
"""The HTML report of an evaluation."""

from mtl_perception.evaluation.report.page import Report

__all__ = ["Report"]
