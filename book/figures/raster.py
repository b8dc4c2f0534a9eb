"""The drawings as PNG, for notebooks that travel alone: `python book/figures/raster.py`.

Colab shows no SVG that lies within a notebook, and JupyterLab none that is attached to a cell; a
PNG is shown by all. Each file says which drawing it was made from, so that a test can tell when
one of them has been changed. Needs the system's Chromium.
"""

import hashlib
import io
import sys
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

FOLDER = Path(__file__).resolve().parent
TARGET = FOLDER / "png"
# Markdown cannot say how wide a picture is shown: it is its own number of pixels, if there is room.
SHARPNESS, COLOURS = 1.5, 96


def source_of(drawing: Path) -> str:
    """A hash of a drawing, whatever the line ends that git has given it."""
    content = drawing.read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    sys.path.insert(0, str(FOLDER.parent))
    from print import chromium  # book/print.py

    TARGET.mkdir(exist_ok=True)
    with chromium() as page:
        sharp = page.context.browser.new_page(device_scale_factor=SHARPNESS)
        for drawing in sorted(FOLDER.glob("*.svg")):
            sharp.set_content('<body style="margin:0"><img style="display:block">')
            sharp.evaluate(
                """async (svg) => {
                    const image = document.querySelector("img");
                    image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
                    await image.decode();
                }""",
                drawing.read_text(encoding="utf-8"),
            )
            shot = sharp.locator("img").screenshot(omit_background=True)
            picture = Image.open(io.BytesIO(shot)).quantize(
                COLOURS, method=Image.Quantize.FASTOCTREE
            )
            note = PngInfo()
            note.add_text("Source", source_of(drawing))
            picture.save(TARGET / f"{drawing.stem}.png", optimize=True, pnginfo=note)
            print(drawing.stem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
