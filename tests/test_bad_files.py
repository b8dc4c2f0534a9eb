"""The table of bad files and commands: what each picture gives, what each typing error is told."""

import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageCms
from pydicom.data import get_testdata_file

from ippy import SimpleCNN
from ippy.cli import main
from ippy.data import MayoDataset, load_image
from ippy.dicom import survey
from ippy.models import load_weights, save_weights

sys.path.insert(0, str(Path(__file__).parent))
from apart import everybodys_folder, only_linux, said_apart

GREY = np.full((16, 16), 100, np.uint8)


def png(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, format="PNG", **options)
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def animated(path: Path) -> Path:
    others = [Image.fromarray(GREY // 2)]
    Image.fromarray(GREY).save(path, format="PNG", save_all=True, append_images=others)
    return path


def interlaced(path: Path) -> Path:
    """Adam7, which Pillow reads but does not write: seven passes over a 16×16 picture."""
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    lines = b"".join(
        b"\0" + GREY[row, left::across].tobytes()
        for left, top, across, down in passes
        for row in range(top, 16, down)
    )
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, 0, 0, 0, 1))
    body = chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    return path


def with_exif(path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees"
    half = GREY.copy()
    half[:8] = 0
    return png(path, Image.fromarray(half), exif=exif)


def jpeg(path: Path, mode: str = "L") -> Path:
    Image.fromarray(GREY).convert(mode).save(path, format="JPEG")
    return path


def written(content: bytes) -> Callable[[Path], Path]:
    return lambda path: (path.write_bytes(content), path)[1]


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


PICTURES: dict[str, tuple[Callable[[Path], Path], str | float]] = {
    "8-bit grey": (lambda p: png(p, Image.fromarray(GREY)), 100 / 255),
    "colour": (lambda p: png(p, Image.fromarray(GREY).convert("RGB")), 100 / 255),
    "colour with transparency": (
        lambda p: png(p, Image.fromarray(GREY).convert("RGBA")),
        100 / 255,
    ),
    "wholly transparent": (
        lambda p: png(p, Image.new("RGBA", (16, 16), (100, 100, 100, 0))),
        100 / 255,
    ),
    "grey with transparency": (lambda p: png(p, Image.fromarray(GREY).convert("LA")), 100 / 255),
    "one colour declared transparent": (
        lambda p: png(p, Image.fromarray(GREY), transparency=100),
        100 / 255,
    ),
    "palette": (
        lambda p: png(
            p, Image.fromarray(GREY).convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE)
        ),
        100 / 255,
    ),
    "1-bit": (lambda p: png(p, Image.new("1", (16, 16), 1)), 1.0),
    "16-bit": (
        lambda p: png(p, Image.fromarray(np.full((16, 16), 25700, np.uint16))),
        25700 / 65535,
    ),
    "animated: the first picture": (animated, 100 / 255),
    "interlaced": (interlaced, 100 / 255),
    "with a colour profile": (
        lambda p: png(p, Image.fromarray(GREY).convert("RGB"), icc_profile=profile()),
        100 / 255,
    ),
    "with Exif that says to turn it: not turned": (with_exif, 50 / 255),
    "with text in it": (lambda p: png(p, Image.fromarray(GREY)), 100 / 255),
    "one pixel": (lambda p: png(p, Image.new("L", (1, 1), 100)), 100 / 255),
    "a thin strip": (lambda p: png(p, Image.new("L", (300, 1), 100)), 100 / 255),
    "a JPEG photograph": (jpeg, "is not a PNG picture; save it as PNG"),
    "a CMYK photograph": (lambda p: jpeg(p, "CMYK"), "is not a PNG picture; save it as PNG"),
    "a header and no pixels": (
        written(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", bytes.fromhex("0000000c000000090100000000"))
            + chunk(b"IEND", b"")
        ),
        "cannot be read",
    ),
    "zero bytes": (written(b""), "is not a PNG picture"),
    "a web page": (written(b"<!DOCTYPE html>"), "is not a PNG picture"),
    "a folder of that name": (lambda p: (p.mkdir(), p)[1], "1.png"),
    "half a file": (lambda p: written(png(p, Image.fromarray(GREY)).read_bytes()[:60])(p), "1.png"),
    "a video": (written(b"\0\0\0 ftypisom" + bytes(100)), "is not a PNG picture"),
    "a link to itself": (lambda p: (p.symlink_to(p), p)[1], "1.png"),
}


@pytest.mark.parametrize(("make", "outcome"), PICTURES.values(), ids=PICTURES.keys())
def test_pictures(tmp_path, make, outcome):
    path = make(tmp_path / "1.png")
    if isinstance(outcome, float):
        assert float(load_image(path, 16).mean()) == pytest.approx(outcome, abs=1e-6)
    else:
        with pytest.raises((ValueError, OSError)) as refusal:
            load_image(path, 16)
        assert outcome in str(refusal.value)


@pytest.mark.parametrize("name", ["mit Leerzeichen", "Ärzte", "患者", "C-001 (2)", "a'b", "100%"])
def test_patients_by_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    png(tmp_path / name / "Größe 1.png", Image.fromarray(GREY))
    assert float(MayoDataset(tmp_path, 16)[0].mean()) == pytest.approx(100 / 255)


def test_slices_of_mixed_sizes_come_out_alike(tmp_path):
    (tmp_path / "C1").mkdir()
    for number, size in enumerate([(8, 8), (512, 512), (640, 480), (1, 1)]):
        png(tmp_path / "C1" / f"{number}.png", Image.new("L", size, 100))
    slices = MayoDataset(tmp_path, 32, cache=False)
    assert {tuple(z.shape) for z in (slices[i] for i in range(4))} == {(1, 32, 32)}
    assert torch.allclose(torch.stack([slices[i] for i in range(4)]), torch.tensor(100 / 255))


@pytest.mark.slow
def test_a_hundred_thousand_files(tmp_path):
    for patient in range(100):
        folder = tmp_path / f"C{patient}"
        folder.mkdir()
        for number in range(1000):
            (folder / f"{number}.png").touch()
    slices = MayoDataset(tmp_path, 16, cache=False)
    assert len(slices) == 100_000
    assert [p.name for p in slices.paths[:3]] == ["0.png", "1.png", "2.png"]
    assert slices.paths[2_000].parent.name == "C2"


# Commands: what is typed, and what is answered. The exit code is 2, and no traceback is shown.

TRAIN = ["train", "new.pth", "--data", "slices", "--size", "16"]
EVALUATE = ["evaluate", "net.pth", "--data", "slices", "--size", "16"]
EXPORT = ["export", "net.pth", "new.safetensors"]
COMMANDS = {
    "an unknown command": (["paint"], "No such command 'paint'"),
    "an unknown option": (["train", "--speed"], "--speed"),
    "a folder that is not there": (["data", "check", "nowhere"], "which is no folder"),
    "a folder one level too low": (["data", "check", "slices/train"], "pass the folder above it"),
    "a folder one level too high": (["data", "check", "."], "pass the folder in it"),
    "a file for a folder": (["data", "check", "net.pth"], "which is no folder"),
    "weights that are not there": (["evaluate", "none.pth"], "none.pth"),
    "negative noise": (["evaluate", "none.pth", "--noise-level", "-1"], "-1"),
    "noise without a number": ([*TRAIN, "--noise-level", "nan"], "noise_level must be finite"),
    "endless noise": ([*TRAIN, "--noise-level", "1e999"], "noise_level must be finite"),
    "no steps": (["train", "--steps", "0"], "0"),
    "a negative seed": (["train", "--seed", "-1"], "-1"),
    "a kernel that is no table": (["train", "--kernel", "word.txt"], "word.txt"),
    "a kernel that is not there": (["train", "--kernel", "none.txt"], "none.txt"),
    "a kernel of complex numbers": ([*TRAIN, "--kernel", "complex.npy"], "of another kind"),
    "an archive for a kernel": ([*TRAIN, "--kernel", "archive.npy"], "of another kind"),
    "a kernel with code in it": ([*TRAIN, "--kernel", "code.npy"], "allow_pickle=False"),
    "a kernel of words": ([*TRAIN, "--kernel", "words.npy"], "does not hold a table of numbers"),
    "a kernel larger than any memory": ([*TRAIN, "--kernel", "vast.npy"], "Unable to allocate"),
    "a kernel with a torn header": ([*TRAIN, "--kernel", "torn.npy"], "does not hold a table"),
    "a kernel beyond every number": ([*TRAIN, "--kernel", "huge.txt"], "kernel must be finite"),
    "a preset that is not there": (["train", "--preset", "fast"], "fast"),
    "a size too small to score": (["evaluate", "none.pth", "--size", "4"], "4"),
    "a size beyond every memory": ([*TRAIN[:-1], "99999999"], "data_shape must be a positive"),
    "more filters than memory": ([*TRAIN, "--n-filters", "999999999999"], "not enough memory"),
    "more processes than pictures": (
        [*TRAIN, "--devices", "1000"],
        "1000 processes cannot share a batch of 16 pictures; use at most 16",
    ),
    "weights by the name of their description": (
        ["train", "new.json"],
        "OUT must end in .pth, got new.json",
    ),
    "weights by the name of their checkpoint": (["train", "new.ckpt"], "OUT must end in .pth"),
    "weights without an ending": (["train", "noise0.05"], "OUT must end in .pth, got noise0.05"),
    "weights that are there": (["train", "net.pth"], "net.pth exists already"),
    "a name longer than disks take": (
        ["train", f"{'a' * 220}.pth"],
        "OUT must be a name of at most 200 bytes, got aaa",
    ),
    "scores over the weights": (
        [*EVALUATE, "--json", "net.pth"],
        "net.pth is the network or its description; name another file",
    ),
    "scores over the description": (
        [*EVALUATE, "--json", "net.json"],
        "net.json is the network or its description; name another file",
    ),
    "nothing to go on with": ([*TRAIN, "--resume"], "there is no unfinished run new.ckpt"),
    "DICOM from nowhere": (["data", "import", "nowhere", "out"], "SRC must be a folder"),
    "DICOM from slices": (["data", "import", "slices", "out"], "SRC: no CT slices in slices"),
    "DICOM into a file": (["data", "import", "slices", "net.pth"], "'net.pth' is a file"),
    "a window from white to black": (
        ["data", "import", "slices", "out", "--window", "9"],
        "--window",
    ),
    "slices where slices are": (["data", "make", "--root", "slices"], "slices has a folder train"),
    "nothing to export": (["export", "none.pth", "out.safetensors"], "none.pth"),
    "export over the weights": (["export", "net.pth", "net.pth"], "OUT must end in .safetensors"),
}


def network_with(folder: Path, description: str | None = None) -> None:
    torch.manual_seed(0)
    save_weights(SimpleCNN(1, 1, 2), folder / "net.pth")
    if description is not None:
        (folder / "net.json").write_text(description)
    for number, split in enumerate(("train", "test")):
        (folder / "slices" / split / f"P{number}").mkdir(parents=True)
        png(folder / "slices" / split / f"P{number}" / "1.png", Image.fromarray(GREY))


def bad_kernels(folder: Path) -> None:
    (folder / "word.txt").write_text("blur")
    (folder / "huge.txt").write_text("1 1e300")
    np.save(folder / "complex.npy", 1j * np.ones((3, 3)))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "code.npy", np.array([object()]), allow_pickle=True)
    with (folder / "archive.npy").open("wb") as file:
        np.savez(file, kernel=np.ones((3, 3)))
    with (folder / "vast.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**7)}
        np.lib.format.write_array_header_1_0(file, header)
    np.save(folder / "torn.npy", np.ones((3, 3)))
    whole = (folder / "torn.npy").read_bytes()
    (folder / "torn.npy").write_bytes(whole.replace(b"(3, 3)", b"(9**9,"))


def given(*typed: str) -> str:
    """What a command that is refused says."""
    result = CliRunner().invoke(main, typed)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(("typed", "answer"), COMMANDS.values(), ids=COMMANDS.keys())
def test_commands(tmp_path, monkeypatch, typed, answer):
    monkeypatch.chdir(tmp_path)
    network_with(tmp_path)
    bad_kernels(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert answer in given(*typed)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


DESCRIPTIONS = {
    "that of other weights": '{"sha256": "0123"}',
    "a list": "[]",
    "nothing": "null",
    "no text": "\0\x01",
    "cut short": '{"architecture": {"n_fil',
    "a list in a list in a list": "[" * 100_000,
    "another network": '{"architecture": {"layers": 3}}',
    "no architecture": '{"architecture": [32, 3]}',
    "a residual network, perhaps": '{"architecture": {"residual": "yes"}}',
    "a head that there is not": '{"architecture": {"final_activation": 3}}',
}
KERNELS = {
    "a word": '{"kernel": "motion"}',
    "rows of several lengths": '{"kernel": [[1, 2], [3]]}',
    "no rows": '{"kernel": []}',
    "NaN": '{"kernel": [[NaN]]}',
    "no table": '{"kernel": {"size": 3}}',
}
TRAININGS = {
    "without a noise level": '{"recipe": {}}',
    "noise in words": '{"recipe": {"noise_level": "much"}}',
    "noise without a number": '{"recipe": {"noise_level": NaN}}',
    "a kernel that is a number": '{"recipe": {"noise_level": 0.1}, "kernel": 3}',
    "a blur that is a number": '{"recipe": {"noise_level": 0.1}, "blur": 3}',
    "a blur of another kind": '{"recipe": {"noise_level": 0.1}, "blur": {"focus": 1}}',
}
BESIDE = [(EVALUATE, told) for told in (DESCRIPTIONS | KERNELS).items()]
BESIDE += [(EXPORT, told) for told in (DESCRIPTIONS | TRAININGS).items()]


@pytest.mark.parametrize(
    ("typed", "description"),
    [(typed, text) for typed, (_, text) in BESIDE],
    ids=[f"{typed[0]}: {name}" for typed, (name, _) in BESIDE],
)
def test_a_description_of_nonsense(tmp_path, monkeypatch, typed, description):
    """What stands beside weights came from somewhere, as the weights did."""
    monkeypatch.chdir(tmp_path)
    network_with(tmp_path, description)
    said = given(*typed)
    assert said.startswith("Error: ")
    assert len(said) < 400
    assert not (tmp_path / "new.safetensors").exists()


FOLDERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "nothing": (lambda f: None, "no slices"),
    "pictures without a patient": (
        lambda f: png(f / "1.png", Image.fromarray(GREY)),
        "holds pictures itself, so it is a patient's folder; pass the folder above it",
    ),
    "one folder too many": (
        lambda f: placed(f / "set" / "P" / "1.png"),
        "is one level too high: the slices' folder is",
    ),
    "hidden ones only": (lambda f: placed(f / ".P" / "1.png"), "no slices"),
    "hidden pictures only": (lambda f: placed(f / "P" / ".1.png"), "no slices"),
    "other files only": (lambda f: placed(f / "P" / "1.jpg"), "no slices"),
    "folders called like pictures": (lambda f: (f / "P" / "1.png").mkdir(parents=True), "no slic"),
    "a folder that leads to itself": (lambda f: (f / "P").symlink_to(f / "P"), "no slices"),
    "a folder that leads back": (lambda f: (f / "P").symlink_to(f), "no slices"),
    "two folders that lead to each other": (
        lambda f: ((f / "A").symlink_to(f / "B"), (f / "B").symlink_to(f / "A")),
        "no slices",
    ),
}


def placed(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return png(path, Image.fromarray(GREY))


@pytest.mark.parametrize(("make", "told"), FOLDERS.values(), ids=FOLDERS.keys())
def test_folders_without_slices(tmp_path, make, told):
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    with pytest.raises(FileNotFoundError) as refusal:
        MayoDataset(tmp_path / "data", 16)
    assert told in str(refusal.value)


def test_weights_without_a_description_are_not_taken_for_granted(tmp_path, monkeypatch):
    """What stands at a network's end is not in its weights; scores of another one mean nothing."""
    monkeypatch.chdir(tmp_path)
    network_with(tmp_path)
    guess = "No description lies beside net.pth: it is taken for a network with nothing after"
    told = CliRunner().invoke(main, EXPORT)
    assert told.exit_code == 0 and guess in told.stderr
    assert guess not in CliRunner().invoke(main, [*EXPORT, "--no-residual"]).stderr
    (tmp_path / "net.json").write_text('{"architecture": {"final_activation": "relu"}}')
    told = CliRunner().invoke(main, EXPORT)
    assert guess not in told.stderr and "relu at the end" in told.stdout
    # A manifest that is about the weights which once had this name is not about these.
    (tmp_path / "net.json").unlink()
    (tmp_path / "manifest.json").write_text(
        '{"net": {"sha256": "0", "architecture": {"final_activation": "tanh"}}}'
    )
    told = CliRunner().invoke(main, EXPORT)
    assert guess in told.stderr and "tanh" not in told.stdout


def test_12_bits_in_files_of_16_are_not_taken_for_dark_slices(tmp_path, monkeypatch):
    """Every score would be some 24 dB too good, as the range of the slices is 1 / 16."""
    monkeypatch.chdir(tmp_path)
    network_with(tmp_path)
    right = CliRunner().invoke(main, [*TRAIN, "--preset", "tiny", "--steps", "1"])
    assert right.exit_code == 0 and "brightest" not in right.output
    for path in (tmp_path / "slices").rglob("*.png"):
        png(path, Image.fromarray(np.linspace(0, 4095, 256).reshape(16, 16).astype(np.uint16)))
    remark = "the brightest grey is 0.0625, where white is 1; numbers of 12 bits in files of 16"
    told = CliRunner().invoke(main, [*TRAIN, "--preset", "tiny", "--steps", "1", "--force"])
    assert told.exit_code == 0 and told.stderr.count(remark) == 1
    checked = CliRunner().invoke(main, ["data", "check", "slices"])
    assert checked.exit_code == 1 and f"2 faults:\n  train: {remark}" in checked.stdout


def test_a_loop_beside_slices_is_entered_once(tmp_path):
    """A link back to the folder is a patient of folders: it holds no pictures itself."""
    placed(tmp_path / "P" / "1.png")
    (tmp_path / "P" / "again").symlink_to(tmp_path)
    (tmp_path / "Q").symlink_to(tmp_path)
    assert len(MayoDataset(tmp_path, 16, cache=False)) == 1


def a_network(path: Path) -> Path:
    save_weights(SimpleCNN(1, 1, 4), path)
    return path


def a_scan(path: Path) -> Path:
    path.mkdir(parents=True)
    shutil.copy(get_testdata_file("CT_small.dcm"), path)
    return path


# What may not be read, what is done with it, and what is then said.
CLOSED: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object], str]] = {
    "a picture": (
        lambda f: placed(f / "P" / "1.png"),
        lambda f: MayoDataset(f, 16, cache=False)[0],
        "PermissionError: [Errno 13] Permission denied: '{}'",
    ),
    "a patient": (
        lambda f: placed(f / "P" / "1.png").parent,
        lambda f: MayoDataset(f, 16, cache=False)[0],
        "PermissionError: [Errno 13] Permission denied: '{}'",
    ),
    "weights": (
        lambda f: a_network(f / "net.pth"),
        lambda f: load_weights(SimpleCNN(1, 1, 4), f / "net.pth"),
        "PermissionError: [Errno 13] Permission denied: '{}'",
    ),
    "a folder of DICOM files": (
        lambda f: a_scan(f / "scans"),
        lambda f: survey(f, "").skipped,
        "{{'folder that cannot be read (Permission denied)': [PosixPath('{}')]}}",
    ),
    "slices in a command": (
        lambda f: placed(f / "train" / "P" / "1.png").parent,
        lambda f: CliRunner().invoke(main, ["data", "check", str(f)]).output,
        "Error: [Errno 13] Permission denied: '{}'",
    ),
}


@only_linux
@pytest.mark.parametrize(("make", "job", "told"), CLOSED.values(), ids=CLOSED.keys())
def test_what_may_not_be_read_is_named_and_never_left_out(make, job, told):
    """By somebody without rights, as root may read everything."""
    with everybodys_folder() as folder:
        path = make(folder)
        assert "Permission denied" not in said_apart(lambda: job(folder))
        path.chmod(0)
        assert told.format(path) in said_apart(lambda: job(folder), nobody=True)


def test_weights_where_a_folder_stands(tmp_path):
    model = SimpleCNN(1, 1, 4)
    (tmp_path / "net.pth").mkdir()
    with pytest.raises(OSError, match=r"net\.pth"):
        save_weights(model, tmp_path / "net.pth")
    assert [p.name for p in tmp_path.iterdir()] == ["net.pth"]
    with pytest.raises(FileNotFoundError, match="no weight file"):
        load_weights(model, tmp_path / "net.pth")
