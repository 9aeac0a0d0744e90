# SPDX-License-Identifier: Apache-2.0
"""Brings labelled images of other formats into the data format of this project (docs/import.md).

A format is one module with a function ``read(source, options) -> Labelled``, named in ``registry``. What it gives is
the same for all formats (``labelled``); ``run`` maps the classes, writes the files and finds duplicates.
"""
