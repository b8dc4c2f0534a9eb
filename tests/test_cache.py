"""ippy.cache: never a wrong slice, whatever happens to the files on either side."""

import errno
import multiprocessing
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
import torch.utils.data
from PIL import Image

from ippy import cache, data
from ippy.cache import cache_folder
from ippy.data import MayoDataset, load_image

sys.path.insert(0, str(Path(__file__).parent))
from apart import everybodys_folder, only_linux, said_apart


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("IPPY_CACHE", str(folder))
    return folder


def picture(path, seed, age=60.0):
    """A picture of 12×12 random pixels, stored without compression: its size tells nothing."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=0)
    times = path.stat().st_mtime_ns - int(age * 1e9)
    os.utime(path, ns=(times, times))
    return path


@pytest.fixture
def path(tmp_path):
    return picture(tmp_path / "data" / "C001" / "1.png", seed=0)


@pytest.fixture
def slices(path):
    return MayoDataset(path.parent.parent, 8)


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded, in order."""
    files = []

    def counting(path, *arguments):
        files.append(Path(path).name)
        return load_image(path, *arguments)

    monkeypatch.setattr(data, "load_image", counting)
    return files


def entries(folder):
    return [p for p in (folder / "slices").rglob("*") if p.is_file() and p.stat().st_size]


def test_a_slice_is_decoded_once(slices, path, decoded):
    first = slices[0]
    again = slices[0]
    elsewhere = MayoDataset(path.parent.parent, 8)[0]
    assert decoded == ["1.png"]
    assert torch.equal(first, load_image(path, 8))
    assert torch.equal(again, first)
    assert torch.equal(elsewhere, first)
    assert again.dtype == torch.float32
    assert again.shape == (1, 8, 8)


def test_neither_order_nor_number_matters(tmp_path, decoded):
    for i in range(5):
        picture(tmp_path / "data" / "C001" / f"{i}.png", seed=i)
    slices = MayoDataset(tmp_path / "data", 8)
    for i in (3, 1, 4, 0, 2, 2, 0, 4, 1, 3):
        assert torch.equal(slices[i], load_image(slices.paths[i], 8))
    assert decoded == ["3.png", "1.png", "4.png", "0.png", "2.png"]


def test_shape_and_scaling_have_entries_of_their_own(path, decoded):
    root = path.parent.parent
    for arguments in ((8,), (9,), (8, 256), (8, 300.0)):
        for _ in range(2):
            assert torch.equal(MayoDataset(root, *arguments)[0], load_image(path, *arguments))
    assert len(decoded) == 4


def test_a_changed_file_is_decoded_again(slices, path, decoded):
    slices[0]
    picture(path, seed=1, age=30)
    assert torch.equal(slices[0], load_image(path, 8))
    assert torch.equal(slices[0], load_image(path, 8))
    assert decoded == ["1.png", "1.png"]


def test_a_changed_file_of_the_same_size_and_date(slices, path, decoded):
    slices[0]
    before = path.stat()
    picture(path, seed=1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    if sys.platform != "win32":
        assert torch.equal(slices[0], load_image(path, 8))


def test_a_file_of_another_size_and_the_same_date(slices, path):
    slices[0]
    before = path.stat()
    Image.fromarray(np.full((3, 3), 9, np.uint8)).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert torch.equal(slices[0], load_image(path, 8))


def test_a_file_that_changes_while_it_is_decoded(slices, path, monkeypatch):
    def slow(path, *arguments):
        x = load_image(path, *arguments)
        picture(path, seed=1, age=30)
        return x

    monkeypatch.setattr(data, "load_image", slow)
    slices[0]
    monkeypatch.setattr(data, "load_image", load_image)
    assert torch.equal(slices[0], load_image(path, 8))


def test_a_file_written_this_moment_is_not_kept_yet(slices, path, folder, decoded, monkeypatch):
    now = path.stat().st_mtime_ns
    for later in (0, 10_000_000, -10_000_000):
        monkeypatch.setattr(cache.time, "time_ns", lambda later=later: now + later)
        slices[0]
        assert entries(folder) == []
    for later in (60_000_000, -60_000_000):
        monkeypatch.setattr(cache.time, "time_ns", lambda later=later: now + later)
        assert torch.equal(slices[0], load_image(path, 8))
    assert len(decoded) == 4


def test_a_disk_whose_clock_tells_whole_seconds(slices, path, decoded, monkeypatch):
    """As FAT's does: two changes within one second leave the same time behind."""
    exact = cache._stamp
    monkeypatch.setattr(
        cache, "_stamp", lambda file: tuple(t - t % 10**9 if t > 10**9 else t for t in exact(file))
    )
    for seed in range(4):
        picture(path, seed, age=0)
        assert torch.equal(slices[0], load_image(path, 8))
    picture(path, seed, age=30)
    assert torch.equal(slices[0], slices[0])
    assert len(decoded) == 5  # an old file is kept as ever


@pytest.mark.skipif(sys.platform == "win32", reason="other rights there")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_who_may_read_the_folder_may_read_what_is_in_it(slices, folder, mask, mode):
    """A course may share its cache; whoever keeps files to himself keeps these, too."""
    before = os.umask(mask)
    try:
        slices[0]
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in entries(folder)] == [mode]


def test_an_account_without_a_home_folder_is_told_what_to_set(monkeypatch):
    def nowhere(*_, **__):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_path", nowhere)
    monkeypatch.delenv("IPPY_CACHE")
    with pytest.raises(OSError, match=r"no home folder to keep slices in; set .* IPPY_CACHE"):
        cache_folder()


def test_a_deleted_file_is_missed(slices, path):
    slices[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"1\.png"):
        slices[0]


def spoil(content, how):
    middle = len(content) // 2
    return {
        "empty": b"",
        "cut": content[:-4],
        "half": content[:middle],
        "longer": content + b"\0\0\0\0",
        "zeros": bytes(len(content)),
        "pixels lost": content[:32] + bytes(len(content) - 32),
        "one bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "last bit": content[:-1] + bytes([content[-1] ^ 128]),
        "header": bytes([content[0] ^ 1]) + content[1:],
        "foreign": b"\x89PNG\r\n\x1a\n",
    }[how]


@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "cut",
        "half",
        "longer",
        "zeros",
        "pixels lost",
        "one bit",
        "last bit",
        "header",
        "foreign",
    ],
)
def test_a_damaged_entry_is_made_again(slices, path, folder, decoded, how, same_process):
    expected = slices[0].clone()
    slices[0]
    (entry,) = entries(folder)
    good = entry.read_bytes()
    entry.write_bytes(spoil(good, how))
    if not same_process:
        slices = MayoDataset(path.parent.parent, 8)
    assert torch.equal(slices[0], expected)
    assert entry.read_bytes() == good
    slices[0]
    assert decoded == ["1.png", "1.png"]


def test_an_entry_that_is_a_folder(slices, folder, path):
    slices[0]
    (entry,) = entries(folder)
    entry.unlink()
    entry.mkdir()
    with pytest.warns(UserWarning, match="cannot be kept"):
        assert torch.equal(slices[0], load_image(path, 8))


def test_changing_an_item_changes_nothing_else(slices, path):
    expected = load_image(path, 8)
    for _ in range(3):
        x = slices[0]
        assert torch.equal(x, expected)
        x.zero_()
    assert torch.equal(MayoDataset(path.parent.parent, 8)[0], expected)


def test_the_folder_of_the_data_is_left_alone(slices, path):
    before = sorted(path.parent.parent.rglob("*"))
    slices[0]
    assert sorted(path.parent.parent.rglob("*")) == before


def test_no_temporary_files_stay(slices, folder):
    slices[0]
    assert not list(folder.rglob("*.tmp"))


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPPY_CACHE", "here")
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("IPPY_CACHE", "~/there")
    assert cache_folder() == tmp_path / "there"
    for unset in (lambda: monkeypatch.setenv("IPPY_CACHE", ""), lambda: os.unsetenv("IPPY_CACHE")):
        unset()
        assert cache_folder() == platformdirs.user_cache_path("ippy-book", appauthor=False)


def warned_once(paths, root):
    """Two epochs over slices that cannot be kept: right, and with a single warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        slices = MayoDataset(root, 8)
        for _ in range(2):
            for i, path in enumerate(paths):
                assert torch.equal(slices[i], load_image(path, 8))
    (warning,) = caught
    assert "set IPPY_CACHE to a folder with free space" in str(warning.message)
    assert warning.filename == __file__, "the warning should point at the line that uses the data"


def test_a_folder_that_cannot_be_made(tmp_path, path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "file" / "cache"))
    warned_once([path, picture(path.with_name("2.png"), seed=2)], path.parent.parent)


@only_linux
def test_a_read_only_folder(monkeypatch):
    """By somebody without rights, as for root nothing is read-only."""
    with everybodys_folder() as place:
        files = [picture(place / "data" / "C001" / f"{i}.png", seed=i) for i in (1, 2)]
        (place / "cache").mkdir()
        (place / "cache").chmod(0o555)
        monkeypatch.setenv("IPPY_CACHE", str(place / "cache"))
        said = said_apart(lambda: warned_once(files, place / "data"), nobody=True)
    assert said == "None"


def test_the_warning_comes_before_the_workers_start(tmp_path, path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be kept"):
        slices = MayoDataset(path.parent.parent, 8)
    assert not slices._cache.writable


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_fills_up(path, folder, monkeypatch, code):
    second = picture(path.with_name("2.png"), seed=2)

    def full(source, target):
        if not target.name == "writable":
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "replace", full)
    warned_once([path, second], path.parent.parent)
    assert not list(folder.rglob("*.tmp"))
    monkeypatch.setattr(os, "unlink", lambda file: full(file, Path(file)))
    warned_once([path, second], path.parent.parent)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_folder_that_was_filled_before_still_serves(slices, path, decoded, monkeypatch, code):
    slices[0]

    def full(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.warns(UserWarning, match=os.strerror(code)):
        again = MayoDataset(path.parent.parent, 8)
    assert torch.equal(again[0], load_image(path, 8))
    assert decoded == ["1.png"]


def test_an_entry_that_another_process_has_open(slices, path, folder, monkeypatch):
    slices[0]
    picture(path, seed=1, age=30)

    def locked(source, target):
        raise PermissionError(errno.EACCES, "used by another process")

    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr(os, "replace", locked)
        assert torch.equal(slices[0], load_image(path, 8))
    assert not list(folder.rglob("*.tmp"))
    slices[0]
    assert len(entries(folder)) == 1
    monkeypatch.setattr(data, "load_image", None)
    slices[0]


def build(root, shape, start):
    start.wait()
    return sum(x.sum().item() for x in MayoDataset(root, shape))


def test_two_processes_build_it_at_once(tmp_path, folder):
    for i in range(30):
        picture(tmp_path / "data" / "C001" / f"{i}.png", seed=i)
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with context.Manager() as manager, context.Pool(2) as pool:
        start = manager.Event()
        sums = [pool.apply_async(build, (tmp_path / "data", 8, start)) for _ in range(2)]
        start.set()
        sums = [total.get(60) for total in sums]
    slices = MayoDataset(tmp_path / "data", 8)
    expected = sum(load_image(path, 8).sum().item() for path in slices.paths)
    assert sums == [expected, expected]
    assert len(entries(folder)) == 30
    assert not list(folder.rglob("*.tmp"))


def test_workers_share_the_cache(tmp_path, folder, monkeypatch):
    for i in range(6):
        picture(tmp_path / "data" / "C001" / f"{i}.png", seed=i)
    slices = MayoDataset(tmp_path / "data", 8)
    expected = torch.stack([load_image(path, 8) for path in slices.paths])
    assert torch.equal(
        torch.cat(list(torch.utils.data.DataLoader(slices, 2, num_workers=2))), expected
    )
    assert len(entries(folder)) == 6
    monkeypatch.setattr(data, "load_image", None)
    assert torch.equal(torch.cat(list(torch.utils.data.DataLoader(slices, 2))), expected)


def test_an_item_can_be_sent_to_another_process(slices):
    slices[0]
    expected = slices[0].clone()
    (x,) = torch.utils.data.DataLoader(slices, batch_size=None, num_workers=1)
    assert torch.equal(x, expected)
