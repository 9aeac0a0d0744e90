# SPDX-License-Identifier: Apache-2.0
"""Pictures, folders, films and bags through the real network into files."""

import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from made_pictures import bomb
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

import mtl_perception
from mtl_perception.cli.app import app
from mtl_perception.core.depth_image import depth_to_millimetres
from mtl_perception.core.resources import resource
from mtl_perception.data.importers.image_file import SUFFIXES
from mtl_perception.pipeline import PipelineOptions
from mtl_perception.prediction import Predictor, intrinsics_for
from mtl_perception.prediction.command import CameraOptions, predict_source
from mtl_perception.prediction.files import ply
from mtl_perception.prediction.sources import SourceError, open_source, read_picture
from mtl_perception.spatial.points import POINT

ROOT = Path(__file__).parents[2]
EXIF_ORIENTATION, EXIF_FOCAL_35MM = 0x0112, 0xA405


def picture(seed: int = 0, width: int = 96, height: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def write(path: Path, image_rgb: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image_rgb).save(path, **options)
    return path


def predict(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "mtl_perception.cli", "predict", *arguments, "--device", "cpu", "--precision", "float32"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("lite", "cpu", "float32", PipelineOptions(score_threshold=0.05))


@pytest.mark.slow
def test_a_folder_becomes_overlays_boxes_masks_depth_and_points(tmp_path: Path) -> None:
    for name in ("b/2.png", "a.jpg", "ü 1.jpg"):
        write(tmp_path / "in" / name, picture())
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8no picture")
    done = predict(str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--points", "--fov", "70", "--score", "0.01")
    assert done.returncode == 0, done.stderr
    assert "skipped:" in done.stderr and "broken.jpg" in done.stderr and "3 images" in done.stderr
    out = tmp_path / "out"
    names = ["2", "a", "ü 1"]
    assert sorted(p.stem for p in (out / "overlay").iterdir()) == sorted(names)
    assert sorted(p.name for p in (out / "points").iterdir()) == sorted(f"{n}.ply" for n in names)
    for name in names:
        assert cv2.imread(str(out / "mask" / f"{name}.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint8
        depth = cv2.imread(str(out / "depth" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16 and depth.shape == (64, 96) and (depth > 0).mean() > 0.9
    content = json.loads((out / "detections.json").read_text())
    assert {image["file_name"]: image["name"] for image in content["images"]} == {"b/2.png": "2", "a.jpg": "a", "ü 1.jpg": "ü 1"}
    ids = {category["id"] for category in content["categories"]}
    for box in content["annotations"]:
        assert box["category_id"] in ids and 0 <= box["score"] <= 1 and box["bbox"][2] > 0


@pytest.mark.slow
@pytest.mark.parametrize("source", ["{tmp}", "{tmp}/**/*.[jp][pn]g"])
def test_results_in_the_folder_of_the_pictures_are_no_pictures(tmp_path: Path, source: str) -> None:
    for name in ("a.jpg", "a.png"):
        write(tmp_path / "in" / name, picture())
    for out in ("in/results", "in"):
        for _ in range(2):
            done = predict(source.replace("{tmp}", str(tmp_path / "in")), "--out", str(tmp_path / out))
            assert done.returncode == 0 and "2 images" in done.stderr, done.stderr
        shutil.rmtree(tmp_path / "in/results", ignore_errors=True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("{tmp}", ["sub/a.jpg", "sub/a.png"]), ("{tmp}/sub/a.*", ["a.jpg", "a.png"]), ("{tmp}/sub/a.png", ["a.png"])],
)
def test_each_picture_knows_its_file(tmp_path: Path, source: str, expected: list[str]) -> None:
    for name in ("a.jpg", "a.png"):
        write(tmp_path / "sub" / name, picture())
    pictures = list(open_source(source.replace("{tmp}", str(tmp_path))).pictures)
    assert [one.file_name for one in pictures] == expected
    assert [one.name for one in pictures] == ["a", "a_2"][: len(expected)]


@pytest.mark.slow
def test_several_processes_write_the_same_as_one(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / f"in/{number}.png", picture(number))
    for workers in ("1", "2"):
        done = predict(str(tmp_path / "in"), "--out", str(tmp_path / workers), "--score", "0.01", "--workers", workers)
        assert done.returncode == 0, done.stderr
    one = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file())
    assert len(one) == 3 * 5 + 1
    assert one == sorted(path.relative_to(tmp_path / "2") for path in (tmp_path / "2").rglob("*") if path.is_file())
    assert all((tmp_path / "1" / path).read_bytes() == (tmp_path / "2" / path).read_bytes() for path in one)


@pytest.mark.slow
def test_pycocotools_reads_the_boxes(tmp_path: Path, predictor: Predictor) -> None:
    from pycocotools.coco import COCO

    from mtl_perception.prediction.files import PredictionFiles

    files = PredictionFiles(tmp_path, predictor.card)
    files.add("one", predictor(picture(3)))
    files.close()
    read = COCO(str(tmp_path / "detections.json"))
    assert len(read.imgs) == 1
    assert len(read.loadRes(json.loads((tmp_path / "detections.json").read_text())["annotations"]).anns or {}) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_film_becomes_a_film(tmp_path: Path, suffix: str) -> None:
    codec = {".mp4": "mpeg4", ".webm": "libvpx"}[suffix]
    with av.open(str(tmp_path / f"in{suffix}"), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(i), format="rgb24")))
        container.mux(stream.encode(None))
    done = predict(str(tmp_path / f"in{suffix}"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "out" / "overlay.webm")) as container:
        frames = list(container.decode(video=0))
        rate_hz = float(container.streams.video[0].average_rate)
    assert len(frames) == 6 and (frames[0].width, frames[0].height) == (96, 64)
    assert rate_hz == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("matrix", [(s, 0, 0, t) for s in (1, -1) for t in (1, -1)] + [(0, s, t, 0) for s in (1, -1) for t in (1, -1)])
def test_a_film_is_shown_upright(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Turned and mirrored, all eight ways, as the film's header says and every player shows it."""
    a, b, c, d = matrix
    corners = {(-1, -1): (230, 20, 20), (1, -1): (20, 230, 20), (-1, 1): (20, 20, 230), (1, 1): (230, 230, 20)}
    stored = np.zeros((48, 64, 3), np.uint8)
    for (x, y), color in corners.items():
        stored[24 * (y > 0) : 24 * (y > 0) + 24, 32 * (x > 0) : 32 * (x > 0) + 32] = color
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        container.mux(stream.encode(None))
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44  # ISO/IEC 14496-12: 16.16 fixed point, the third column 2.30
    content[place : place + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    (shown,) = open_source(str(path)).pictures
    assert shown.image_rgb.shape == ((48, 64, 3) if a else (64, 48, 3))
    height, width = shown.image_rgb.shape[:2]
    for (x, y), color in corners.items():
        column, row = width // 2 + (a * x + c * y) * width // 4, height // 2 + (b * x + d * y) * height // 4
        assert np.abs(shown.image_rgb[row, column].astype(int) - color).max() < 40, (x, y)


def test_a_film_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(i), format="rgb24")))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source = open_source(str(path))
    assert 0 < len(list(source.pictures)) < 20
    path.write_bytes(b"no film")
    with pytest.raises(SourceError, match="in.mp4 can't be opened as a film"):
        open_source(str(path))


@pytest.mark.slow
def test_a_bag_brings_its_camera(tmp_path: Path) -> None:
    done = predict(str(resource("bags/demo")), "--out", str(tmp_path / "out"), "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert "2 images" in done.stderr and "not known" not in done.stderr


@pytest.mark.slow
def test_what_depth_means_without_a_camera_is_said(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture())
    done = predict(str(tmp_path / "a.png"), "--out", str(tmp_path / "out"))
    assert "The camera of 1 of 1 images is not known" in done.stderr and "sees 65°" in done.stderr and "--fov" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.jpg", "nowhere.jpg does not exist; expected a picture, a folder"),
        ("", "the source is empty; expected a picture, a folder"),
        ("{tmp}", "no picture in it"),
        ("{tmp}/*.jpg", "pattern .* no picture in it"),
        ("97", "camera 97 can't be opened"),
        ("rtsp://127.0.0.1:9/none", "can't be opened as a film or stream"),
        ("{tmp}/text.jpg", "can't be read as a picture"),
    ],
)
def test_a_source_without_pictures_is_named_in_one_line(tmp_path: Path, source: str, words: str) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    if source.endswith("text.jpg"):
        (folder / "text.jpg").write_text("no picture")
    done = predict(source.replace("{tmp}", str(folder)), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert re.search(words, " ".join(done.stderr.split())) and "Traceback" not in done.stderr


def test_a_folder_gives_pictures_of_every_kind_that_import_reads(tmp_path: Path) -> None:
    for number, suffix in enumerate(SUFFIXES):
        shade = Image.new("L" if suffix == ".pgm" else "RGB", (48, 32), 10 * number if suffix == ".pgm" else (10 * number,) * 3)
        shade.save(tmp_path / f"{number:02d}{suffix.upper() if number % 2 else suffix}", "JPEG" if suffix == ".jfif" else None)
    pictures = list(open_source(str(tmp_path)).pictures)
    assert [(one.name, round(one.image_rgb.mean(), -1)) for one in pictures] == [(f"{n:02d}", 10 * n) for n in range(len(SUFFIXES))]


def test_topics_are_a_bag_s(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture())
    for topics in ({"image_topic": "/camera"}, {"camera_info_topic": "/camera/info"}):
        with pytest.raises(SourceError, match="a.png is no bag; leave --image and --camera-info out"):
            open_source(str(tmp_path / "a.png"), **topics)


@pytest.mark.slow
def test_ctrl_c_leaves_whole_files(tmp_path: Path) -> None:
    for i in range(400):
        write(tmp_path / "in" / f"{i:03d}.jpg", picture(i))
    command = [
        sys.executable,
        "-m",
        "mtl_perception.cli",
        "predict",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "out"),
        "--device",
        "cpu",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    while not list((tmp_path / "out" / "depth").glob("*.png")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130 and "Traceback" not in said
    images = json.loads((tmp_path / "out" / "detections.json").read_text())["images"]
    assert 0 < len(images) < 400
    for file in (tmp_path / "out").rglob("*.png"):
        assert cv2.imread(str(file), cv2.IMREAD_UNCHANGED) is not None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "film"])
def test_a_call_that_was_killed_goes_on(tmp_path: Path, predictor: Predictor, kind: str) -> None:
    """Nothing is looked at twice, lost or there twice; the results are those of a call that was not cut off."""
    source, count = tmp_path / "in", 40
    source.mkdir()
    if kind == "folder":
        for i in range(count):
            write(source / f"{i:03d}.jpg", picture(i))
    else:
        source = source / "in.mp4"
        with av.open(str(source), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for i in range(count):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(i), format="rgb24")))
            container.mux(stream.encode(None))
    out, straight = tmp_path / "out", tmp_path / "straight"
    command = [sys.executable, "-m", "mtl_perception.cli", "predict", str(source), "--out", str(out), "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--precision", "float32", "--score", "0.05", "--fov", "70"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
    )
    while len(list((out / "depth").glob("*.png"))) < 5:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    kept = {json.loads(line)["name"] for line in (out / "unfinished/done.jsonl").read_bytes().splitlines()}
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.png") if path.stem in kept}
    assert 4 <= len(kept) < count and len(stamps) == 2 * len(kept)
    with (out / "unfinished/done.jsonl").open("ab") as file:
        file.write(b'{"name":"torn')
    said = {folder: Console(file=StringIO(), width=200) for folder in (out, straight)}
    for folder, console in said.items():
        assert predict_source(open_source(str(source)), predictor, folder, console, CameraOptions(fov_deg=70)) == count
    assert f"{len(kept)} of {count} pictures are done already" in said[out].file.getvalue()
    assert "already" not in said[straight].file.getvalue()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    files = [{p.relative_to(o): p for p in o.rglob("*") if p.is_file() and p.suffix != ".webm"} for o in (out, straight)]
    assert files[0].keys() == files[1].keys() and all(files[0][name].read_bytes() == files[1][name].read_bytes() for name in files[0])
    if kind == "film":
        films = []
        for folder in (out, straight):
            with av.open(str(folder / "overlay.webm")) as container:
                films.append([frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)])
        assert len(films[0]) == len(films[1]) == count
        assert np.mean([np.abs(one - other).mean() for one, other in zip(*films, strict=True)]) < 1


def test_masks_that_were_written_are_drawn_again() -> None:
    from mtl_perception.core.instances import InstanceMasks
    from mtl_perception.prediction.files import _KeptMasks

    crops = [np.random.default_rng(0).random((4, 5)) > 0.5, np.ones((7, 12), bool), np.ones((1, 1), bool)]
    masks = InstanceMasks(12, 7, [(2, 1), (0, 0), (11, 6)], crops)
    again = _KeptMasks([masks.run_lengths(i) for i in range(3)]).of(np.zeros((3, 4)), 12, 7)
    assert all((again.whole(i) == masks.whole(i)).all() for i in range(3))


@pytest.mark.slow
def test_a_call_with_other_options_begins_anew(tmp_path: Path, predictor: Predictor) -> None:
    from mtl_perception.prediction.files import PredictionFiles

    first = PredictionFiles(tmp_path, predictor.card, settings={"score": 0.1})
    first.add("a", predictor(picture()))
    first.close(complete=False)
    assert list(PredictionFiles(tmp_path, predictor.card, settings={"score": 0.1}).done) == ["a"]
    assert not PredictionFiles(tmp_path, predictor.card, settings={"score": 0.2}).done
    assert not PredictionFiles(tmp_path, predictor.card).done  # a camera's


def test_exif_turns_the_picture_and_gives_the_lens(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    exif[0x8769] = {EXIF_FOCAL_35MM: 26}
    write(tmp_path / "a.jpg", picture(width=96, height=64), exif=exif, quality=95)
    read = read_picture(tmp_path / "a.jpg")
    assert read.image_rgb.shape == (96, 64, 3) and read.focal_35mm == 26.0
    camera = intrinsics_for(64, 96, focal_35mm=26.0)
    # A phone's main camera: some 80° over the diagonal.
    assert 2 * np.degrees(np.arctan(np.hypot(64, 96) / 2 / camera.fx)) == pytest.approx(79.5, abs=0.5)


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_a_picture_of_twelve_bits_is_not_black(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, np.linspace(0, 4095, 64 * 96).reshape(64, 96).astype(np.uint16))
    brightness = read_picture(tmp_path / name).image_rgb[..., 0]
    assert brightness.min() == 0 and brightness.max() == 255 and 120 < brightness.mean() < 135


def test_a_bomb_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bomb(9000, 9000))
    with pytest.raises(SourceError, match="picture is of 9000x9000 = 81000000 pixels, expected at most 50000000"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("options", [{"fov_deg": 200}, {"fov_deg": 0}, {"focal_px": 0.01}, {"focal_px": -5}, {"focal_px": float("nan")}])
def test_a_lens_that_can_not_be_is_refused(options: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        intrinsics_for(640, 480, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fov", "nan"], "nan°, expected 5 to 175"),
        (["--fov", "-inf"], "-inf°, expected 5 to 175"),
        (["--focal", "nan"], "nan pixels, expected a positive number"),
        (["--focal", "inf"], "inf pixels, expected a positive number"),
        (["--focal", "0"], "0 pixels, expected a positive number"),
        (["--focal", "300", "--fov", "60"], "one of --focal and --fov"),
    ],
)
def test_a_lens_that_can_not_be_is_told_before_any_picture(options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["predict", "nowhere.jpg", *options])
    assert done.exit_code == 1 and words in done.stderr and done.stderr.count("\n") == 1


def test_three_lines_of_python(tmp_path: Path) -> None:
    write(tmp_path / "a.png", picture())
    found = mtl_perception.predict(tmp_path / "a.png", device="cpu", fov_deg=70)
    assert found.mask.shape == found.depth_m.shape == (64, 96)
    assert found.overlay_rgb.shape == (64, 96, 3)
    assert all(set(box) == {"label", "score", "box_xyxy"} for box in found.boxes)
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        mtl_perception.predict(np.zeros((4, 4), np.float32), device="cpu")


def test_depth_follows_the_lens(predictor: Predictor) -> None:
    image = picture()
    wide, long = (predictor(image, intrinsics_for(96, 64, focal_px=focal)).depth_m for focal in (60.0, 120.0))
    np.testing.assert_allclose(long, 2 * wide, rtol=1e-3)


@pytest.mark.slow
def test_no_two_boxes_of_one_place(predictor: Predictor) -> None:
    """What the node publishes: the weaker of two names of one object is left out."""
    from mtl_perception.core.boxes import box_iou

    image = cv2.cvtColor(cv2.imread(str(ROOT / "docs/rooms.png")), cv2.COLOR_BGR2RGB)[:288, :384]
    boxes = np.array([box["box_xyxy"] for box in predictor(np.ascontiguousarray(image)).boxes])
    assert len(boxes) > 3
    assert np.triu(box_iou(boxes, boxes), 1).max() <= 0.8


def test_millimetres_and_points() -> None:
    depth = np.array([[1.2345, np.nan, np.inf, 70.0, -1.0]], np.float32)
    assert depth_to_millimetres(depth).tolist() == [[1234, 0, 0, 0, 0]] or depth_to_millimetres(depth).tolist() == [[1235, 0, 0, 0, 0]]
    cloud = np.zeros(3, POINT)
    cloud["x"], cloud["z"], cloud["label"] = [1, 2, 3], [1, np.nan, 2], [4, 5, 6]
    cloud["rgb"] = np.array([0x00102030] * 3, np.uint32).view(np.float32)
    content = ply(cloud)
    header, _, body = content.partition(b"end_header\n")
    assert b"element vertex 2" in header and len(body) == 2 * 16
    assert list(body[12:16]) == [0x10, 0x20, 0x30, 4]
