"""How the JavaScript of the explorers is put together, for a page and for a live notebook.

The parts in `core/` compute and run in a worker; those in `page/` draw and run in the page. They
are plain scripts that follow one another in one function, not ES modules, because a page opened
from a file cannot import any.
"""

import base64
import functools
import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
CORE = ("images", "convolution", "network", "fourier", "noise", "metrics")
PAGE = ("dom", "engine", "state", "files", "colours", "pictures", "controls", "charts", "mount")
WASM = {"relaxed": "core-relaxed.wasm", "simd": "core.wasm"}


@functools.cache
def version() -> str:
    """Twelve letters that change with any of the sources."""
    digest = hashlib.sha256()
    kinds = ("*.js", "*.css", "core/*", "page/*", "parts/*")
    for path in sorted(path for kind in kinds for path in FOLDER.glob(kind)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@functools.cache
def runtime() -> str:
    """A JavaScript expression whose value is the object `ippy`, with all but the explorers."""
    setup = {
        "css": _read("page/host.css") + _read("page/explorers.css"),
        "wasm": {
            kind: base64.b64encode((FOLDER / "core" / name).read_bytes()).decode()
            for kind, name in WASM.items()
        },
    }
    return "\n".join(
        [
            "(() => {",
            '"use strict";',
            "function ippyCore() {",
            '"use strict";',
            "const core = {};",
            *(_read(f"core/{name}.js") for name in CORE),
            "return core;",
            "}",
            f"const SETUP = {as_script(setup)};",
            f"const ippy = {{ version: {as_script(version())} }};",
            *(_read(f"page/{name}.js") for name in PAGE),
            "return ippy;",
            "})()",
        ]
    )


def host_style() -> str:
    """The style of an explorer's place, which a page needs before its script has run."""
    return _read("page/host.css")


def explorer_script(script: Path) -> str:
    """The explorer itself, as statements that use `ippy`.

    To NAME.js belong its style NAME.css and its parts, `parts/NAME_*.js`, where there are any; the
    parts share one scope with it.
    """
    parts = sorted((script.parent / "parts").glob(f"{script.stem}_*.js"))
    source = "\n".join(path.read_text(encoding="utf-8") for path in [*parts, script])
    sheet = script.with_suffix(".css")
    if sheet.is_file():
        css = as_script(sheet.read_text(encoding="utf-8"))
        source = f"ippy.style({as_script(script.stem)}, {css});\n{source}"
    return f'((ippy) => {{\n"use strict";\n{source}\n}})(ippy);\n'


def static_core(course: dict[str, Any], versions: dict[str, str]) -> str:
    """core.js: what each page with an explorer loads once, as a classic script.

    Args:
        course: the asset of that name, which every explorer has at once.
        versions: of the assets that all explorers share, by name.
    """
    return (
        f"globalThis.ippy ??= {runtime()};\n"
        f"ippy.course = {as_script(course)};\n"
        f"ippy.versions = {as_script(versions)};\n"
    )


def static_explorer(script: Path, defaults: dict[str, Any], versions: dict[str, str]) -> str:
    """NAME.js: one explorer of a page, with its defaults for hosts that state none.

    Args:
        versions: of the assets that are its own, by name.
    """
    known = (
        f"ippy.defaults[{as_script(script.stem)}] = {as_script(defaults)};\n"
        f"Object.assign(ippy.versions, {as_script(versions)});\n"
    )
    return known + explorer_script(script)


def module(script: Path, title: str) -> str:
    """The ES module that anywidget loads; all explorers of a notebook share one runtime."""
    key, name = as_script(f"ippy-explorers-{version()}"), as_script(script.stem)
    return (
        f"const ippy = (globalThis[{key}] ??= {runtime()});\n"
        f"ippy.defaults[{name}] = {{ title: {as_script(title)} }};\n"
        f"{explorer_script(script)}export default ippy.widget({name});\n"
    )


def as_script(value: Any) -> str:
    """JSON that may also stand inside an HTML script element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
