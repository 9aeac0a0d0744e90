# SPDX-License-Identifier: Apache-2.0
"""Writes data folders of this project in other formats (docs/import.md).

A format is one module: ``HOLDS`` says what it can hold, ``write_picture`` writes the files of one picture, ``finish`` those of
the whole set. ``run`` lists what is lost.
"""
