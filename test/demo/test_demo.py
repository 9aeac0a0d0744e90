# SPDX-License-Identifier: Apache-2.0
"""The whole demo, with a real network that has learned nothing: over DDS, to the last file."""

import json
import re
import shutil
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from model import tiny_card, tiny_network
from rich.console import Console
from small_bags import HEIGHT, WIDTH, SmallBag, write_drive
from small_disk import small_disk

pytest.importorskip("rclpy", reason="needs ROS: run with scripts/run")

from mtl_perception.bags import Bag, BagError
from mtl_perception.demo.depth_camera import assess_depth_camera
from mtl_perception.demo.report import write_report
from mtl_perception.demo.run import assess, run_demo
from mtl_perception.evaluation import evaluate_engine
from mtl_perception.evaluation.samples import BagSamples
from mtl_perception.inference.engine import Engine
from mtl_perception.model.checkpoint import save_checkpoint

pytestmark = pytest.mark.slow
IMAGES = 7


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    card = tiny_card()
    save_checkpoint(root / "tiny.safetensors", tiny_network(card), card)
    write_drive(root / "drive", IMAGES)
    write_depth_drive(root / "depth")
    (root / "out" / "outputs").mkdir(parents=True)
    (root / "out" / "outputs" / "metadata.yaml").write_text("of an earlier demo")
    result = run_demo(
        root / "drive",
        root / "out",
        model=str(root / "tiny.safetensors"),
        device="cpu",
        precision="float32",
        console=Console(quiet=True),
        depth_bag=root / "depth",
    )
    return root, result


def write_depth_drive(path, measured_mm=2990, truth=True):
    """The truth is 3 m, and 1.5 m in a box; the sensor sees the wall's right quarter alone, 1 cm too near."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint16)
    pixels[:, 3 * WIDTH // 4 :] = measured_mm
    with SmallBag(path) as bag:
        bag.write_label_info()
        for frame in range(5):
            bag.write_camera_info(frame)
            bag.write_jpeg(frame)
            bag.write_raw(frame, "/depth", "16UC1", pixels)
            if truth and frame % 2 == 0:
                bag.write_truth(frame)


@pytest.fixture
def summary(demo):
    return json.loads((demo[0] / "out/summary.json").read_text())


def test_summary_counts_every_frame(demo, summary):
    frames = summary["frames"]
    assert frames["in"] == IMAGES and frames["lost"] == frames["rejected"] == 0
    assert frames["processed"] + frames["dropped"] == IMAGES and frames["processed"] >= 1
    assert (summary["model"], summary["device"], summary["precision"]) == ("tiny", "cpu", "float32")
    stages = summary["latency_ms"]
    assert {"decode", "preprocess", "network", "postprocess", "fill", "publish", "whole"} <= set(stages)
    assert all(0 <= share["p50"] <= share["p99"] for share in stages.values())


def test_scores_are_those_of_the_engine_on_the_truth_of_the_bag(demo, summary):
    root, _ = demo
    engine = Engine.load(root / "tiny.safetensors", "cpu", "float32")
    with Bag(root / "drive") as bag:
        image = bag.find_image()
        samples = BagSamples(bag, image, bag.find_camera_info(image), engine.card)
        expected = evaluate_engine(engine, samples).scores
    for task, measure in (("segmentation", "mIoU"), ("depth", "AbsRel")):
        assert summary[measure] == pytest.approx(expected[task][measure], rel=1e-4)
        assert summary["scores"]["every_labelled_frame"][task]["frames"] == IMAGES
    assert summary["AP50"] is None  # the truth's only class is unknown to this model
    assert summary["scores"]["live"]["depth"]["frames"] == summary["frames"]["processed"]


def test_outputs_are_a_bag_of_the_processed_frames(demo, summary):
    with Bag(demo[0] / "out/outputs") as bag:
        for topic in ("detections", "segmentation/mask", "depth/image_rect", "status"):
            assert bag.topics[f"/perception/{topic}"].count == summary["frames"]["processed"]


def test_the_film_shows_every_image(demo):
    film = cv2.VideoCapture(str(demo[0] / "out/film.webm"))
    pictures = []
    while (read := film.read())[0]:
        pictures.append(read[1])
    assert len(pictures) == IMAGES
    assert pictures[0].shape == (HEIGHT + 36, WIDTH * 3 // 2, 3)
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(10, rel=0.02)


def test_the_contact_sheet_has_a_row_a_frame_and_a_column_a_panel(demo):
    sheet = cv2.imread(str(demo[0] / "out/contact_sheet.png"))
    assert sheet.shape[1] > 6 * 320 and sheet.shape[0] > 6 * 320 * HEIGHT / WIDTH


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href", "poster", "srcset")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_report_stands_alone_and_tells_what_the_summary_tells(demo, summary):
    page = (demo[0] / "out/report.html").read_text()
    parser = _Links()
    parser.feed(page)
    assert len(parser.links) >= 3 * 6 + 1 and all(link.startswith("data:") for link in parser.links)
    assert not re.search(r"(?:url\(|@import)\s*['\"]?(?!data:)\w", page)
    text = " ".join(" ".join(parser.text).split())
    assert f"{summary['mIoU']:.3f}" in text and f"{summary['AbsRel']:.3f}" in text
    assert f"{IMAGES} images in, {summary['frames']['processed']} processed" in text
    assert "best" in text and "worst" in text and "not scored: cup" in text
    assert "undefined" not in text.lower() and "nan" not in text.lower()


def test_the_drive_with_a_depth_camera_shows_what_that_is_worth(demo, summary):
    scores = summary["depth_camera"]
    assert (scores["bag"], scores["frames_labelled"]) == ("depth", 3)
    assert scores["measured_share"] == pytest.approx(0.25, abs=0.03)
    network, fused = scores["every_pixel"]["network"], scores["every_pixel"]["fused"]
    holes, filled = scores["unmeasured_pixels"]["network"], scores["unmeasured_pixels"]["fused"]
    assert fused["RMSE"] < network["RMSE"] and filled["RMSE"] < holes["RMSE"]
    # Half of the true pixels are measured, 1 cm too near; the others are the holes, each with its own error.
    share = 0.5
    assert fused["AbsRel"] == pytest.approx(share * 0.01 / 3 + (1 - share) * filled["AbsRel"], rel=0.05)
    sheet = cv2.imread(str(demo[0] / "out/depth_camera.png"))
    assert sheet.shape[1] > 7 * 320 and sheet.shape[0] > 3 * 320 * HEIGHT / WIDTH
    page = (demo[0] / "out/report.html").read_text()
    assert "With a depth camera" in page and f"{fused['AbsRel']:.3f}" in page


def test_a_drive_without_measurements_is_named(demo, tmp_path):
    engine = Engine.load(demo[0] / "tiny.safetensors", "cpu", "float32")
    write_depth_drive(tmp_path / "blind", truth=False)
    with pytest.raises(BagError, match="holds no image with both true depth and a measurement"):
        assess_depth_camera(tmp_path / "blind", engine, Console(quiet=True))
    with pytest.raises(BagError, match="holds no depth that is registered to /camera/image_raw/compressed"):
        assess_depth_camera(demo[0] / "drive", engine, Console(quiet=True))


def test_a_drive_without_truth_gives_a_report_without_scores(demo, tmp_path):
    write_drive(tmp_path / "plain", 2, truth=False)
    shutil.copytree(demo[0] / "out/outputs", tmp_path / "outputs")
    engine = Engine.load(demo[0] / "tiny.safetensors", "cpu", "float32")
    with Bag(tmp_path / "plain") as bag:
        result = assess(bag, engine, demo[1].report, tmp_path, Console(quiet=True))
    assert result.labelled == 0 and result.summary()["mIoU"] is None
    write_report(result, tmp_path / "film.webm", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Scores" not in page and "Three images of the drive" in page


@pytest.mark.parametrize("kibibytes", [256, 1120])
def test_a_full_disk_names_what_could_not_be_written_and_leaves_no_torn_file(demo, tmp_path, kibibytes):
    root, _ = demo
    with small_disk(tmp_path / "disk", kibibytes) as disk:
        with disk.joinpath("ballast").open("wb") as ballast:
            ballast.write(bytes(32 << 10))
        options = {"model": str(root / "tiny.safetensors"), "device": "cpu", "precision": "float32", "console": Console(quiet=True)}
        with pytest.raises((BagError, OSError), match=rf"{disk}/out/.*No space left on device"):
            run_demo(root / "drive", disk / "out", **options)
        left = {path.name for path in disk.joinpath("out").iterdir()}
        assert not any(name.endswith(".part") for name in left)
        if "outputs" in left:
            with Bag(disk / "out/outputs") as bag:
                assert len(list(bag.messages(*bag.topics))) > 0


def test_a_drive_without_a_readable_image_is_named(demo, tmp_path):
    with SmallBag(tmp_path / "torn") as bag:
        for frame in range(3):
            bag.write_jpeg(frame, data=b"\xff\xd8 torn")
    engine = Engine.load(demo[0] / "tiny.safetensors", "cpu", "float32")
    with (
        Bag(tmp_path / "torn") as bag,
        pytest.raises(BagError, match="no image on /camera/image_raw/compressed can be read; of the first: "),
    ):
        assess(bag, engine, demo[1].report, tmp_path, Console(quiet=True))
