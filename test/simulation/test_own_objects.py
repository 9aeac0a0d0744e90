# SPDX-License-Identifier: Apache-2.0
"""A user's own meshes, from the file to the labels of a rendered set."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from runs import small_config

from mtl_perception.data.checker import check_files
from mtl_perception.data.index import read_index
from mtl_perception.model.checkpoint import read_card
from mtl_perception.simulation.dataset import DatasetSettings, render_dataset
from mtl_perception.simulation.own_objects import load_objects
from mtl_perception.training import train

trimesh = pytest.importorskip("trimesh")
SIZE_M = np.array([0.16, 0.1, 0.12])


def bracket(size=SIZE_M):
    """An L of two plates whose longest sides are those of ``size``; z is up."""
    foot = trimesh.creation.box((size[0], size[1], 0.2 * size[2]))
    foot.apply_translation((0.3, -0.2, 0.1 * size[2]))  # not in the middle
    back = trimesh.creation.box((size[0], 0.2 * size[1], size[2]))
    back.apply_translation((0.3, -0.2 - 0.4 * size[1], 0.5 * size[2]))
    return trimesh.util.concatenate([foot, back])


def textured(color, size=SIZE_M):
    mesh = bracket(size)
    picture = Image.new("RGB", (32, 32), color)
    uv = np.random.default_rng(0).uniform(0, 1, (len(mesh.vertices), 2))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture, roughnessFactor=0.8, metallicFactor=0.0)
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    return mesh


def write(path, mesh):
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh.export(path)
    return path


@pytest.fixture
def meshes(tmp_path):
    """A folder of one class: a red bracket as .glb, y up."""
    folder = tmp_path / "meshes"
    mesh = textured((220, 30, 30))
    mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    write(folder / "bracket" / "red.glb", mesh)
    return folder


@pytest.mark.parametrize("suffix", ["glb", "obj", "stl", "ply"])
def test_every_format_comes_in_metres_upright_and_in_the_middle(tmp_path, suffix):
    mesh, scale = bracket(), 1.0 if suffix == "glb" else 1000.0
    if suffix == "glb":
        mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    mesh.apply_scale(scale)
    write(tmp_path / "bracket" / f"part.{suffix}", mesh)
    (obj,) = load_objects(tmp_path, units="mm").objects
    vertices = np.concatenate([part.vertices for part, _ in obj.parts])
    assert vertices.min(0) == pytest.approx((-SIZE_M[0] / 2, -SIZE_M[1] / 2, 0), abs=1e-6)
    assert vertices.max(0) == pytest.approx((SIZE_M[0] / 2, SIZE_M[1] / 2, SIZE_M[2]), abs=1e-6)
    assert (obj.label, obj.is_small) == ("bracket", True)
    assert [obj.half_x, obj.half_y, obj.height] == pytest.approx([0.08, 0.05, 0.12], abs=1e-6)
    for part, _ in obj.parts:  # the back plate is the upper half's, away from the front, for every axis convention
        high = part.vertices[part.vertices[:, 2] > 0.1]
        assert high[:, 1].max() < 0
        a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
        assert ((np.cross(b - a, c - a) * part.normals[part.faces].mean(1)).sum(1) > 0).all()
    hull = obj.hull.vertices
    assert np.ptp(hull, axis=0) == pytest.approx(SIZE_M, rel=1e-4)


def test_colours_come_from_textures_from_vertices_or_from_the_room(tmp_path):
    write(tmp_path / "a" / "picture.glb", textured((220, 30, 30)))
    painted = bracket()
    painted.visual.face_colors = [(10, 200, 10, 255) if k % 2 else (10, 10, 200, 255) for k in range(len(painted.faces))]
    write(tmp_path / "b" / "painted.ply", painted)
    write(tmp_path / "c" / "bare.stl", bracket())
    own = load_objects(tmp_path)
    picture, painted, bare = own.objects
    assert picture.parts[0][1].texture.rgb.mean((0, 1)) == pytest.approx((220, 30, 30), abs=2)
    assert picture.parts[0][1].roughness == pytest.approx(0.8)
    means = sorted(tuple(material.texture.rgb[0, 0]) for _, material in painted.parts)
    assert len(means) >= 2 and {int(np.argmax(mean)) for mean in means} == {1, 2}
    drawn = [bare.item(np.random.default_rng(seed)).parts[0][1].texture.rgb.mean() for seed in range(3)]
    assert len(set(drawn)) == 3


def test_edges_stay_sharp_and_curves_smooth(tmp_path):
    write(tmp_path / "block" / "block.stl", trimesh.creation.box((0.1, 0.1, 0.1)))
    write(tmp_path / "ball" / "ball.stl", trimesh.creation.icosphere(subdivisions=3, radius=0.1))
    ball, block = sorted(load_objects(tmp_path).objects, key=lambda obj: obj.label)
    ((mesh, _),) = block.parts
    assert set(np.abs(mesh.normals).max(1).round(6)) == {1.0}  # along an axis
    ((mesh, _),) = ball.parts
    outwards = mesh.vertices - (0, 0, 0.1)
    outwards /= np.linalg.norm(outwards, axis=1, keepdims=True)
    assert (mesh.normals * outwards).sum(1).min() > 0.995


def test_an_open_surface_is_drawn_from_both_sides(tmp_path):
    sheet = trimesh.Trimesh([(0, 0, 0), (0.2, 0, 0), (0.2, 0.2, 0), (0, 0.2, 0.1)], [(0, 1, 2), (0, 2, 3)])
    write(tmp_path / "flap" / "flap.stl", sheet)
    (obj,) = load_objects(tmp_path).objects
    ((mesh, _),) = obj.parts
    assert len(mesh.faces) == 4
    assert mesh.normals.sum(0) == pytest.approx((0, 0, 0), abs=1e-9)


@pytest.mark.parametrize(
    ("make", "units", "message"),
    [
        (lambda folder: write(folder / "cup/a.stl", bracket(1000 * SIZE_M)), "m",
         r"cup/a\.stl: its longest side is 160 m, expected 0\.005 to 3 m, if its numbers are m; .*--object-units mm"),
        (lambda folder: write(folder / "cup/a.stl", bracket()), "mm", r"its longest side is 0\.00016 m.*--object-units m"),
        (lambda folder: write(folder / "cup/a.glb", bracket(0.001 * np.ones(3))), "m", r"a\.glb: its longest side is 0\.001 m.*are metres"),
        (lambda folder: write(folder / "cup/a.ply", trimesh.PointCloud(np.eye(3))), "m", r"a\.ply has no faces"),
        (lambda folder: write(folder / "cup/a.stl", bracket()).write_bytes(b"solid nothing"), "m", r"a\.stl (has no faces|cannot be read)"),
        (lambda folder: write(folder / "cup/a.glb", bracket()).write_bytes(b"glTF but not really"), "m", r"a\.glb cannot be read as a mesh"),
        (lambda folder: write(folder / "cup/a.obj", bracket()).write_text("mtllib gone.mtl\nv 0 0 0\n"), "m", r"gone\.mtl is named by a mesh"),
        (lambda folder: write(folder / "a.stl", bracket()), "m", r"a\.stl belongs to no class"),
        (lambda folder: write(folder / "wall/a.stl", bracket()), "m", r"'wall' cannot be a class"),
        (lambda folder: (folder / "cup").mkdir(), "m", r"holds no meshes, expected CLASS/NAME"),
        (lambda folder: write(folder / "cup/a.stl", bracket()), "feet", r"object units are 'feet', expected one of: m, cm, mm, in"),
        (lambda folder: write(folder / "cup/a.stl", trimesh.creation.icosphere(subdivisions=7, radius=0.1)), "m", r"has 327680 faces, expected at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_mesh_is_named(tmp_path, make, units, message):
    make(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_objects(tmp_path, units)


def test_a_missing_folder_and_a_missing_texture_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone is not a folder"):
        load_objects(tmp_path / "gone")
    mesh = write(tmp_path / "cup" / "a.obj", textured((10, 20, 30)))
    assert load_objects(tmp_path).objects[0].parts[0][1].texture.rgb.mean((0, 1)) == pytest.approx((10, 20, 30), abs=3)
    for picture in [*mesh.parent.glob("*.png"), *mesh.parent.glob("*.jp*g")]:
        picture.unlink()
    with pytest.raises(ValueError, match=r"names the texture .*, which is not there"):
        load_objects(tmp_path)


def test_a_class_that_rooms_have_too_is_one_class(built, tmp_path):
    """The rooms' own cups keep their boxes beside those of the user."""
    from mtl_perception.simulation.catalogue import FIRST

    write(tmp_path / "cup" / "a.stl", bracket())
    write(tmp_path / "kettle" / "b.stl", bracket())
    labels = FIRST.with_objects(load_objects(tmp_path)).labels
    assert labels.detection == (*FIRST.labels.detection, "kettle")
    assert labels.segmentation == (*FIRST.labels.segmentation, "kettle")
    assert labels.small == (*FIRST.labels.small, "kettle")


@pytest.mark.slow
def test_own_meshes_stand_in_rooms_and_are_labelled(vulkan, meshes, tmp_path):
    """End to end: boxes, masks and 3D boxes of a red bracket, in pictures where it is red. The set can be trained on."""
    out = tmp_path / "rooms"
    write(meshes / "large crate" / "crate.stl", trimesh.creation.box((0.7, 0.6, 0.5)))
    settings = DatasetSettings(rooms=2, views=4, seed=7, width=192, height=144, content=2, objects=str(meshes), object_share=0.8)
    render_dataset(out, settings, workers=1, progress=False)
    description = json.loads((out / "dataset.json").read_text())
    assert description["detection_labels"][-2:] == description["segmentation_labels"][-2:] == ["bracket", "large crate"]
    coco = json.loads((out / "annotations.json").read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    found = [obj for obj in coco["annotations"] if names[obj["category_id"]] == "bracket"]
    assert len(found) >= 5
    assert any(name == "large crate" for name in (names[obj["category_id"]] for obj in coco["annotations"]))
    bracket_id, redness, upright = description["segmentation_labels"].index("bracket"), [], 0
    for obj in found:
        semantic = cv2.imread(str(out / "semantic" / files[obj["image_id"]].replace(".jpg", ".png")), cv2.IMREAD_UNCHANGED)
        picture = cv2.imread(str(out / "images" / files[obj["image_id"]])).astype(float)
        x, y, width, height = obj["bbox"]
        inside = semantic[y : y + height, x : x + width] == bracket_id
        assert inside.sum() >= obj["area"] >= 25
        blue, green, red = picture[y : y + height, x : x + width][inside].mean(0)
        redness.append(red / (red + green + blue))
        size = np.sort(obj["box_3d"]["size_m"])
        assert size.max() < np.linalg.norm(SIZE_M) + 0.01 and size.min() > 0.05
        upright += bool(np.allclose(obj["box_3d"]["size_m"], SIZE_M, atol=2e-3))
    assert np.median(redness) > 0.55
    assert upright >= len(found) / 2  # the rest lie as they fell
    findings = check_files(read_index(out, masks=True))
    assert findings.errors == 0, [problem.text for problem in findings.problems if problem.is_error]
    config = small_config(tmp_path, data=str(out), steps=2)
    checkpoint = train(config, Console(quiet=True))
    card = read_card(checkpoint)
    assert {"bracket", "large crate"} <= {*card.detection_labels} & {*card.segmentation_labels}


@pytest.mark.slow
def test_a_set_goes_on_with_the_same_meshes_only(vulkan, meshes, tmp_path):
    settings = DatasetSettings(rooms=1, views=1, seed=7, width=64, height=48, objects=str(meshes))
    render_dataset(tmp_path / "rooms", settings, workers=1, progress=False)
    elsewhere = meshes.rename(tmp_path / "moved")
    same = DatasetSettings(rooms=1, views=1, seed=7, width=64, height=48, objects=str(elsewhere))
    render_dataset(tmp_path / "rooms", same, workers=1, progress=False)
    write(tmp_path / "others" / "bracket" / "red.glb", textured((30, 30, 220)))
    others = DatasetSettings(rooms=1, views=1, seed=7, width=64, height=48, objects=str(tmp_path / "others"))
    with pytest.raises(ValueError, match=r"other settings \(objects '[0-9a-f]{16}'\)"):
        render_dataset(tmp_path / "rooms", others, workers=1, progress=False)


@pytest.mark.slow
def test_views_of_own_meshes_show_them_large(vulkan, meshes, tmp_path):
    """A team that renders its parts wants to see them, not far away among the furniture."""
    out = tmp_path / "rooms"
    settings = DatasetSettings(rooms=2, views=4, seed=8, width=192, height=144, content=2, objects=str(meshes), object_views=1.0)
    render_dataset(out, settings, workers=1, progress=False)
    coco = json.loads((out / "annotations.json").read_text())
    (bracket,) = (category["id"] for category in coco["categories"] if category["name"] == "bracket")
    largest = {image["id"]: 0.0 for image in coco["images"]}
    for obj in coco["annotations"]:
        if obj["category_id"] == bracket:
            largest[obj["image_id"]] = max(largest[obj["image_id"]], *obj["bbox"][2:])
    assert np.median(list(largest.values())) > 0.12 * settings.width
    with pytest.raises(ValueError, match="object_views is 1.5, expected 0 to 1"):
        DatasetSettings(rooms=1, object_views=1.5)
