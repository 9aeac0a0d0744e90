# SPDX-License-Identifier: Apache-2.0
# Its being here puts this folder on sys.path, so that tests in every sub-folder can import the helpers beside it.
