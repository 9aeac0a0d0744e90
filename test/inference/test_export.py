# SPDX-License-Identifier: Apache-2.0
"""What is exported says what PyTorch says, and is refused where it can't be right."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model import tiny_network
from typer.testing import CliRunner

from mtl_perception.cli.app import app
from mtl_perception.core.geometry import Intrinsics
from mtl_perception.core.scene import Scene
from mtl_perception.inference import BackendError, DeviceError, Engine
from mtl_perception.inference.export.onnx_graph import ExportError
from mtl_perception.inference.export.parity import Difference, differences
from mtl_perception.inference.export.run import RAW_TOLERANCE, ExportReport, ExportSettings, card_of, export
from mtl_perception.inference.exported import FOCAL_PX, IMAGES, METADATA_KEY
from mtl_perception.model.checkpoint import CheckpointError, ModelCard, save_checkpoint
from mtl_perception.model.network import Architecture

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

CAMERA = Intrinsics(128, 96, 100.0, 100.0, 63.5, 47.5)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((height // 8 + 1, width // 8 + 1, 1), np.uint8))[:height, :width])


def reference(checkpoint: Path) -> Engine:
    return Engine.load(checkpoint, device="cpu", precision="float32", backend="torch")


def assert_agree(one: Scene, other: Scene) -> None:
    assert (one.width, one.height) == (other.width, other.height)
    np.testing.assert_allclose(one.depth.depth_m, other.depth.depth_m, rtol=1e-3)
    assert (one.segmentation.mask == other.segmentation.mask).mean() > 0.999
    assert abs(len(one.detections) - len(other.detections)) <= 1
    count = min(len(one.detections), len(other.detections))
    np.testing.assert_allclose(one.detections.scores[:count], other.detections.scores[:count], atol=1e-3)


@pytest.mark.slow
def test_heads_agree_with_pytorch_and_operators_are_standard(exported: ExportReport) -> None:
    raw = [difference for difference in exported.differences if difference.is_raw]
    assert len(raw) == 5
    assert max(difference.relative for difference in raw) <= RAW_TOLERANCE
    # A network that was never trained has ties between boxes by the dozen; whichever goes first, the rest shifts.
    assert min(difference.equal for difference in exported.differences if not difference.name.startswith("detection")) > 0.99
    model = onnx.load(exported.path)
    assert {node.domain for node in model.graph.node} == {""}
    assert {output.name for output in model.graph.output} == {
        "detection.boxes_xyxy", "detection.scores", "detection.class_ids", "segmentation.mask", "segmentation.confidence",
        "depth.depth_m", "depth.relative_std",
    }  # fmt: skip
    assert [one.name for one in model.graph.input] == ["images_rgb", "focal_px"]


@pytest.mark.slow
@pytest.mark.parametrize("neck", ["pfpn", "trn"])
def test_heads_agree_whatever_the_neck(tmp_path: Path, small_card: ModelCard, neck: str) -> None:
    pytest.importorskip("onnxscript")
    architecture = Architecture.model_validate(small_card.architecture.model_dump() | {"neck": neck})
    card = small_card.model_copy(update={"architecture": architecture})
    save_checkpoint(tmp_path / "neck.safetensors", tiny_network(card), card)
    report = export(tmp_path / "neck.safetensors", tmp_path / "neck.onnx", ExportSettings())
    assert max(difference.relative for difference in report.differences if difference.is_raw) <= RAW_TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_exported_file_answers_like_its_checkpoint(exported: ExportReport, checkpoint: Path, backend: str) -> None:
    pytest.importorskip(backend)
    engine, expected = Engine.load(exported.path, "cpu", "float32" if backend == "openvino" else "auto", backend), reference(checkpoint)
    assert (engine.backend, engine.device, engine.precision, engine.batch_size) == (backend, "cpu", "float32", 2)
    images, cameras = [picture(96, 128, seed) for seed in range(3)], [CAMERA, None, CAMERA]
    engine.warm_up(720, 1280)  # only a wish
    engine.score_threshold = expected.score_threshold = 0.02
    found = engine.batch(images, cameras)  # three images for graphs of two
    assert len(found) == 3
    for scene, image, camera in zip(found, images, cameras):
        assert_agree(scene, expected(image, camera))
    some = engine(images[0], CAMERA, ["depth"])
    assert some.detections is None and some.segmentation is None
    np.testing.assert_array_equal(some.depth.depth_m, found[0].depth.depth_m)
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine(images[0])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_file_without_depth_is_run_though_nothing_reads_the_focal_length(checkpoint: Path, tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    report = export(checkpoint, tmp_path / "mask.onnx", ExportSettings(tasks=["segmentation"]))
    engine = Engine.load(report.path, "cpu", "float32" if backend == "openvino" else "auto", backend)
    image = picture(96, 128)
    mask = reference(checkpoint)(image, CAMERA, ["segmentation"]).segmentation.mask
    assert (engine(image, CAMERA).segmentation.mask == mask).mean() > 0.999


def test_a_larger_image_of_the_same_shape_is_answered_at_its_own_size(exported: ExportReport, checkpoint: Path) -> None:
    image, camera = picture(288, 384), CAMERA.scaled(384, 288)
    assert_agree(Engine.load(exported.path, "cpu", backend="onnxruntime")(image, camera), reference(checkpoint)(image, camera))


def test_an_image_of_another_shape_is_an_error_that_says_how_to_export(exported: ExportReport) -> None:
    with pytest.raises(BackendError, match="128x96.*160x90.*--width 160 --height 90"):
        Engine.load(exported.path, "cpu", backend="onnxruntime")(picture(90, 160))


@pytest.mark.slow
def test_the_network_is_padded_and_answers_at_the_cameras_size(checkpoint: Path, tmp_path: Path) -> None:
    """A camera of 16:9, two heads: the whole way is in the file, resizing and padding too."""
    settings = ExportSettings(width=240, height=135, tasks=["segmentation", "depth"])
    report = export(checkpoint, tmp_path / "wide.onnx", settings)
    engine = Engine.load(report.path, "cpu", backend="onnxruntime")
    assert engine.tasks == ("segmentation", "depth")
    scene = engine(picture(135, 240), CAMERA.scaled(240, 180))
    assert scene.depth.depth_m.shape == scene.segmentation.mask.shape == (135, 240)
    # The checkpoint's engine shrinks on the host, by another filter: alike, not equal.
    other = reference(checkpoint)(picture(135, 240), CAMERA.scaled(240, 180), ["segmentation", "depth"])
    assert np.median(np.abs(np.log(scene.depth.depth_m / other.depth.depth_m))) < 0.02
    assert (scene.segmentation.mask == other.segmentation.mask).mean() > 0.9


@pytest.mark.slow
def test_half_precision_is_smaller_and_about_the_same(checkpoint: Path, exported: ExportReport, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "half.onnx", ExportSettings(precision="fp16"))
    assert report.path.stat().st_size < 0.7 * exported.path.stat().st_size
    raw = {difference.name: difference.largest for difference in report.differences if difference.is_raw}
    assert 0 < raw["raw.depth.z"] < 0.05
    engine = Engine.load(report.path, "cpu", backend="onnxruntime")
    assert engine.precision == "float16"
    depth_m = engine(picture(96, 128), CAMERA).depth.depth_m
    np.testing.assert_allclose(depth_m, reference(checkpoint)(picture(96, 128), CAMERA).depth.depth_m, rtol=0.05)


@pytest.mark.slow
def test_a_torch_export_is_a_program_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    report = export(checkpoint, tmp_path / "small.pt2", ExportSettings("torch-export"))
    extra = {METADATA_KEY: ""}
    program = torch.export.load(report.path, extra_files=extra).module()
    assert json.loads(extra[METADATA_KEY])["width"] == 128
    answers = program(torch.from_numpy(picture(96, 128))[None], torch.tensor([100.0]))
    expected = reference(checkpoint)(picture(96, 128), CAMERA)
    np.testing.assert_allclose(answers["depth.depth_m"][0].numpy(), expected.depth.depth_m, rtol=1e-4)
    with pytest.raises(CheckpointError):
        Engine.load(report.path, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ExportSettings("tflite"), "format 'tflite'.*onnx, torch-export, tensorrt"),
        (ExportSettings(precision="fp8"), "precision 'fp8'.*float32, float16, int8"),
        (ExportSettings(precision="int8"), "int8 needs pictures.*--calibration"),
        (ExportSettings("torch-export", "int8"), "int8 is for the format onnx"),
        (ExportSettings(input_height=450), "input height is 450.*multiple of 32, such as 448"),
        (ExportSettings(width=0), "width is 0"),
        (ExportSettings(batch=-1), "batch is -1"),
        (ExportSettings(tasks=["depth", "pose"]), "task 'pose'.*detection, segmentation, depth"),
        (ExportSettings("tensorrt"), "TensorrtExecutionProvider is not installed"),
    ],
)
def test_what_cannot_be_exported_is_said(checkpoint: Path, tmp_path: Path, settings: ExportSettings, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export(checkpoint, tmp_path / "no.onnx", settings)
    assert not (tmp_path / "no.onnx").exists()


@pytest.mark.parametrize("file_format", ["onnx", "torch-export"])
def test_a_folder_is_refused_before_anything_is_exported(checkpoint: Path, tmp_path: Path, file_format: str) -> None:
    with pytest.raises(ExportError, match=f"{tmp_path} is a folder, expected the new file, such as {tmp_path}/{checkpoint.stem}"):
        export(checkpoint, tmp_path, ExportSettings(file_format))


def test_files_that_are_not_ours_or_of_another_version_are_refused(exported: ExportReport, tmp_path: Path) -> None:
    model = onnx.load(exported.path)
    card = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps(card | {"export_version": 99})
    onnx.save(model, tmp_path / "newer.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    (tmp_path / "torn.onnx").write_bytes(exported.path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="version 99.*export the checkpoint again"):
        Engine.load(tmp_path / "newer.onnx", device="cpu")
    with pytest.raises(CheckpointError, match="not written by mtl_perception"):
        Engine.load(tmp_path / "foreign.onnx", device="cpu")
    with pytest.raises(CheckpointError, match="not a readable ONNX model"):
        Engine.load(tmp_path / "torn.onnx", device="cpu")
    with pytest.raises(CheckpointError, match="does not exist"):
        Engine.load(tmp_path / "absent.onnx", device="cpu")
    assert card_of(exported.path).name == "tiny"


def test_what_a_file_cannot_be_run_by_is_said(exported: ExportReport, checkpoint: Path) -> None:
    with pytest.raises(BackendError, match="'coreml' is not known; expected auto, torch"):
        Engine.load(exported.path, device="cpu", backend="coreml")
    with pytest.raises(BackendError, match="exported file, which PyTorch does not run"):
        Engine.load(exported.path, device="cpu", backend="torch")
    with pytest.raises(BackendError, match="runs exported files.*mtl-perception export"):
        Engine.load(checkpoint, device="cpu", backend="onnxruntime")
    with pytest.raises(BackendError, match="exported in float32, not in float16"):
        Engine.load(exported.path, device="cpu", precision="float16", backend="onnxruntime")
    if not torch.cuda.is_available():
        with pytest.raises(DeviceError, match="'cuda' was asked for"):
            Engine.load(exported.path, backend="tensorrt")


@pytest.mark.slow
def test_the_command_prints_how_the_outputs_differ(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "depth.onnx"
    result = CliRunner().invoke(app, ["export", str(checkpoint), "--out", str(out), "--tasks", "depth"])
    assert result.exit_code == 0, result.output
    assert "raw.depth.z" in result.output
    assert out.is_file()
    refused = CliRunner().invoke(app, ["export", str(checkpoint), "--format", "coreml"])
    assert refused.exit_code == 1
    assert "format 'coreml' is not known" in refused.output


def test_pixels_are_compared_by_the_digits_that_single_precision_has() -> None:
    boxes = Difference("raw.detection.boxes_xyxy", largest=1.2e-4, magnitude=640.0, equal=1.0)
    logits = Difference("raw.segmentation.logits", largest=1.2e-4, magnitude=0.5, equal=1.0)
    assert boxes.relative < RAW_TOLERANCE < logits.relative


def test_an_export_that_says_nan_is_far_from_pytorch() -> None:
    images = onnx.helper.make_tensor_value_info(IMAGES, onnx.TensorProto.UINT8, [1, 2, 2, 3])
    focal_px = onnx.helper.make_tensor_value_info(FOCAL_PX, onnx.TensorProto.FLOAT, [1])
    z = onnx.helper.make_tensor_value_info("raw.depth.z", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Log", [FOCAL_PX], ["raw.depth.z"])], "log", [images, focal_px], [z])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    inputs = torch.zeros(1, 2, 2, 3, dtype=torch.uint8), torch.tensor([-1.0])
    (found,) = differences(model.SerializeToString(), inputs, {}, {"depth": {"z": torch.zeros(1)}})
    assert found.relative > RAW_TOLERANCE and found.equal == 0
