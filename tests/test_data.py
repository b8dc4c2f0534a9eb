"""ippy.data: folders of slices, natural order, and where data is looked for."""

import ast
import inspect
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import Compose, Resize, ToTensor

from ippy import data, phantoms
from ippy.data import MayoDataset, embedded_data, find_data, load_image, project_root


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """A cache folder for each test, and none of the places where data is looked for."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("IPPY_CACHE", str(folder))
    monkeypatch.delenv("IPPY_DATA", raising=False)
    return folder


def random_bytes(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def patient_folder(root, names=("1.png",), size=8):
    for seed, name in enumerate(names):
        save(root / name, random_bytes(size, size, seed=seed))
    return root


def pillow_and_torchvision(path, size):
    return Compose([ToTensor(), Resize((size, size))])(Image.open(path).convert("L"))


def test_natural_order_of_patients_and_slices(tmp_path):
    for patient in ("C10", "C2", "b"):
        patient_folder(tmp_path / patient, ["10.png", "2.png", "1.png", "02.png", "slice.png"])
    names = ["1.png", "02.png", "2.png", "10.png", "slice.png"]
    expected = [tmp_path / patient / name for patient in ("C2", "C10", "b") for name in names]
    assert MayoDataset(tmp_path).paths == expected


def test_digits_of_other_scripts_in_a_name(tmp_path):
    patient_folder(tmp_path / "José ²", ["³.png", "٣.png", "12.png"])
    assert [path.name for path in MayoDataset(tmp_path).paths] == ["٣.png", "12.png", "³.png"]


def test_only_visible_png_files_of_patients_count(tmp_path):
    patient_folder(tmp_path / "C001", ["1.png", "2.PNG", "._1.png", "scan.jpg", "deep/3.png"])
    patient_folder(tmp_path / ".ipynb_checkpoints")
    patient_folder(tmp_path, ["stray.png"])
    (tmp_path / "C001" / "folder.png").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    names = [path.relative_to(tmp_path).as_posix() for path in MayoDataset(tmp_path).paths]
    assert names == ["C001/1.png", "C001/2.PNG"]


def test_items_are_the_pictures(tmp_path):
    patient_folder(tmp_path / "C001", [f"{i}.png" for i in range(4)], size=9)
    for cache in (True, False):
        slices = MayoDataset(str(tmp_path), 6, cache=cache)
        assert len(slices) == 4
        for i, x in enumerate(slices):
            assert torch.equal(x, load_image(slices.paths[i], 6))
        assert torch.equal(slices[-1], slices[3])
        assert torch.equal(slices[torch.tensor(1)], slices[1])
        with pytest.raises(IndexError):
            slices[4]
        with pytest.raises(TypeError, match="integer"):
            slices[0:2]
    assert "4 slices" in repr(slices)


def test_data_shape_is_256_unless_said_otherwise(tmp_path):
    patient_folder(tmp_path / "C001")
    assert MayoDataset(tmp_path)[0].shape == (1, 256, 256)


def test_without_a_cache_nothing_is_kept(tmp_path, own_cache):
    patient_folder(tmp_path / "C001")
    MayoDataset(tmp_path, 8, cache=False)[0]
    assert os.listdir(own_cache) == []


def test_workers_give_the_same_batches(tmp_path):
    patient_folder(tmp_path / "C001", [f"{i}.png" for i in range(6)])
    slices = MayoDataset(tmp_path, 8)
    expected = torch.stack([load_image(path, 8) for path in slices.paths])
    for _ in range(2):
        batches = list(torch.utils.data.DataLoader(slices, batch_size=2, num_workers=2))
        assert torch.equal(torch.cat(batches), expected)


def test_a_relative_folder_outlives_a_change_of_directory(tmp_path, monkeypatch):
    patient_folder(tmp_path / "train" / "C001")
    monkeypatch.chdir(tmp_path)
    slices = MayoDataset("train", 8)
    monkeypatch.chdir("/")
    assert slices[0].shape == (1, 8, 8)


def test_home_folder_is_understood(tmp_path, monkeypatch):
    patient_folder(tmp_path / "scans" / "C001")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(MayoDataset("~/scans")) == 1
    (tmp_path / "train").mkdir()
    assert find_data("~") == tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links(tmp_path):
    patient_folder(tmp_path / "real" / "C001")
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "C001").symlink_to(tmp_path / "real" / "C001")
    (folder / "C002").symlink_to(folder / "C002")
    (folder / "C003").mkdir()
    (folder / "C003" / "1.png").symlink_to(tmp_path / "gone.png")
    slices = MayoDataset(folder, 8)
    assert torch.equal(slices[0], MayoDataset(tmp_path / "real", 8)[0])
    with pytest.raises(FileNotFoundError, match=r"C003.1\.png"):
        slices[1]


def test_an_empty_folder_says_what_was_looked_for(tmp_path):
    (tmp_path / "C001").mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        MayoDataset(tmp_path)
    assert f"{tmp_path}/<patient>/*.png" in str(caught.value)
    assert "ippy data make" in str(caught.value)
    assert "IPPY_DATA" in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        with pytest.raises(FileNotFoundError, match=f"{name}, which is none.*ippy data make"):
            MayoDataset(tmp_path / name)


def test_a_folder_one_level_too_low(tmp_path):
    patient_folder(tmp_path / "C001")
    with pytest.raises(FileNotFoundError, match="a patient's folder; pass the folder above") as e:
        MayoDataset(tmp_path / "C001")
    assert str(e.value).endswith(str(tmp_path))


def test_a_folder_one_level_too_high(tmp_path):
    patient_folder(tmp_path / "train" / "C001")
    patient_folder(tmp_path / "test" / "C002")
    patient_folder(tmp_path / "unrelated")
    (tmp_path / "unrelated" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match="one level too high") as e:
        MayoDataset(tmp_path)
    assert str(e.value).endswith(f"{tmp_path / 'test'} or {tmp_path / 'train'}")


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The four places, each with a train folder, in the order in which they are looked at."""
    project = tmp_path / "project"
    given, named, embedded = tmp_path / "given", tmp_path / "named", tmp_path / "embedded"
    order = [given, named, project / "Mayo", embedded]
    for place in order:
        (place / "train").mkdir(parents=True)
    monkeypatch.setenv("IPPY_DATA", str(named))
    monkeypatch.setattr(data, "project_root", lambda: project)
    monkeypatch.setattr(data, "embedded_data", lambda: embedded)
    return order


def test_order_of_the_places(places, monkeypatch):
    given, named, mayo, embedded = places
    assert find_data(given) == find_data(str(given)) == given
    assert find_data() == named
    monkeypatch.setenv("IPPY_DATA", "")
    assert find_data() == mayo
    shutil.rmtree(mayo)
    assert find_data() == embedded


def test_a_place_without_slices_is_an_error_and_not_passed_over(places, monkeypatch):
    given, named, mayo, _ = places
    for place in (given, named, mayo):
        (place / "train").rmdir()
    with pytest.raises(
        FileNotFoundError, match=r"^data_path must be a folder .*given, which holds"
    ):
        find_data(given)
    with pytest.raises(FileNotFoundError, match=r"^the environment variable IPPY_DATA .*ippy data"):
        find_data()
    monkeypatch.delenv("IPPY_DATA")
    with pytest.raises(FileNotFoundError, match=r"^the project's folder Mayo must be"):
        find_data()
    with pytest.raises(FileNotFoundError, match=r"nowhere, which is no folder.*ippy data make"):
        find_data(given / "nowhere")


def test_one_split_is_enough(tmp_path):
    (tmp_path / "test").mkdir()
    assert find_data(tmp_path) == tmp_path


def test_a_root_one_level_off(tmp_path):
    (tmp_path / "Mayo" / "test").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"pass the folder above it") as e:
        find_data(tmp_path / "Mayo" / "test")
    assert str(e.value).endswith(str(tmp_path / "Mayo"))
    with pytest.raises(FileNotFoundError, match="pass the folder in it") as e:
        find_data(tmp_path)
    assert str(e.value).endswith(str(tmp_path / "Mayo"))


def test_relative_place_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "train").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_data(".") == tmp_path


def test_project_root(tmp_path, monkeypatch):
    assert (project_root() / "ippy" / "data.py").samefile(data.__file__)
    monkeypatch.setattr(data, "__file__", str(tmp_path / "site-packages" / "ippy" / "data.py"))
    monkeypatch.chdir(tmp_path)
    assert project_root() == tmp_path


@pytest.fixture
def calls(monkeypatch):
    """`write_dataset`, replaced by one that writes one file and notes where."""
    made = []

    def write_dataset(root, **_):
        made.append(Path(root))
        patient_folder(Path(root) / "train" / "P000")

    monkeypatch.setattr(phantoms, "write_dataset", write_dataset)
    return made


def test_embedded_data_is_made_once_in_the_cache_folder(calls, own_cache):
    root = embedded_data()
    assert root.parent == own_cache
    assert (root / "train" / "P000" / "1.png").is_file()
    assert embedded_data() == find_data() == root
    assert len(calls) == 1
    assert sorted(os.listdir(own_cache)) in ([root.name], [root.name, f"{root.name}.lock"])


def test_embedded_data_is_found_where_nothing_can_be_written(calls, monkeypatch):
    root = embedded_data()

    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(filelock, "FileLock", read_only)
    assert embedded_data() == root


def test_two_that_ask_at_once_make_the_embedded_data_once(calls, monkeypatch):
    quick = phantoms.write_dataset
    begun, go_on = threading.Event(), threading.Event()

    def slow(root, **_):
        begun.set()
        go_on.wait(10)
        quick(root)

    monkeypatch.setattr(phantoms, "write_dataset", slow)
    found = []
    threads = [threading.Thread(target=lambda: found.append(embedded_data())) for _ in range(2)]
    threads[0].start()
    begun.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    assert found == []
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 2
    assert len(calls) == 1


def test_interrupted_making_starts_again(calls, own_cache, monkeypatch):
    whole = phantoms.write_dataset

    def interrupted(root, **_):
        patient_folder(Path(root) / "train" / "P999")
        raise KeyboardInterrupt

    monkeypatch.setattr(phantoms, "write_dataset", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embedded_data()
    monkeypatch.setattr(phantoms, "write_dataset", whole)
    root = embedded_data()
    assert os.listdir(root / "train") == ["P000"]
    assert not [name for name in os.listdir(own_cache) if "unfinished" in name]


@pytest.mark.parametrize("changed", [phantoms, *phantoms.SOURCES])
def test_a_change_of_the_phantoms_makes_new_data(calls, monkeypatch, changed):
    first, source = embedded_data(), inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda m: source(m) + " " * (m is changed))
    assert embedded_data() != first
    assert len(calls) == 2


def test_every_module_that_draws_is_in_the_hash():
    for module in (phantoms, *phantoms.SOURCES):
        nodes = ast.walk(ast.parse(inspect.getsource(module)))
        imports = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        drawing = {"ippy", *(source.__name__ for source in phantoms.SOURCES)}
        assert {name for name in imports if name and name.startswith("ippy")} <= drawing


@pytest.mark.slow
def test_a_script_without_a_guard_gets_its_embedded_data(tmp_path):
    """Each process that draws runs such a script once more, and must not wait for the first one."""
    script = tmp_path / "script.py"
    script.write_text(
        "from functools import partial\n"
        "from ippy import phantoms\n"
        "few = dict(train_patients=1, train_slices=1, test_patients=1, test_slices=1)\n"
        "phantoms.write_dataset = partial(phantoms.write_dataset, **few, size=32, workers=2)\n"
        "from ippy.data import MayoDataset, embedded_data\n"
        "print(len(MayoDataset(embedded_data() / 'test', 32)))\n"
    )
    environment = {**os.environ, "IPPY_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert result.stdout == "1\n", result.stderr[-2000:]


def test_no_room_for_the_embedded_data(tmp_path, calls, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"cannot be written to .*file .*IPPY_CACHE"):
        embedded_data()


def test_import_loads_nothing_heavy():
    heavy = {"PIL", "torchvision", "torchmetrics", "matplotlib", "platformdirs"}
    code = (
        "import sys, torch; before = set(sys.modules); import ippy.data, ippy.metrics; "
        f"print({heavy} & (set(sys.modules) - before) or 'nothing')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "nothing"


def test_real_slices(real_slices):
    slices = MayoDataset(real_slices / "test")
    assert [path.stem for path in slices.paths] == sorted((p.stem for p in slices.paths), key=int)
    for i in range(0, len(slices), 10):
        expected = pillow_and_torchvision(slices.paths[i], 256)
        for _ in range(2):
            torch.testing.assert_close(slices[i], expected, atol=1e-6, rtol=0)


def test_the_last_patient_is_held_out(tmp_path):
    for patient, count in (("A", 4), ("B", 3), ("C", 12)):
        for number in range(count):
            save(tmp_path / patient / f"{number}.png", random_bytes(8, 8, seed=number))
    whole = MayoDataset(tmp_path, 8)
    train_set, watched = data.hold_out(whole, 5)
    assert [path.parent.name for path in train_set.paths] == ["A"] * 4 + ["B"] * 3
    assert [f"{p.parent.name}{p.stem}" for p in watched.paths] == ["C0", "C3", "C6", "C9"]
    assert torch.equal(watched[1], whole[10])
    assert torch.equal(train_set[4], whole[4])
    assert len(whole) == 19
    assert len(data.hold_out(whole, 12)[1]) == 12
    with pytest.raises(ValueError, match="count must be a positive number of slices, got 0"):
        data.hold_out(whole, 0)


def test_with_a_single_patient_some_of_his_slices_are_watched(tmp_path):
    for number in range(3):
        save(tmp_path / "A" / f"{number}.png", random_bytes(8, 8, seed=number))
    train_set, watched = data.hold_out(MayoDataset(tmp_path, 8), 2)
    assert [path.stem for path in train_set.paths] == ["0", "1", "2"]
    assert [path.stem for path in watched.paths] == ["0", "2"]


@pytest.mark.parametrize("cache", [True, False])
def test_a_dataset_hands_on_what_white_is_and_keeps_what_it_read(tmp_path, own_cache, cache):
    folder = tmp_path / "C001"
    folder.mkdir()
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60
    Image.fromarray(pixels).save(folder / "1.png")
    for white in (4095, 8190):  # in two files of the cache
        read = MayoDataset(tmp_path, 8, cache=cache, max_value=white)
        expected = load_image(folder / "1.png", 8, white)
        assert torch.equal(read[0], expected) and torch.equal(read[0], expected)
    assert any(path.is_file() for path in own_cache.rglob("*")) is cache
    assert repr(read).startswith(f"MayoDataset({str(tmp_path)!r}, 8)")
