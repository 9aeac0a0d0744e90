# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from small_bags import SECOND_NS, STUFF, WIDTH, SmallBag, box, write_drive

from mtl_perception.bags import Bag, BagError
from mtl_perception.evaluation.ground_truth import BagTruth
from mtl_perception.evaluation.poses import camera_poses


def test_truth_is_found_by_stamp_in_the_labels_of_the_model(tmp_path):
    write_drive(tmp_path / "drive", 3)
    with Bag(tmp_path / "drive") as bag:
        truth = BagTruth(bag, ["bin", "cup"], ["cup", "wall", "floor", "sofa"])
        assert len(truth) == 3 and truth.left_out == set()
        known = truth.at(truth.stamps_ns[2])
        assert truth.at(truth.stamps_ns[2] + 1) is None
    x1, y1, x2, y2 = box(2)
    assert known.boxes_xyxy.tolist() == [[x1, y1, x2, y2]] and known.class_ids.tolist() == [1]
    assert known.mask_ids.tolist() == [0, 1, 2]  # the bag has no name for a sofa
    assert known.mask[y1, x1] == 0 and known.mask[0, 0] == 1
    assert np.isnan(known.depth_m[:, : WIDTH // 2]).all()
    assert known.depth_m[0, -1] == pytest.approx(3.0) and known.depth_m.dtype == np.float32


def test_classes_unknown_to_the_model_are_left_out_and_named(tmp_path):
    write_drive(tmp_path / "drive", 1)
    with Bag(tmp_path / "drive") as bag:
        truth = BagTruth(bag, ["bin"], ["wall"])
        known = truth.at(truth.stamps_ns[0])
        assert known.boxes_xyxy.shape == (0, 4)
        assert set(np.unique(known.mask)) == {0, 255}
        assert truth.left_out == {"cup", "floor"}


def test_a_mask_without_names_is_refused(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_truth(0)
    with Bag(tmp_path / "bag") as bag, pytest.raises(BagError, match="no /ground_truth/label_info"):
        BagTruth(bag, ["cup"], STUFF)


def test_a_mask_that_is_no_grey_png_is_named(tmp_path):
    with SmallBag(tmp_path / "bag") as bag:
        bag.write_label_info()
        bag.write_jpeg(0, "/ground_truth/segmentation")
    with Bag(tmp_path / "bag") as bag:
        truth = BagTruth(bag, ["cup"], STUFF)
        with pytest.raises(BagError, match="/ground_truth/segmentation can't be read: it is a JPEG, .*, expected a PNG"):
            truth.at(truth.stamps_ns[0])


def test_a_bag_without_truth_has_none(tmp_path):
    write_drive(tmp_path / "drive", 1, truth=False)
    with Bag(tmp_path / "drive") as bag:
        assert len(BagTruth(bag, ["cup"], STUFF)) == 0


@pytest.mark.parametrize("delay_s", [0, 3600, -3600], ids=["in time", "recorder ahead", "recorder behind"])
@pytest.mark.parametrize("count", [20, 200], ids=["short", "long"])
def test_each_stamp_that_transforms_reach_has_a_pose(tmp_path, delay_s, count):
    """Also where the first image was taken before they begin, and whatever the recorder's clock says: a simulation's begins at 0."""
    frames = range(count)
    with SmallBag(tmp_path / "bag") as bag:
        for frame in frames:
            bag.write_transform(frame, "odom", "camera", 0.1 * frame, delay_ns=delay_s * SECOND_NS)
        stamps = [bag.stamp_ns(frame) for frame in frames]
    early, late = stamps[0] - SECOND_NS, stamps[-1] + SECOND_NS
    with Bag(tmp_path / "bag") as bag:
        poses = camera_poses(bag, dict.fromkeys([early, *stamps, late], "camera"), "odom")
    assert list(poses) == stamps
    assert [poses[stamp][0, 3] for stamp in stamps] == pytest.approx([0.1 * frame for frame in frames])
