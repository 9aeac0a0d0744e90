# SPDX-License-Identifier: Apache-2.0
"""Labels by teachers: networks that say of pictures what nobody has labelled there."""
