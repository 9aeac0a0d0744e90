# SPDX-License-Identifier: Apache-2.0
"""Results of evaluations with scores chosen by hand, for what is computed from them."""

from mtl_perception.evaluation.results import EvaluationResult, ModelResult, SetResult


def scored(name="lite", *, tasks=("detection", "segmentation", "depth"), frames=10, data="rooms_val", sets=None, **model):
    """``sets``: name → (mAP, mIoU, RMSE)."""
    fields = {
        "version": "1", "encoder": "mobilenet_v3_large", "input_width": 384, "input_height": 288,
        "parameters": 3_000_000, "gmac": 1.5, "gmac_640x480": 4.5, "size_bytes": 6_000_000, "training": {},
    }  # fmt: skip
    result = EvaluationResult(
        mtl_perception="0.1.0",
        command=f"mtl-perception evaluate {name} data/rooms_val",
        model=ModelResult(name=name, tasks=list(tasks), **(fields | model)),
        device="cpu",
        precision="float32",
    )
    for set_name, values in (sets or {"unseen rooms": (0.4, 0.5, 0.5)}).items():
        scores = {task: _task(task, value) for task, value in zip(("detection", "segmentation", "depth"), values)}
        own = {task: scores[task] | {"frames": frames} for task in tasks}
        result.add(set_name, SetResult(data=data, frames=frames, scores=own))
    return result


def _task(task, value):
    if task == "detection":
        per_class = {"cup": {"AP": value, "AP50": value, "precision": 0.5, "recall": 0.25, "boxes": 7}}
        return {"mAP": value, "AP50": value + 0.1, "AP50_small_things": None, "per_class": per_class}
    if task == "segmentation":
        return {"mIoU": value, "per_class": {"floor": {"IoU": value}, "cup": {"IoU": 0.125}}}
    ranges = {"0–1 m": {"AbsRel": value / 2, "RMSE": value, "bias": -0.05, "delta1": 0.75, "pixels": 1000}}
    return {"RMSE": value, "AbsRel": value / 2, "delta1": 1 - value, "by_distance": ranges}
