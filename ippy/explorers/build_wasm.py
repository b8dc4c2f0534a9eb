"""Build core.wasm and core-relaxed.wasm from core.c: `python ippy/explorers/build_wasm.py`.

Both are committed, so that only who edits core.c needs this. The compiler is the clang inside the
package `ziglang`, of a fixed version, which pip installs on Linux, macOS and Windows alike, so that
the same source gives the same bytes. They are compiled for browsers with WebAssembly's 128-bit
vectors, and for those that can also multiply and add in one instruction (relaxed SIMD).
"""

import subprocess
import sys
from pathlib import Path

COMPILER = "ziglang==0.17.1"
FOLDER = Path(__file__).resolve().parent / "core"
FLAGS = ["--target=wasm32-freestanding", "-O3", "-nostdlib", "-Wall", "-Wextra", "-Werror", "-s"]
LINK = ["-Wl,--no-entry", "-Wl,--initial-memory=1048576", "-Wl,-z,stack-size=16384"]
VARIANTS = {"core.wasm": ["-msimd128"], "core-relaxed.wasm": ["-msimd128", "-mrelaxed-simd"]}


def main() -> int:
    name, _, version = COMPILER.partition("==")
    try:
        from importlib.metadata import version as installed

        found = installed(name)
    except ImportError:
        found = "none"
    if found != version:
        print(f"{COMPILER} is needed, found {found}: python -m pip install {COMPILER}")
        return 2
    for file, features in VARIANTS.items():
        target = FOLDER / file
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *features, *LINK]
        subprocess.run([*command, str(FOLDER / "core.c"), "-o", str(target)], check=True)
        print(f"{file}: {target.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
