# SPDX-License-Identifier: Apache-2.0
"""Its being here puts this folder on sys.path: tests in sub-folders can then import the helpers beside it."""

import os

# The networks of the tests are tiny: one thread is quicker, by far where the machine has other work too. Read by
# torch when it is first imported, here and in every process that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")
