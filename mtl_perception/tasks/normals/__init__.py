# SPDX-License-Identifier: Apache-2.0
"""Surface normals: which way each visible surface faces, in the camera's optical frame."""
