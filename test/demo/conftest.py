# SPDX-License-Identifier: Apache-2.0
import os

# Nobody else's nodes: every run of the tests has a domain of its own.
os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 100 + 1)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
