# SPDX-License-Identifier: Apache-2.0
"""A plain `pip install .`, for a machine that trains and needs no ROS messages. All else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["mtl_perception", "mtl_perception.*"]), "mtl_perception.models"],
    # The shipped checkpoints lie beside the package in the repository, and inside it once installed.
    package_dir={"mtl_perception.models": "models"},
    package_data={"mtl_perception.models": ["*"], "": ["*.j2", "*.css", "*.html", "*.js", "py.typed"]},
)
