# SPDX-License-Identifier: Apache-2.0
"""One writer for each output topic."""
