# SPDX-License-Identifier: Apache-2.0
"""scripts/test: shared memory that a test leaves behind fails the run; what others leave meanwhile does not."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "install" / "setup-stamp").is_file(), reason="nothing is built: run make setup"),
]

# A node that is killed once it has had its shared memory for long enough to be noticed.
TEST = """
import os, re, subprocess, sys, time

NODE = "import os, rclpy, time; rclpy.init(); n = rclpy.create_node('left'); print(open('/proc/self/maps').read(), flush=True); print('end', flush=True); time.sleep(600)"

def test_it():
    environment = {name: value for name, value in os.environ.items() if name not in %r}
    process = subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True, env=environment)
    segments = set()
    for line in process.stdout:
        segments |= set(re.findall("/dev/shm/fast(?:rtps|dds)_[0-9a-f]{16}", line))
        if line == "end\\n":
            break
    time.sleep(5)
    process.kill()
    process.wait()
    left = [segment for segment in segments if os.path.exists(segment)]
    assert left
    open(%r, "w").write("\\n".join(left))
"""


@pytest.mark.parametrize(("hidden", "status"), [((), 1), (("MTL_PERCEPTION_TEST_RUN",), 0)], ids=["a test", "another program"])
def test_who_left_it_decides(tmp_path: Path, hidden: tuple[str, ...], status: int) -> None:
    left = tmp_path / "left.txt"
    (tmp_path / "test_left.py").write_text(TEST % (hidden, str(left)))
    try:
        run = subprocess.run([ROOT / "scripts" / "test", "-q", tmp_path / "test_left.py"], capture_output=True, text=True)
        segments = left.read_text().splitlines()
        assert "1 passed" in run.stdout and run.returncode == status, run.stdout + run.stderr
        assert all(segment in run.stderr for segment in segments) == bool(status), (segments, run.stdout, run.stderr)
    finally:
        for segment in left.read_text().splitlines():
            for path in (segment, f"{segment}_el"):
                if os.path.exists(path):
                    os.unlink(path)
