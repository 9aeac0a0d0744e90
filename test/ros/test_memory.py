# SPDX-License-Identifier: Apache-2.0
"""In a process of its own: a message of a few bytes that claims to be large."""

import resource
import subprocess
import sys

from mtl_perception.ros.node.memory import GrowthLimit

DESERIALIZE = """
import struct, sys
from rcl_interfaces.srv import GetParameters
from rclpy.serialization import deserialize_message
from mtl_perception.ros.node.memory import GrowthLimit

limit, headroom_gb = GrowthLimit(), float(sys.argv[1])
limit.set(headroom_gb)
try:
    deserialize_message(struct.pack("<4sI", b"\\0\\1\\0\\0", 60_000_000), GetParameters.Request)
except Exception as error:
    print(type(error).__name__)
if len(sys.argv) > 2:
    limit.lift()
    print(len(bytearray(10**9)))
# getrusage's maximum would count the process that started this one.
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(int(peak_kb) // 1024)
"""


def run(*arguments: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", DESERIALIZE, *arguments], capture_output=True, text=True, check=True).stdout.split()


def test_a_small_message_that_claims_sixty_million_strings_takes_no_memory():
    """1.4 GB and more without the limit."""
    error, used_mb = run("0.3")
    assert error == "RMWError" and int(used_mb) < 500


def test_the_limit_can_be_lifted():
    _, size, _ = run("0.3", "lift")
    assert int(size) == 10**9


def test_no_headroom_means_no_limit():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    GrowthLimit().set(0.0)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_limit_from_outside_stays():
    code = (
        "import resource, sys; from mtl_perception.ros.node.memory import GrowthLimit; limit = GrowthLimit(); "
        "_, hard = resource.getrlimit(resource.RLIMIT_DATA); resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]), hard)); "
        "limit.set(1000.0); assert resource.getrlimit(resource.RLIMIT_DATA)[0] == int(sys.argv[1]); "
        "limit.lift(); assert resource.getrlimit(resource.RLIMIT_DATA)[0] == int(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(10**11)], check=True)
