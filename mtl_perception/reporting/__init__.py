# SPDX-License-Identifier: Apache-2.0
"""Shared by the HTML reports: one look, charts as SVG, pictures inside the page."""
