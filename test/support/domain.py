# SPDX-License-Identifier: Apache-2.0
"""A ROS domain that no other process of this machine uses."""

import os
import random
import re
import socket
from pathlib import Path

# Above 101 the ports of a domain reach into those that Linux hands out to any program.
DOMAINS = range(1, 102)
_PORTS_OF_A_DOMAIN = 250
_FIRST_PORT = 7400

_held: list[socket.socket] = []


def take_domain() -> int:
    """A domain that nobody else has: no other process of tests, nor a node that runs already.

    It is held until this process ends, by a name in the kernel that only one socket can have; so nothing is left behind by a process
    that is killed. Raises ``RuntimeError`` when all of them are taken.
    """
    busy = _domains_of_nodes()
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        if domain in busy:
            continue
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0mtl_perception_test_domain_{domain}")
        except OSError:
            name.close()
            continue
        _held.append(name)
        return domain
    raise RuntimeError(f"no ROS domain of {DOMAINS.start} to {DOMAINS.stop - 1} is free; end other tests or nodes")


def use_own_domain() -> None:
    """Takes a domain for this process and those that it starts, out of reach of other machines."""
    os.environ["ROS_DOMAIN_ID"] = str(take_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def _domains_of_nodes() -> set[int]:
    """Domains in whose ports somebody listens: a participant binds the first of them for discovery."""
    found = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            text = Path(table).read_text()
        except OSError:  # no IPv6, or not Linux
            continue
        ports = (int(port, 16) for port in re.findall(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4})", text, re.MULTILINE))
        found |= {(port - _FIRST_PORT) // _PORTS_OF_A_DOMAIN for port in ports if port >= _FIRST_PORT}
    return found
