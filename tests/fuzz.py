"""Feed random damage to everything that reads files or words, for a given time.

    python run.py fuzz                 a minute for each reader
    python run.py fuzz pictures -s 600

Readers: pictures (PNG), weights (.pth), and
words (the command line). A reader may refuse, in a sentence; it may not raise anything else, hang,
or give numbers that are not finite. What is found is kept in the folder that is named, and belongs
as a row in tests/test_bad_files.py.
"""

import argparse
import io
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image

from ippy.cli import main as command_line
from ippy.data import load_image
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


def pictures(folder: Path, chance: random.Random) -> tuple[bytes, Callable[[], None]]:
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
    content = damage(buffer.getvalue(), chance)
    path = folder / "1.png"

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
    content = damage(path.read_bytes(), chance)

    def read() -> None:
        path.write_bytes(content)
        loaded = load_weights(SimpleCNN(1, 1, 2), path)
        assert all(bool(w.isfinite().all()) for w in loaded.state_dict().values())

    return content, read


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
    if typed[0] == "train" and "--help" not in typed:
        typed += ["--kernel", "nowhere"]
    if "make" in typed or typed[:1] == ["data"]:
        typed = [word for word in typed if word != "make"] + ["nowhere"]
    content = "\n".join(typed).encode()

    def read() -> None:
        result = CliRunner().invoke(command_line, typed)
        assert result.exit_code in (0, 1, 2), result.exit_code
        assert "Traceback" not in result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception

    return content, read


READERS = {"pictures": pictures, "weights": weights, "words": words}


def fuzz(name: str, seconds: float, seed: int, keep: Path) -> tuple[int, int]:
    """(tried, failed)"""
    chance, tried, failed = random.Random(seed), 0, 0
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
