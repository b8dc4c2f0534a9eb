"""The shipped weights are what the manifest says, and can be made again by one call."""

import json
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ippy import course, weights
from ippy.data import MayoDataset, hold_out
from ippy.models import SimpleCNN, load_weights
from ippy.phantoms import phantom
from ippy.recipe import PRESETS
from ippy.training import evaluate
from ippy.weights import CATALOGUE, Entry, describe, make_weights, read_manifest, sha256, thin

FOLDER = weights.weights_folder()
MANIFEST = read_manifest()
TINY = {
    "one": Entry(replace(PRESETS["tiny"], steps=4)),
    "two": Entry(replace(PRESETS["tiny"], steps=3, start="default"), {"final_activation": "tanh"}),
}


def test_every_file_is_in_the_manifest_and_the_catalogue():
    files = {path.stem for path in FOLDER.glob("*.pth")}
    assert files == set(MANIFEST) == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_file_is_the_one_that_the_manifest_describes(name):
    entry, path = MANIFEST[name], FOLDER / f"{name}.pth"
    assert sha256(path) == entry["sha256"]
    model = load_weights(SimpleCNN(**entry["architecture"]), path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    assert sum(values.numel() for values in state.values()) == entry["parameters"]
    assert not model.training
    for part, value in describe(name).items():
        assert entry[part] == value, part


def test_all_networks_but_two_families_follow_the_courses_noise(monkeypatch):
    monkeypatch.setattr(course, "NOISE_LEVEL", 0.03)
    anew = runpy.run_path(weights.__file__)["CATALOGUE"]
    levels = {name: entry.recipe.noise_level for name, entry in anew.items()}
    fixed = {name for name in anew if name.startswith(("noise-0", "noise-5"))}
    assert {levels[name] for name in anew if name not in fixed} == {0.03}
    assert {levels[name] for name in fixed} == {0.0, 0.05}


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_entry_tells_how_the_training_went(name):
    entry = MANIFEST[name]
    steps = [point["step"] for point in entry["history"]]
    assert steps == sorted(set(steps))
    assert steps[-1] == entry["recipe"]["steps"]
    assert len(steps) <= weights.HISTORY_LENGTH
    assert all(point["loss"] > 0 for point in entry["history"])
    assert entry["seconds"] > 0
    assert set(entry["versions"]) == {"python", "torch"}
    assert entry["blur"] == course.BLUR


def test_the_weights_were_trained_on_the_slices_that_are_embedded_now():
    root = course.embedded_data()
    train_set, watched = hold_out(MayoDataset(root / "train"))
    assert len(train_set) == 290 and len(watched) == 5
    data = {"slices": len(train_set), "sha256": weights.fingerprint(train_set)}
    for name, entry in MANIFEST.items():
        assert entry["data"] == data, name


@pytest.mark.parametrize("name", ["CNN", "filters-8-0", "head-residual-tanh-0"])
def test_a_network_scores_what_the_manifest_says(name):
    """Slices of which the manifest holds the scores one by one; 0.1 dB is for other processors."""
    entry = MANIFEST[name]
    test_set = MayoDataset(course.embedded_data() / "test")
    some = list(range(0, len(test_set), 10))
    model = load_weights(SimpleCNN(**entry["architecture"]), FOLDER / f"{name}.pth")
    level = entry["scores"]["noise_level"]
    data = [test_set[i] for i in some]
    numbers = [test_set.paths[i].stem for i in some]
    scores = evaluate(model, course.blurring(), Named(data, numbers), level)
    expected = [entry["scores"]["psnr_of_slices"][i] for i in some]
    assert scores.psnr.tolist() == pytest.approx(expected, abs=0.1)
    mean = sum(entry["scores"]["psnr_of_slices"]) / len(test_set)
    assert entry["scores"]["psnr"] == pytest.approx(mean, abs=0.01)


class Named(list):
    """Slices with the numbers of their files."""

    def __init__(self, slices, numbers):
        super().__init__(slices)
        self.paths = [f"{number}.png" for number in numbers]


@pytest.fixture
def small_world(tmp_path, monkeypatch):
    """Two tiny networks, four small slices, and a project folder of their own."""
    from PIL import Image

    for split, seeds in (("train", range(3)), ("test", range(7, 9))):
        (tmp_path / "data" / split / "P0").mkdir(parents=True)
        for seed in seeds:
            grey = (phantom(seed, 64) * 255).round().astype("uint8")
            Image.fromarray(grey).save(tmp_path / "data" / split / "P0" / f"{seed}.png")
    monkeypatch.setattr(
        weights, "find_data", lambda root=None: tmp_path / "data" if root is None else Path(root)
    )
    monkeypatch.setattr(weights, "weights_folder", lambda: tmp_path / "weights")
    monkeypatch.setattr(weights, "project_root", lambda: tmp_path)
    monkeypatch.setattr(weights, "MayoDataset", lambda path: MayoDataset(path, 64, cache=False))
    monkeypatch.setattr(course, "IMG_SHAPE", (64, 64))
    monkeypatch.setattr(
        weights.course, "blurring", lambda: course.Blurring((64, 64), **course.BLUR)
    )
    monkeypatch.setattr(weights, "CATALOGUE", TINY)
    return tmp_path


def test_networks_are_made_with_their_manifest(small_world):
    paths = make_weights(progress=False)
    assert paths == [small_world / "weights" / name for name in ("one.pth", "two.pth")]
    manifest = read_manifest(small_world / "weights")
    assert list(manifest) == ["one", "two"]
    entry = manifest["two"]
    assert entry["sha256"] == sha256(paths[1])
    assert entry["command"] == "ippy train --weights two"
    assert entry["architecture"]["final_activation"] == "tanh"
    assert entry["parameters"] == 9857
    assert entry["recipe"]["start"] == "default"
    assert entry["data"]["slices"] == 3
    assert [point["step"] for point in entry["history"]] == [3]
    model = load_weights(SimpleCNN(**entry["architecture"]), paths[1])
    test_set = MayoDataset(small_world / "data" / "test", 64, cache=False)
    K = course.Blurring((64, 64), **course.BLUR)
    scores = evaluate(model, K, test_set, 0.01)
    assert entry["scores"]["psnr"] == pytest.approx(scores.mean_psnr, abs=1e-2)
    assert entry["scores"]["psnr_of_slices"] == pytest.approx(scores.psnr.tolist(), abs=1e-2)
    assert entry["scores"]["ssim"] == pytest.approx(scores.mean_ssim, abs=1e-3)
    measured = evaluate(lambda y: y, K, test_set, 0.01)
    assert entry["scores"]["measurement_psnr"] == pytest.approx(measured.mean_psnr, abs=1e-2)
    assert entry["scores"]["measurement_ssim"] == pytest.approx(measured.mean_ssim, abs=1e-3)
    assert list((small_world / "runs" / "weights").iterdir()) == []


def test_what_is_up_to_date_is_left_alone_and_the_rest_is_made(small_world, capsys):
    one, _ = make_weights(folder=small_world / "w", progress=False, say=lambda line: None)
    stamp, content = one.stat().st_mtime_ns, one.read_bytes()
    make_weights(folder=small_world / "w")
    assert capsys.readouterr().out == "2 of 2 networks are up to date\n"
    assert one.stat().st_mtime_ns == stamp

    one.write_bytes(b"damaged")
    make_weights(["one"], small_world / "w")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 of 1 networks are up to date"
    assert lines[1].startswith("1 to make: about 1 min on this machine. Ctrl-C stops")
    assert lines[2] == "one (1 of 1)"
    assert one.read_bytes() == content

    manifest = read_manifest(small_world / "w")
    manifest["one"]["data"]["sha256"] = "other slices"
    manifest["two"]["recipe"]["steps"] = 5
    (small_world / "w" / "manifest.json").write_text(json.dumps(manifest))
    one.unlink()
    make_weights("two", small_world / "w")
    assert "two (1 of 1)" in capsys.readouterr().out
    assert not one.exists()
    assert read_manifest(small_world / "w")["one"] == manifest["one"]
    make_weights(None, small_world / "w")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 of 2 networks are up to date"
    assert lines[-1] == "one (1 of 1)"


def test_the_time_is_told_beforehand_and_what_is_done_already_is_not_counted(
    small_world, monkeypatch
):
    asked = []

    def paced(model, K, data, recipe, **_):
        asked.append(recipe.steps)
        return [{"seconds": 1.0}, {"seconds": 31.0}]  # ten seconds for each of three more steps

    monkeypatch.setattr(weights, "train", paced)
    train_set = MayoDataset(small_world / "data" / "train", 64, cache=False)
    assert weights.announce(["one"], train_set).startswith("1 to make: about 1 min")  # 4 steps
    monkeypatch.setitem(TINY, "three", Entry(replace(PRESETS["tiny"], steps=30, seed=5)))
    monkeypatch.setitem(TINY, "four", Entry(replace(PRESETS["tiny"], steps=30, seed=6)))
    asked.clear()
    assert "2 to make: about 10 min" in weights.announce(["three", "four"], train_set)
    assert asked == [4]  # one kind, one measurement
    (small_world / "runs" / "weights").mkdir(parents=True)
    (small_world / "runs" / "weights" / "four.jsonl").write_text('{"step": 24, "loss": 1}\n')
    assert "2 to make: about 6 min" in weights.announce(["three", "four"], train_set)


def test_the_courses_data_can_be_another(small_world):
    shutil.copytree(small_world / "data", small_world / "mayo")
    (small_world / "mayo" / "train" / "P0" / "0.png").unlink()
    make_weights("one", data_path=small_world / "mayo", progress=False, say=lambda line: None)
    assert read_manifest(small_world / "weights")["one"]["data"]["slices"] == 2
    make_weights("one", progress=False, say=lambda line: None)
    assert read_manifest(small_world / "weights")["one"]["data"]["slices"] == 3


def test_unknown_names_are_refused_before_anything_is_made(small_world):
    with pytest.raises(ValueError, match="names must be of one, two, got 'three'"):
        make_weights(["one", "three"])
    assert not (small_world / "weights").exists()


def test_no_manifest_is_an_empty_one(tmp_path):
    assert read_manifest(tmp_path) == {}


def test_thinning_keeps_the_end_and_the_mean():
    history = [{"step": k, "loss": float(k), "seconds": 1.0} for k in range(1, 8)]
    history[3]["psnr"], history[4]["psnr"], history[6]["psnr"] = 30.12345, 31.0, 32.0
    assert thin(history, 3) == [
        {"step": 3, "loss": 2.0},
        {"step": 6, "loss": 5.0, "psnr": 31.0},
        {"step": 7, "loss": 7.0, "psnr": 32.0},
    ]
    assert thin(history[3:4], 3) == [{"step": 4, "loss": 4.0, "psnr": 30.123}]
    assert thin([]) == []


def test_the_catalogue_has_what_the_chapters_need():
    assert CATALOGUE["CNN"].recipe == PRESETS["long"]
    assert CATALOGUE["noise-0-0"].recipe == replace(PRESETS["short"], noise_level=0.0)
    assert CATALOGUE["noise-5-1"].recipe == replace(PRESETS["short"], noise_level=0.05, seed=1)
    assert CATALOGUE["circular-2"].model().conv1.padding_mode == "circular"
    assert CATALOGUE["filters-32-0"].recipe == PRESETS["short"]
    changes = [entry.recipe for entry in weights.CHANGES.values()] + [PRESETS["short"]]
    pixels = [r.steps * r.batch_size * (r.crop or 256) ** 2 for r in changes]
    assert max(pixels) < 1.01 * min(pixels)
    heads = [CATALOGUE[f"head-{head}-2"] for head in weights.HEADS]
    assert len({entry.recipe for entry in heads}) == 1
    assert heads[0].recipe.seed == 2
    residual = CATALOGUE["head-residual-tanh-1"].model()
    assert residual.residual
    assert isinstance(residual.final_activation, torch.nn.Tanh)
    names = ("filters-8-0", "filters-64-1", "kernel-7-2")
    sizes = {name: describe(name)["parameters"] for name in names}
    assert sizes == {"filters-8-0": 737, "filters-64-1": 38_145, "kernel-7-2": 53_377}


def test_reading_the_manifest_needs_no_data():
    code = "from ippy.weights import read_manifest; read_manifest()"
    subprocess.run([sys.executable, "-c", code], check=True, env={"IPPY_DATA": "/nowhere"})
