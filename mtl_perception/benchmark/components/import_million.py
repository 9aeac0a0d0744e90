# SPDX-License-Identifier: Apache-2.0
"""A million boxes: how long `mtl-perception import coco` takes, and how much memory, on pictures so small that they cost next to nothing.

    scripts/run python -m mtl_perception.benchmark.components.import_million [--images 100000] [--boxes 10] [--workers 1] [--out out/import_million]

Prints seconds, processor seconds, the largest memory of a process and the load of the machine, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np


def write_coco(root: Path, images: int, boxes: int) -> None:
    """A COCO file, and its pictures of 32×32."""
    rng = np.random.default_rng(0)
    (root / "pictures").mkdir(parents=True)
    for i in range(images):
        content = cv2.imencode(".png", rng.integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1))[1]
        (root / f"pictures/{i:06d}.png").write_bytes(content.tobytes())
    corners = np.sort(rng.uniform(0, 32, (images * boxes, 2, 2)), 1).round(2)
    corners[:, 1] = np.maximum(corners[:, 1], corners[:, 0] + 1).clip(max=32)
    corners[:, 0] = np.minimum(corners[:, 0], corners[:, 1] - 1)
    annotations = [
        {
            "id": i + 1,
            "image_id": i // boxes + 1,
            "category_id": i % 20 + 1,
            "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
            "area": round((x2 - x1) * (y2 - y1), 2),
            "iscrowd": 0,
        }
        for i, ((x1, y1), (x2, y2)) in enumerate(corners.tolist())
    ]
    entries = [{"id": i + 1, "file_name": f"{i:06d}.png", "width": 32, "height": 32} for i in range(images)]
    categories = [{"id": i + 1, "name": f"class{i}"} for i in range(20)]
    (root / "instances.json").write_text(json.dumps({"images": entries, "annotations": annotations, "categories": categories}))


def main() -> None:
    """Write the set where there is none yet, import it, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--boxes", type=int, default=10, help="of each image")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/import_million"))
    options = parser.parse_args()
    source, imported = options.out / "coco", options.out / "imported"
    if not (source / "instances.json").exists():
        shutil.rmtree(source, ignore_errors=True)
        write_coco(source, options.images, options.boxes)
    shutil.rmtree(imported, ignore_errors=True)
    command = [
        sys.executable,
        "-m",
        "mtl_perception",
        "import",
        "coco",
        str(source),
        "--out",
        str(imported),
        "--workers",
        str(options.workers),
    ]
    load, began_s = os.getloadavg()[0], time.perf_counter()
    subprocess.run(command, check=True, stdout=sys.stderr)
    took_s, used = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads((imported / "import.json").read_text())
    print(
        json.dumps(
            {
                "images": report["images"],
                "boxes": report["boxes"],
                "workers": options.workers,
                "seconds": round(took_s, 1),
                "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
                "largest_process_gb": round(used.ru_maxrss / 1e6, 2),
                "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
                "processors": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()
