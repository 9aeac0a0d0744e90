# SPDX-License-Identifier: Apache-2.0
"""A local page on which a person accepts, corrects or deletes what a network proposes."""
