# SPDX-License-Identifier: Apache-2.0
"""The ground that every room stands on: scenes, geometry, lenses, images, files, the terminal. Imports no other room."""
