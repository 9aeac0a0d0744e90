# SPDX-License-Identifier: Apache-2.0
"""How bright, contrasty, colourful, noisy and sharp the pictures of folders are, beside each other.

    scripts/run python -m mtl_perception.studies.picture_statistics --chart statistics.svg photographs=real/*/images rendered=data/rooms/images

Prints a Markdown table of the 10th, 50th and 90th percentile over each group's pictures, and how much of each group's
histogram lies under that of the first group. Groups are NAME=FOLDER…; every folder counts with as many pictures as the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

LONG_SIDE = 384
"""Pictures are compared at the size that networks are trained at; larger ones are made smaller."""
_BINS = 24


def lab_of(path: Path) -> np.ndarray:
    """(H, W, 3) CIELAB of a picture, its longer side ``LONG_SIDE`` at most.

    Raises:
        OSError: it can't be read.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise OSError(f"{path} is not a readable image")
    scale = LONG_SIDE / max(bgr.shape[:2])
    if scale < 1:
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)


def noise(lab: np.ndarray) -> float:
    """Deviation of lightness from its neighbours (Immerkær 1996) where the picture is flattest: the 20th percentile over
    blocks of 16 pixels that are neither black nor white."""
    lightness = lab[..., 0]
    residual = cv2.filter2D(lightness, -1, np.float32([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])) / 6
    rows, columns = (size // 16 for size in lightness.shape)

    def blocks(image: np.ndarray) -> np.ndarray:
        return image[: 16 * rows, : 16 * columns].reshape(rows, 16, columns, 16).transpose(0, 2, 1, 3).reshape(-1, 256)

    deviation, usable = blocks(residual).std(1), np.abs(blocks(lightness).mean(1) - 50) < 42
    return float(np.percentile(deviation[usable] if usable.sum() > 10 else deviation, 20))


def sharpness(lab: np.ndarray) -> float:
    """How much of the strongest edges' rise over 4 pixels comes in one step: 0.25 is blurred, 1 a step. Median over the
    strongest 3 % of them."""
    lightness = lab[..., 0]
    step, rise = np.abs(np.diff(lightness, axis=1)), np.abs(lightness[:, 4:] - lightness[:, :-4])
    steepest = np.max([step[:, k : k + rise.shape[1]] for k in range(4)], axis=0)
    strong = rise > np.percentile(rise, 97)
    return float(np.median((steepest / np.maximum(rise, 1e-3))[strong])) if strong.any() else np.nan


STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "brightness: mean lightness": lambda lab: float(lab[..., 0].mean()),
    "contrast: deviation of lightness": lambda lab: float(lab[..., 0].std()),
    "shadows: 5th percentile of lightness": lambda lab: float(np.percentile(lab[..., 0], 5)),
    "lights: 99th percentile of lightness": lambda lab: float(np.percentile(lab[..., 0], 99)),
    "saturation: mean chroma": lambda lab: float(np.hypot(lab[..., 1], lab[..., 2]).mean()),
    "tint: median b*, blue to yellow": lambda lab: float(np.median(lab[..., 2])),
    "noise of lightness in flat places": noise,
    "sharpness of edges": sharpness,
}


def measured(folders: Iterable[Path], pictures: int) -> dict[str, np.ndarray]:
    """Statistic → its value for ``pictures`` pictures of each folder, drawn with a fixed seed.

    Raises:
        ValueError: a folder holds no pictures.
    """
    values: dict[str, list[float]] = {name: [] for name in STATISTICS}
    for folder in folders:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not paths:
            raise ValueError(f"{folder} holds no .jpg and no .png")
        for index in np.random.default_rng(0).permutation(len(paths))[:pictures]:
            lab = lab_of(paths[index])
            for name, statistic in STATISTICS.items():
                values[name].append(statistic(lab))
    return {name: np.array(found) for name, found in values.items()}


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The share of two histograms that they have in common: 1 for equal ones, 0 for disjoint ones."""
    low, high = np.nanpercentile(np.concatenate([first, second]), [1, 99])
    shares = [np.histogram(values.clip(low, high), _BINS, (low, high))[0] / len(values) for values in (first, second)]
    return float(np.minimum(*shares).sum())


def table(groups: dict[str, dict[str, np.ndarray]]) -> str:
    """Markdown."""
    names = list(groups)
    reference = groups[names[0]]
    lines = ["| 10th / 50th / 90th percentile | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for statistic in STATISTICS:
        cells = []
        for name in names:
            values = groups[name][statistic]
            digits = 2 if np.nanmedian(values) < 2 else 0
            cell = " / ".join(f"{value:.{digits}f}" for value in np.nanpercentile(values, [10, 50, 90]))
            common = overlap(reference[statistic], values)
            cells.append(cell if name == names[0] else f"{cell} ({100 * common:.0f} %)")
        lines.append(f"| {statistic} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(groups: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """One small histogram for each statistic, a line for each group."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "mtl_perception"}
    with matplotlib.rc_context(style):
        figure, axes = pyplot.subplots(2, 4, figsize=(10, 4.2), layout="constrained")
        for ax, statistic in zip(axes.flat, STATISTICS, strict=True):
            everything = np.concatenate([group[statistic] for group in groups.values()])
            low, high = np.nanpercentile(everything, [1, 98])
            for color, (name, group) in zip(("#444444", "#e15759", "#4e79a7", "#59a14f"), groups.items(), strict=False):
                counts, edges = np.histogram(group[statistic].clip(low, high), _BINS, (low, high))
                ax.stairs(
                    100 * counts / counts.sum(),
                    edges,
                    color=color,
                    label=name,
                    fill=color == "#444444",
                    alpha=0.35 if color == "#444444" else 1,
                    linewidth=1.4,
                )
            ax.set_title(statistic, fontsize=8)
            ax.set_ylim(bottom=0)
            ax.set_yticks([])
        figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(groups), frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("groups", nargs="+", metavar="NAME=FOLDER", help="several folders of one name make one group")
    parser.add_argument("--pictures", type=int, default=60, help="of each folder")
    parser.add_argument("--chart", type=Path, help="an .svg or .png")
    arguments = parser.parse_args()
    folders: dict[str, list[Path]] = {}
    for group in arguments.groups:
        name, found, folder = group.partition("=")
        if not found or not Path(folder).is_dir():
            parser.error(f"'{group}' is not NAME=FOLDER with a folder that exists")
        folders.setdefault(name, []).append(Path(folder))
    groups = {name: measured(paths, arguments.pictures) for name, paths in folders.items()}
    print(table(groups))
    if arguments.chart:
        draw(groups, arguments.chart)


if __name__ == "__main__":
    main()
