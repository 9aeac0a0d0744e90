# SPDX-License-Identifier: Apache-2.0
# Its being here puts this folder on sys.path: tests in sub-folders can then import the helpers beside it.
