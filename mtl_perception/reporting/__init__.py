# SPDX-License-Identifier: Apache-2.0
"""What the HTML reports share: one look, charts as SVG, pictures inside the page."""
