# SPDX-License-Identifier: Apache-2.0
"""Rendered rooms with exact labels: training images and the demo drive.

Needs the optional extra ``simulation`` (MuJoCo with its Filament renderer) and, on a machine without a GPU,
the software Vulkan driver of the system packages ``libvulkan1`` and ``mesa-vulkan-drivers``.
"""

import os

try:
    import mujoco as _mujoco  # noqa: F401

    # Registers the renderer's materials, so it must come before any rendering.
    import mujoco.studio as _studio  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"mtl_perception.simulation needs MuJoCo 4.0.0 and its studio assets ({error}); "
        "install them with: pip install 'mtl_perception[simulation]'"
    ) from error
except Exception as error:  # MuJoCo loads the OpenGL that MUJOCO_GL names, and PyOpenGL raises whatever its absence leads to
    wanted = os.environ.get("MUJOCO_GL", "")
    packages = {"osmesa": "libosmesa6", "egl": "libegl1 and libgl1-mesa-dri"}.get(wanted.lower())
    if packages is None:
        raise
    raise ImportError(
        f"MuJoCo found no OpenGL of the kind that MUJOCO_GL={wanted} asks for ({error}); "
        f"install the system packages {packages}, or unset MUJOCO_GL"
    ) from error
