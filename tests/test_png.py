"""ippy.png: pictures against Pillow and torchvision, and what is no picture."""

import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import Compose, Resize, ToTensor

from ippy import data, png
from ippy.data import MayoDataset
from ippy.png import load_image

COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path_factory.mktemp("cache")))


def random_bytes(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def save(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def raw_png(pixels, bits=8):
    """A PNG file of pixels (H, W, C), written by hand for the depths that Pillow does not write."""
    height, width, channels = pixels.shape
    if bits < 8:
        rows = [np.packbits(np.unpackbits(r[:, None], axis=1)[:, -bits:]) for r in pixels[..., 0]]
    else:
        rows = [row.astype(">u2" if bits == 16 else "u1") for row in pixels]

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, bits, COLOUR_TYPE[channels], 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def pillow_and_torchvision(path, size):
    return Compose([ToTensor(), Resize((size, size))])(Image.open(path).convert("L"))


def test_it_is_found_beside_the_dataset_too():
    assert data.load_image is png.load_image


def palette(transparency=None):
    image = Image.fromarray(random_bytes(16, 16) % 7).convert("P")
    image.putpalette(random_bytes(768, seed=5).tobytes())
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


@pytest.mark.parametrize(
    ("image", "mode"),
    [
        (Image.fromarray(random_bytes(16, 16)), "L"),
        (Image.fromarray(random_bytes(16, 16)).convert("1"), "1"),
        (Image.fromarray(random_bytes(16, 16, 2), "LA"), "LA"),
        (Image.fromarray(random_bytes(16, 16, 3)), "RGB"),
        (Image.fromarray(random_bytes(16, 16, 4)), "RGBA"),
        (palette(), "P"),
        (palette(bytes(range(0, 210, 30))), "P"),
        (palette(3), "P"),
    ],
)
def test_every_mode_as_pillow_converts_it(tmp_path, recwarn, image, mode):
    image.save(tmp_path / "1.png")
    with Image.open(tmp_path / "1.png") as stored:
        assert stored.mode == mode
    x = load_image(tmp_path / "1.png", 16)
    assert not recwarn.list
    assert x.dtype == torch.float32
    assert x.shape == (1, 16, 16)
    assert torch.equal(x, ToTensor()(image.convert("L")))


@pytest.mark.parametrize(
    ("colour", "grey"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)]
)
def test_luminance_of_the_primary_colours(tmp_path, colour, grey):
    for alpha in (0, 128, 255):
        pixels = np.full((4, 4, 4), (*colour, alpha), np.uint8)
        assert load_image(save(tmp_path / "1.png", pixels), 4)[0, 0, 0].item() == np.float32(
            grey / 255
        )


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_fill_the_whole_range(tmp_path, bits):
    values = np.arange(2**bits, dtype=np.uint8).repeat(4 * 16 // 2**bits).reshape(8, 8, 1)
    (tmp_path / "1.png").write_bytes(raw_png(values, bits))
    expected = torch.from_numpy(values[None, ..., 0].astype(np.float32)) / (2**bits - 1)
    torch.testing.assert_close(load_image(tmp_path / "1.png", 8), expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_all_used(tmp_path, channels):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 65536, (6, 6, channels))
    (tmp_path / "1.png").write_bytes(raw_png(pixels, 16))
    weights = [0.299, 0.587, 0.114] if channels > 2 else [1.0]
    grey = pixels[..., : len(weights)] @ np.array(weights)
    x = load_image(tmp_path / "1.png", 6)
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x[0], grey / 65535, atol=1.01 / 65535 if channels > 2 else 1e-7)


def test_sixteen_bit_colours_that_are_grey(tmp_path):
    grey = np.arange(0, 65536, 257 * 4).reshape(8, 8, 1)
    (tmp_path / "1.png").write_bytes(raw_png(grey.repeat(3, axis=2), 16))
    np.testing.assert_allclose(
        load_image(tmp_path / "1.png", 8)[0], grey[..., 0] / 65535, atol=1e-7
    )


def test_max_value_is_the_grey_value_that_becomes_one(tmp_path):
    pixels = np.array([[0, 1000], [2000, 4095]], np.uint16)
    path = save(tmp_path / "C001" / "1.png", pixels)
    expected = torch.from_numpy(pixels.astype(np.float32))[None]
    torch.testing.assert_close(load_image(path, 2, max_value=4095), expected / 4095)
    torch.testing.assert_close(load_image(path, 2, max_value=8190), expected / 8190)
    torch.testing.assert_close(MayoDataset(tmp_path, 2, max_value=4095)[0], expected / 4095)
    with pytest.raises(ValueError, match=r"max_value .*got 4094, but .*1\.png reaches 4095"):
        load_image(path, 2, max_value=4094)


def test_a_dark_slice_stays_dark(tmp_path):
    for dtype, limit in ((np.uint8, 255), (np.uint16, 65535)):
        path = save(tmp_path / "1.png", np.full((4, 4), 7, dtype))
        torch.testing.assert_close(load_image(path, 4), torch.full((1, 4, 4), 7 / limit))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(side=st.integers(1, 70), size=st.integers(1, 70), seed=st.integers(0, 99))
def test_resize_as_torchvision(tmp_path, side, size, seed):
    path = save(tmp_path / "1.png", random_bytes(side, side, seed=seed))
    x = load_image(path, size)
    assert x.shape == (1, size, size)
    torch.testing.assert_close(x, pillow_and_torchvision(path, size), atol=1e-6, rtol=0)


def test_white_stays_within_range(tmp_path):
    path = save(tmp_path / "1.png", np.full((67, 67), 255, np.uint8))
    for size in range(2, 67):
        x = load_image(path, size)
        assert 0.9999 < x.min() <= x.max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [
        (6, 10, slice(0, 6), slice(2, 8)),
        (11, 4, slice(3, 7), slice(0, 4)),
        (4, 5, slice(0, 4), slice(0, 4)),
    ],
)
def test_central_square_of_a_picture_that_is_not_square(tmp_path, height, width, rows, columns):
    pixels = random_bytes(height, width)
    path = save(tmp_path / "wide.png", pixels)
    square = save(tmp_path / "square.png", np.ascontiguousarray(pixels[rows, columns]))
    for size in (len(pixels[rows]), 3, 17):
        assert torch.equal(load_image(path, size), load_image(square, size))


def damaged(kind, good):
    place = good.index(b"IDAT") + 30
    return {
        "empty": b"",
        "text": b"<!DOCTYPE html><html>404</html>",
        "signature only": good[:8],
        "half": good[: len(good) // 2],
        "last chunk missing": good[:-12],
        "flipped bit": good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :],
        "flipped bit in the header": good[:19] + b"\1" + good[20:],
        "huge": good[:16] + struct.pack(">II", 60_000, 60_000) + good[24:],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "text",
        "signature only",
        "half",
        "last chunk missing",
        "flipped bit",
        "flipped bit in the header",
        "huge",
    ],
)
def test_a_damaged_file_is_named(tmp_path, kind):
    path = save(tmp_path / "C001" / "12.png", random_bytes(32, 32))
    path.write_bytes(damaged(kind, path.read_bytes()))
    with pytest.raises(ValueError, match=r"12\.png (cannot be read|is not a PNG picture).*take it"):
        MayoDataset(tmp_path)[0]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_flipped_bit_in_the_compressed_pixels_never_goes_through(tmp_path, bits):
    good = raw_png(random_bytes(5, 5, 3), bits)
    start, end = good.index(b"IDAT") + 4, good.index(b"IEND") - 8
    for place in range(start, end, 7):
        content = good[:place] + bytes([good[place] ^ 16]) + good[place + 1 :]
        (tmp_path / "1.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"1\.png cannot be read"):
            load_image(tmp_path / "1.png", 5)


def test_a_decompression_bomb_is_refused(tmp_path):
    good = raw_png(np.zeros((1, 1, 1), np.uint8))
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = good[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + good[33:]
    (tmp_path / "1.png").write_bytes(bomb)
    with pytest.raises(ValueError, match=r"1\.png cannot be read .*decompression bomb"):
        load_image(tmp_path / "1.png", 8)


@pytest.mark.parametrize("format_", ["JPEG", "GIF", "BMP", "TIFF"])
def test_another_format_under_the_name_of_png(tmp_path, format_):
    Image.fromarray(random_bytes(8, 8)).save(tmp_path / "1.png", format=format_)
    with pytest.raises(ValueError, match=r"1\.png is not a PNG picture; save it as PNG"):
        load_image(tmp_path / "1.png", 8)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"1\.png"):
        load_image(tmp_path / "1.png", 8)


@pytest.mark.parametrize("data_shape", [0, -3, 2.0, "256", None, True, (8, 8)])
def test_bad_data_shape(tmp_path, data_shape):
    path = save(tmp_path / "C001" / "1.png", random_bytes(8, 8))
    for call in (lambda: load_image(path, data_shape), lambda: MayoDataset(tmp_path, data_shape)):
        with pytest.raises(ValueError, match="data_shape must be a positive integer, got"):
            call()


@pytest.mark.parametrize("max_value", [0, -1, float("nan"), float("inf"), "255"])
def test_bad_max_value(tmp_path, max_value):
    path = save(tmp_path / "C001" / "1.png", random_bytes(8, 8))
    with pytest.raises(ValueError, match="max_value must be a positive number, got"):
        load_image(path, 8, max_value)
    with pytest.raises(ValueError, match="max_value must be a positive number, got"):
        MayoDataset(tmp_path, 8, max_value)
