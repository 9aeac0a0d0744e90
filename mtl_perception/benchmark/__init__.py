# SPDX-License-Identifier: Apache-2.0
"""``mtl-perception benchmark``: what a frame costs, stage by stage, and beside what users would pick instead.

Whatever is compared runs in turns within one process, so that a noisy machine hurts all alike; what counts is the ratio.
"""
