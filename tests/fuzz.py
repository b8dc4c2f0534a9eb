"""Feed random damage to everything that reads files or words, for a given time.

    python run.py fuzz                 a minute for each reader
    python run.py fuzz pictures -s 600

Readers: pictures (PNG), weights (.pth), checkpoints and words (the command line) of the package;
page-pictures and page-weights (.safetensors) of the site, in a real browser. A reader may refuse,
in a sentence; it may not raise anything else, hang, or give numbers that are not finite. What is
found is kept in the folder that is named, and belongs as a row in tests/test_bad_files.py, or in
tests/site/test_explorer_kit.py.
"""

import argparse
import base64
import contextlib
import copy
import io
import json
import random
import shutil
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ippy.checkpoint import Progress, load_checkpoint, save_checkpoint
from ippy.cli import main as command_line
from ippy.data import load_image
from ippy.explorers.pages import write_pages
from ippy.export import to_safetensors
from ippy.models import SimpleCNN, load_weights, save_weights

ALLOWED = (ValueError, FileNotFoundError, OSError)
INTERESTING = (0, 1, 127, 128, 255)


def damage(content: bytes, chance: random.Random) -> bytes:
    """One to eight random edits: flipped bits, odd bytes, cuts, repeats."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        if not data:
            break
        place = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[place] = chance.choice(INTERESTING)
        elif kind == 2:
            del data[place : place + chance.randint(1, 64)]
        elif kind == 3:
            data[place:place] = data[max(0, place - chance.randint(1, 64)) : place]
        else:
            del data[place:]
    return bytes(data)


def damage_inside(archive: bytes, chance: random.Random) -> bytes:
    """Damage in one member of a zip archive, with the checksums that fit it.

    Without them a reader that compares checksums, as it should, would never be tried further.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(buffer, "w") as after:
        chosen = chance.choice(before.namelist())
        if chance.random() < 0.5:  # the description of all others
            chosen = next(name for name in before.namelist() if name.endswith("data.pkl"))
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, damage(content, chance) if name == chosen else content)
    return buffer.getvalue()


def damage_chunk(png: bytes, chance: random.Random) -> bytes:
    """Damage in one chunk of a PNG file, with the checksum that fits it, or a chunk doubled."""
    chunks, place = [], 8
    while place < len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        chunks.append((png[place + 4 : place + 8], png[place + 8 : end - 4]))
        place = end
    number = chance.randrange(len(chunks))
    kind, content = chunks[number]
    if kind == b"IDAT" and chance.random() < 0.5:
        content = zlib.compress(damage(zlib.decompress(content), chance))
    else:
        content = damage(content, chance)
    chunks[number : number + (chance.random() < 0.9)] = [(kind, content)]
    return png[:8] + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def damaged_picture(chance: random.Random) -> bytes:
    modes = ["L", "RGB", "RGBA", "P", "1", "LA", "I;16"]
    mode = chance.choice(modes)
    grey = np.random.default_rng(chance.randrange(2**31)).integers(0, 255, (9, 12), np.uint8)
    image = (
        Image.fromarray(grey.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(grey).convert(mode)
    )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return chance.choice([damage, damage_chunk])(buffer.getvalue(), chance)


def pictures(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
    content, path = damaged_picture(chance), folder / "1.png"

    def read() -> None:
        path.write_bytes(content)
        x = load_image(path, 8)
        assert x.shape == (1, 8, 8)
        assert bool(x.isfinite().all())
        assert 0 <= float(x.min()) <= float(x.max()) <= 1

    return content, read


def weights(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
    model, path = SimpleCNN(1, 1, 2), folder / "net.pth"
    save_weights(model, path)
    content = chance.choice([damage, damage_inside])(path.read_bytes(), chance)

    def read() -> None:
        path.write_bytes(content)
        loaded = load_weights(SimpleCNN(1, 1, 2), path)
        assert all(bool(w.isfinite().all()) for w in loaded.state_dict().values())

    return content, read


def checkpoints(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
    path, identity = folder / "run.ckpt", {"recipe": {"steps": 3}}
    model, other = SimpleCNN(1, 1, 2), SimpleCNN(1, 1, 2)
    optimiser = torch.optim.Adam(model.parameters())
    save_checkpoint(path, identity, Progress(step=1), model, optimiser)
    content = chance.choice([damage, damage_inside])(path.read_bytes(), chance)

    def read() -> None:
        path.write_bytes(content)
        before = {name: weight.clone() for name, weight in other.state_dict().items()}
        fresh = torch.optim.Adam(other.parameters())
        try:
            load_checkpoint(path, identity, other, fresh)
        except Exception:
            assert all(torch.equal(w, before[name]) for name, w in other.state_dict().items())
            assert not fresh.state
            raise

    return content, read


# Answers "" if a file was read or refused in a sentence, else what went wrong.
READ_IN_PAGE = """async ([kind, text]) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    try {
        if (kind === "weights") {
            const net = ippy.readNetwork(bytes.buffer);
            const x_hat = (await ippy.engine.network(net, ippy.image(16, 16))).x_hat;
            return x_hat.data.length === 256 ? "" : `a picture of ${x_hat.data.length} pixels`;
        }
        const x = await ippy.readPicture(new File([bytes], "mine.png"), 8);
        const isGrey = x.data.length === 64 && x.data.every((value) => value >= 0 && value <= 1);
        return isGrey ? "" : `values like ${x.data.slice(0, 3)}`;
    } catch (error) {
        const isSentence = error.name === "Problem" && /^.{10,200}$/.test(error.message);
        return isSentence ? "" : `${error.name}: ${error.message}`;
    }
}"""
_pages: list[Page] = []


def page() -> Page:
    """A page of the site in a browser, opened once and closed by the end of this program."""
    if not _pages:
        folder = Path(tempfile.mkdtemp())
        (address,) = write_pages(folder, ["network"])
        browser = (
            sync_playwright()
            .start()
            .chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                args=["--no-sandbox", "--disable-gpu"],
            )
        )
        _pages.append(browser.new_page())
        _pages[0].goto(address.as_uri())
        _pages[0].wait_for_selector(".ippy-explorer[data-busy='0']")
        shutil.rmtree(folder)
    return _pages[0]


def in_page(kind: str, content: bytes) -> Callable[[], None]:
    def read() -> None:
        wrong = page().evaluate(READ_IN_PAGE, [kind, base64.b64encode(content).decode()])
        if wrong:
            raise RuntimeError(wrong)

    return read


def page_pictures(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
    content = damaged_picture(chance)
    return content, in_page("picture", content)


def page_weights(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
    """Half of them damaged anywhere, half with something else in a well-formed header."""
    training = {"blur": {"kernel_type": "motion", "kernel_size": 3}, "noise_level": 0.01}
    content = to_safetensors(SimpleCNN(1, 1, 2), training)
    if chance.random() < 0.5:
        content = damage(content, chance)
    else:
        length = struct.unpack("<Q", content[:8])[0]
        header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
        for _ in range(chance.randint(1, 3)):
            tamper(header, chance)
        text = json.dumps(header).encode()
        content = struct.pack("<Q", len(text)) + text + body
    return content, in_page("weights", content)


ODD = [None, True, 0, 1, 2, -1, 4, 36, 2**31, 2**53, 1e308, 0.5, "", "F64", "__proto__", [], {}]
ODD += [[0], [0, 0], [0, 1, 3, 3], [2, 2, 3, 3], [1] * 9, [[1]], "{}", "[]", '{"blur": {}}']


def tamper(header: dict, chance: random.Random) -> None:
    """Put something odd in the place of one entry, at any depth."""
    place: dict | list = header
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = chance.choice(keys)
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.2:
            place[key] = copy.deepcopy(chance.choice(ODD))
            return
        place = inner


WORDS = [
    "train",
    "evaluate",
    "export",
    "data",
    "check",
    "make",
    "import",
    "--steps",
    "--noise-level",
]
WORDS += [
    "--data",
    "--kernel",
    "--help",
    "--size",
    "--preset",
    "--seed",
    "nowhere",
    "x.pth",
    "-1",
    "0",
]
WORDS += [
    "nan",
    "1e999",
    "--resume",
    "--force",
    "--weights",
    "é",
    "",
    "--",
    "--json",
    "\0",
    "../..",
]


def words(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
    """Never a command that would begin to train or to draw: nothing it names is there."""
    typed = [chance.choice(WORDS) for _ in range(chance.randint(1, 5))]
    if "train" in typed:  # also behind a "--"
        typed += ["--kernel", "nowhere"]
    if "make" in typed or "data" in typed:
        typed = [word for word in typed if word != "make"] + ["nowhere"]
    content = "\n".join(typed).encode()

    def read() -> None:
        with contextlib.chdir(folder):
            result = CliRunner().invoke(command_line, typed)
        assert result.exit_code in (0, 1, 2), result.exit_code
        assert "Traceback" not in result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception

    return content, read


READERS = {
    "pictures": pictures,
    "weights": weights,
    "checkpoints": checkpoints,
    "words": words,
    "page-pictures": page_pictures,
    "page-weights": page_weights,
}


def fuzz(name: str, seconds: float, seed: int, keep: Path) -> tuple[int, int]:
    """(tried, failed)"""
    chance, tried, failed = random.Random(seed), 0, 0
    if name.startswith("page-"):
        page()  # opened before the clock starts
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as temporary:
        while time.monotonic() < end:
            content, read = READERS[name](Path(temporary), chance)
            tried += 1
            try:
                read()
            except ALLOWED:
                pass
            except Exception as error:
                failed += 1
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name}-{seed}-{tried}").write_bytes(content)
                print(f"{name} {tried}: {type(error).__name__}: {error}", flush=True)
    return tried, failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("-s", "--seconds", type=float, default=60, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="what was found")
    options = parser.parse_args()
    torch.set_num_threads(1)
    total = 0
    for name in options.readers or READERS:
        tried, failed = fuzz(name, options.seconds, options.seed, options.keep)
        total += failed
        print(f"{name}: {tried} tried, {failed} failed", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
