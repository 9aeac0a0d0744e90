# SPDX-License-Identifier: Apache-2.0
# ROS 2 Jazzy with this package in /ws, built: `make image` (CPU) or `make image DEVICE=cuda`.
#
#   docker run --rm --network host --ipc host mtl_perception:cpu \
#     ros2 launch mtl_perception robot.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info
#   docker run --rm --network host --ipc host --gpus all mtl_perception:cuda …
#
# --network host and --ipc host: DDS finds the other nodes, and images go through shared memory.
FROM ros:jazzy-ros-base

ARG DEVICE=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

WORKDIR /ws/src/mtl_perception
COPY package.xml .
RUN apt-get update \
  && apt-get install --yes --no-install-recommends python3-dev python3-venv \
  && rosdep update --rosdistro jazzy \
  && rosdep install --from-paths . --ignore-src --yes --rosdistro jazzy --skip-keys python3-rosbags-pip \
  && rm -rf /var/lib/apt/lists/*

# PyTorch by itself: it is by far the largest, and changes seldom. cv_bridge is compiled against the NumPy of Ubuntu, which must stay.
RUN case "$DEVICE" in \
    cpu) index="--index-url https://download.pytorch.org/whl/cpu" ;; \
    cuda) index="" ;; \
    *) echo "DEVICE is '$DEVICE', expected cpu or cuda" >&2; exit 1 ;; \
  esac \
  && python3 -m venv --system-site-packages /ws/venv \
  && python3 -c 'import numpy; print(f"numpy=={numpy.__version__}")' >/ws/constraints.txt \
  && /ws/venv/bin/pip install --constraint /ws/constraints.txt $index "torch>=2.7" "torchvision>=0.22"

COPY . .
# What pyproject.toml asks for, then the package as colcon builds it; the node's executable names the Python of this environment.
RUN extras=$([ "$DEVICE" = cpu ] && echo cpu,foxglove,predict || echo export,foxglove,predict) \
  && /ws/venv/bin/pip install --constraint /ws/constraints.txt --editable ".[$extras]" \
  && . /ws/venv/bin/activate && . /opt/ros/jazzy/setup.sh \
  && cd /ws && colcon build --packages-select mtl_perception --cmake-args -DBUILD_TESTING=OFF \
  && printf '#!/bin/bash\nset -e\n. /ws/venv/bin/activate\n. /ws/install/setup.bash\nexec "$@"\n' >/ws/entrypoint \
  && chmod +x /ws/entrypoint

ENTRYPOINT ["/ws/entrypoint"]
CMD ["ros2", "launch", "mtl_perception", "robot.launch.py"]
