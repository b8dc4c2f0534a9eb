"""Pictures: smaller, with room kept for them, fetched when nearly in sight, bright in the dark."""

import base64
import hashlib
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

PICTURE = re.compile(r'<img\b[^>]*\bsrc="([^":?]*_images/[^":?]+)[^"]*"[^>]*>')
WRITTEN_OUT = re.compile(r'src="data:image/(webp|png);base64,([A-Za-z0-9+/=]{2000,})"')
SHOWS_SLICES = re.compile(r'<image\b|\bfill="#000000"')
VIEW_BOX = re.compile(r'<svg\b[^>]*\bviewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', re.DOTALL)


def fit(text: str, folder: Path) -> str:
    """The page, which lies in that folder, with WebP for PNG and the size of every picture."""
    if 'http-equiv="Content-Security-Policy"' not in text:  # that allows no picture but its own
        text = WRITTEN_OUT.sub(lambda picture: _as_file(picture[1], picture[2], folder), text)
    found = 0

    def mend(picture: re.Match[str]) -> str:
        nonlocal found
        found += 1
        if " decoding=" in picture[0]:
            return picture[0]
        original = folder / unquote(picture[1])
        file = smaller(original)
        width, height = size(file)
        tag = picture[0].replace(picture[1], picture[1].rpartition("/")[0] + "/" + file.name)
        # The first one is in sight, or nearly so, when the page is.
        late = ' loading="lazy"' if found > 1 else ""
        room = "" if " width=" in tag else f' width="{width}" height="{height}"'
        if is_ink(original):  # light on dark, in the dark: book.css
            tag = _with_class(tag, "ippy-ink")
        return f'{tag[:4]}{room}{late} decoding="async"{tag[4:]}'

    return PICTURE.sub(mend, text)


def _as_file(kind: str, data: str, folder: Path) -> str:
    """An explorer's picture, for those without scripts and for print, as a file of its own.

    Whoever has the explorer then need not fetch it.
    """
    content = base64.b64decode(data)
    images = folder.parent / "_images"
    file = images / f"{hashlib.sha256(content).hexdigest()}.{kind}"
    file.write_bytes(content)
    return f'src="../_images/{file.name}"'


def smaller(file: Path) -> Path:
    """The same picture as WebP beside a PNG, if that takes fewer bytes.

    A drawing keeps every dot and its 256 most telling colours, which is all it has or within a grey
    level of it. A slice, whose noise no exact format can shorten, is kept as well as an eye can
    tell; its numbers were computed before it became a picture.
    """
    webp = file.with_suffix(".webp")
    if file.suffix != ".png":
        return file
    if not webp.exists() or webp.stat().st_mtime_ns < file.stat().st_mtime_ns:
        with Image.open(file) as picture:
            exact = _saved(_in_few_colours(picture), lossless=True, quality=80, method=4)
            close = _saved(picture, quality=85, method=6, use_sharp_yuv=True)
        webp.write_bytes(close if len(close) < 0.8 * len(exact) else exact)
    return webp if webp.stat().st_size < file.stat().st_size else file


def _in_few_colours(picture: Image.Image) -> Image.Image:
    opaque = picture.convert("RGB")
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
        return picture  # what shines through would be lost
    few = opaque.quantize(256, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    return few.convert("RGB")


def _saved(picture: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="WebP", **options)
    return file.getvalue()


def is_ink(file: Path) -> bool:
    """Whether a picture is lines and letters on paper, so that light and dark may change places.

    Curves leave seven tenths of their paper free, at least. In a slice or a map of errors light
    and dark say something, and there is no such margin.
    """
    if file.suffix == ".svg":
        return not SHOWS_SLICES.search(file.read_text(encoding="utf-8"))
    with Image.open(file) as picture:
        colours: Any = picture.convert("RGB").getcolors(picture.width * picture.height)
    count, paper = max(colours)
    return bool(min(paper) > 230 and count > 0.7 * picture.width * picture.height)


def _with_class(tag: str, name: str) -> str:
    """
    >>> _with_class('<img class="align-center" src="a.png">', "b")
    '<img class="b align-center" src="a.png">'
    >>> _with_class('<img src="a.png">', "b")
    '<img class="b" src="a.png">'
    """
    if ' class="' in tag:
        return tag.replace(' class="', f' class="{name} ', 1)
    return f'<img class="{name}"{tag[4:]}'


def size(file: Path) -> tuple[int, int]:
    """Width and height in CSS pixels."""
    if file.suffix != ".svg":
        with Image.open(file) as picture:
            return picture.size
    box = VIEW_BOX.search(file.read_text(encoding="utf-8"))
    if box is None:
        raise ValueError(f"{file.name} must have a viewBox, so that the page can keep room for it")
    return round(float(box[1])), round(float(box[2]))
