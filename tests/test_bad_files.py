"""The table of bad files and commands: what each picture gives, what each typing error is told."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageCms

from ippy import SimpleCNN
from ippy.cli import main
from ippy.data import MayoDataset, load_image
from ippy.models import load_weights, save_weights

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

COMMANDS = {
    "an unknown command": (["paint"], "No such command 'paint'"),
    "an unknown option": (["train", "--speed"], "--speed"),
    "a folder that is not there": (["data", "check", "nowhere"], "which is no folder"),
    "weights that are not there": (["evaluate", "none.pth"], "none.pth"),
    "negative noise": (["evaluate", "none.pth", "--noise-level", "-1"], "-1"),
    "no steps": (["train", "--steps", "0"], "0"),
    "a kernel that is no table": (["train", "--kernel", "word.txt"], "word.txt"),
    "a kernel that is not there": (["train", "--kernel", "none.txt"], "none.txt"),
    "a preset that is not there": (["train", "--preset", "fast"], "fast"),
    "a size too small to score": (["evaluate", "none.pth", "--size", "4"], "4"),
    "DICOM from nowhere": (["data", "import", "nowhere", "out"], "SRC must be a folder"),
    "nothing to export": (["export", "none.pth", "out.safetensors"], "none.pth"),
}


@pytest.mark.parametrize(("typed", "answer"), COMMANDS.values(), ids=COMMANDS.keys())
def test_commands(tmp_path, monkeypatch, typed, answer):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word.txt").write_text("blur")
    result = CliRunner().invoke(main, typed)
    assert result.exit_code == 2, result.output
    assert answer in result.output
    assert "Traceback" not in result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["word.txt"]


def test_weights_where_a_folder_stands(tmp_path):
    model = SimpleCNN(1, 1, 4)
    (tmp_path / "net.pth").mkdir()
    with pytest.raises(OSError, match=r"net\.pth"):
        save_weights(model, tmp_path / "net.pth")
    assert [p.name for p in tmp_path.iterdir()] == ["net.pth"]
    with pytest.raises(FileNotFoundError, match="no weight file"):
        load_weights(model, tmp_path / "net.pth")
