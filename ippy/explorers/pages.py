"""The explorers as files: what the book's pages load, and for each explorer a page of its own."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path

from ippy.explorers import assets, bundle, explorer_class, names
from ippy.explorers.assets import Asset
from ippy.explorers.base import Explorer

# No address but its own files, no text turned into code (WebAssembly excepted), no plug-in.
POLICY = (
    "default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; worker-src blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; base-uri 'none'; "
    "form-action 'none'"
)


def write_static(folder: Path, kinds: Iterable[type[Explorer]]) -> None:
    """Write the scripts that pages load to `folder`, the site's `_static/explorers`."""
    shared = dict(assets.catalogue())
    course = shared.pop("course")()
    versions = _write_assets(folder, shared)
    _write(folder / "core.js", bundle.static_core(course, versions))
    _write(folder / "host.css", bundle.host_style())
    for kind in kinds:
        versions = _write_assets(folder, kind.assets())
        _write(folder / f"{kind.name()}.js", static_script(kind(), versions))


def _write_assets(folder: Path, catalogue: Mapping[str, Callable[[], Asset]]) -> dict[str, str]:
    """Write each asset to a script of its own; the versions of their texts, by name.

    What a browser keeps for ever must have another address when it has changed.
    """
    versions = {}
    for name, make in catalogue.items():
        script = f"ippy.deliver({bundle.as_script(name)}, {bundle.as_script(make())});\n"
        versions[name] = hashlib.sha256(script.encode()).hexdigest()[:8]
        _write(folder / f"{name}.js", script)
    return versions


def static_script(explorer: Explorer, versions: dict[str, str]) -> str:
    """The script of one explorer, with the defaults for a host that states none."""
    defaults = {"title": explorer.title, "parameters": explorer._parameters}
    return bundle.static_explorer(explorer.script(), defaults, versions)


def own_page(explorer: Explorer) -> str:
    """A page that one explorer fills; it lies in the folder `explorers` of the site."""
    name, title = explorer.name(), escape(explorer.title)
    policy = POLICY.format(scripts="'self' file:")
    scripts = "".join(
        f'<script defer src="../_static/explorers/{script}.js"></script>\n'
        for script in ("core", name)
    )
    return f"""<!DOCTYPE html>
<html lang="en" data-ippy-page="{name}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{bundle.host_style()}
body {{ margin: 0; font-family: system-ui, sans-serif; background: #fff; color: #1b1f24; }}
main {{ padding: 0.5rem 0.8rem; }}
h1 {{ font-size: 1.3rem; margin: 0.4rem 0; }}
main .ippy-explorer, main .ippy-body {{ margin: 0; border: 0; padding: 0; inset: 0; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #14181e; color: #e8ecf1; }} }}
</style>
{scripts}</head>
<body>
<main>
<h1>{title}</h1>
{explorer.html()}
</main>
</body>
</html>
"""


def write_pages(
    folder: str | Path, explorers: Iterable[str | type[Explorer]] | None = None
) -> list[Path]:
    """Write pages of their own, and all they need, to `folder`; return the pages.

    Args:
        folder: where `explorers/` and `_static/explorers/` are made.
        explorers: names or classes; by default all.
    """
    folder = Path(folder)
    chosen = names() if explorers is None else explorers
    kinds = [explorer_class(one) if isinstance(one, str) else one for one in chosen]
    write_static(folder / "_static" / "explorers", kinds)
    return [
        _write(folder / "explorers" / f"{kind.name()}.html", own_page(kind())) for kind in kinds
    ]


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
