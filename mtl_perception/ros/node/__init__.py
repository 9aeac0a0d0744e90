# SPDX-License-Identifier: Apache-2.0
"""The managed node: parameters, cameras, the newest frame, one worker."""
