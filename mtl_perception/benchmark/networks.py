# SPDX-License-Identifier: Apache-2.0
"""Our networks and engines, as the benchmark wants them. Nothing else here knows ``inference/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mtl_perception.benchmark.images import camera_images, camera_intrinsics
from mtl_perception.benchmark.settings import BenchmarkError, Size
from mtl_perception.core.resources import find_model
from mtl_perception.inference import Engine
from mtl_perception.inference.backends.loading import BACKENDS
from mtl_perception.model.checkpoint import build_network, load_checkpoint, read_card, save_checkpoint

RUN_EXPORTS = ("onnxruntime", "tensorrt")
"""Backends that run exported files only."""

TASKS = ("detection", "segmentation", "depth")


class EngineSpec(BaseModel):
    """One engine: enough to start it here or in a process of its own.

    Attributes:
        image: size of the camera's images.
        backend, compiled: as ``Engine.load``.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    device: str = "auto"
    precision: str = "auto"
    image: Size
    backend: str = "auto"
    compiled: bool = False

    def on(self, backend: str, precision: str = "auto", compiled: bool = False) -> EngineSpec:
        """The same run by another backend."""
        return self.model_copy(update={"backend": backend, "precision": precision, "compiled": compiled})


class OurEngine:
    """An engine with cameras before it.

    Args:
        cameras: images of one turn.
        together: handed to the engine at once, which batches as many as are worth it; else one after the other.

    Attributes:
        facts, images: as ``Subject`` has them.
    """

    def __init__(self, spec: EngineSpec, cameras: int = 1, together: bool = True) -> None:
        width, height = spec.image
        model = _exported(spec) if spec.backend in RUN_EXPORTS else spec.model
        self._engine = Engine.load(model, spec.device, spec.precision, spec.backend, spec.compiled)
        self._frames, self._intrinsics = camera_images(width, height), camera_intrinsics(width, height)
        self._at_once = cameras if together else 1
        self._turn, self.images = 0, cameras
        self.facts = engine_facts(self._engine, spec, min(self._at_once, self._engine.batch_size))

    def __call__(self) -> Mapping[str, float]:
        """One turn: the next image of each camera. Gives the stages' seconds, of all images together."""
        chosen = [self._frames[(self._turn + camera) % len(self._frames)] for camera in range(self.images)]
        self._turn += 1
        stage_s: dict[str, float] = {}
        for first in range(0, len(chosen), self._at_once):
            group = chosen[first : first + self._at_once]
            scenes = self._engine.batch(group, [self._intrinsics] * len(group))
            for scene in scenes[:: self._engine.batch_size]:  # those of one forward pass all say its times
                for stage, duration_s in scene.stage_s.items():
                    stage_s[stage] = stage_s.get(stage, 0.0) + duration_s
        return stage_s

    def close(self) -> None:
        self._engine.close()


def engine_facts(engine: Engine, spec: EngineSpec, batch: int) -> dict[str, str]:
    """Device, precision and the like of a loaded engine."""
    card = engine.card
    return {
        "device": engine.device,
        "precision": engine.precision,
        "backend": engine.backend + (", compiled" if spec.compiled else ""),
        "image": f"{spec.image[0]}×{spec.image[1]}",
        "input": f"{card.input_width}×{card.input_height}",
        "batch": str(batch),
    }


def _exported(spec: EngineSpec) -> Path:
    """The network as an ONNX file for images of that size."""
    model = Path(spec.model)
    path = model.with_name(f"{model.stem}_{spec.precision}_{spec.image[0]}x{spec.image[1]}.onnx")
    if not path.exists():
        from mtl_perception.inference.export.run import ExportSettings, export

        export(model, path, ExportSettings(precision=spec.precision, width=spec.image[0], height=spec.image[1]))
    return path


def label_count(model: str) -> int:
    """Classes of the model's segmentation or, without one, of its detection."""
    card = read_card(find_model(model))
    return len(card.segmentation_labels or card.detection_labels)


def write_network(folder: Path, name: str, size: Size, tasks: Sequence[str] = ()) -> Path:
    """A checkpoint for this input size and these tasks, or all.

    Args:
        name: a shipped model's or a file, whose weights are taken.

    Raises:
        FileNotFoundError, CheckpointError: there is no such model, or it can't be used.
    """
    tasks = tuple(tasks)
    path = folder / f"{'-'.join((Path(name).stem, f'{size[0]}x{size[1]}', *tasks))}.safetensors"
    if not path.exists():
        whole, card = load_checkpoint(find_model(name))
        chosen = {task: card.tasks[task] for task in tasks} if tasks else card.tasks
        changes = {"name": path.stem, "tasks": chosen, "input_width": size[0], "input_height": size[1]}
        card = card.model_copy(update=changes)
        network, weights = build_network(card), whole.state_dict()
        network.load_state_dict({key: weights[key] for key in network.state_dict()})
        save_checkpoint(path, network, card)
    return path


def check_backend(name: str) -> None:
    """Refuse a backend that there is none of.

    Raises:
        BenchmarkError: naming those that there are.
    """
    if name not in ("auto", *BACKENDS):
        raise BenchmarkError(f"backend '{name}' is not known; expected auto, {', '.join(BACKENDS)}")


def run_once(spec: EngineSpec) -> None:
    """Start an engine and answer one image."""
    engine = OurEngine(spec)
    try:
        engine()
    finally:
        engine.close()
