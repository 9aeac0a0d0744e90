# SPDX-License-Identifier: Apache-2.0
"""Which modules a source file imports."""

import ast
from pathlib import Path


def roots_of_imports(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module)
    return {module.split(".")[0] for module in modules}


def is_ros(module: str) -> bool:
    named = ("rclpy", "cv_bridge", "launch", "launch_ros", "ament_index_python", "message_filters", "tf2_ros")
    return module in named or module.endswith(("_msgs", "_srvs", "_interfaces"))
