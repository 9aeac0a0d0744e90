# SPDX-License-Identifier: Apache-2.0
"""Classes of whole images: any number of classes, such as the kind of room or a finding in a scan."""
