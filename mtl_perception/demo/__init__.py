# SPDX-License-Identifier: Apache-2.0
"""The demo: the recorded drive through the node, and what came of it in pictures, a film and a report."""
