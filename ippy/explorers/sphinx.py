"""The Sphinx extension that brings the explorers into the built book.

It writes their scripts and pages of their own into the site, and lets a page load those of the
explorers that are on it, and no others. In a Markdown page an explorer is one line of HTML,
`<div class="ippy-explorer" data-explorer="NAME"></div>`; a notebook's cell gives the same, filled.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from ippy.explorers import explorer_class, names
from ippy.explorers.pages import write_pages

HOST = re.compile(r'<div class="ippy-explorer" data-explorer="(\w+)"')
EMPTY_HOST = re.compile(r'<div class="ippy-explorer" data-explorer="(\w+)">\s*</div>')
# What book/build.py tells about all that results depend on besides the notebooks' own code.
FINGERPRINT = "IPPY_FINGERPRINT"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", write_files)
    app.connect("env-get-outdated", notebooks_to_read_again)
    app.connect("html-page-context", add_scripts, priority=900)  # after MyST-NB's own scripts
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_files(app: Sphinx, config: Config) -> None:
    """Write scripts and pages to a folder beside the site; Sphinx copies them into it."""
    folder, site = Path(app.outdir).parent / ".explorers", Path(app.outdir)
    current, stamp = os.environ.get(FINGERPRINT, ""), folder / "fingerprint"
    if not current or not stamp.exists() or stamp.read_text("utf-8") != current:
        # Sphinx remarks on every file that it overwrites with another content.
        for old in (folder, site / "explorers", site / "_static" / "explorers"):
            shutil.rmtree(old, ignore_errors=True)
        write_pages(folder)
        # The content of one folder becomes part of _static, that of the other of the site's root.
        (folder / "extra").mkdir()
        (folder / "explorers").rename(folder / "extra" / "explorers")
        stamp.write_text(current, "utf-8")
    config.html_static_path = [*config.html_static_path, str(folder / "_static")]
    config.html_extra_path = [*config.html_extra_path, str(folder / "extra")]


def notebooks_to_read_again(
    app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """All notebooks, if what their results depend on has changed since they were read.

    Sphinx itself compares the times of the sources only.
    """
    current = os.environ.get(FINGERPRINT)
    if current is None or getattr(env, "ippy_fingerprint", None) == current:
        return []
    env.ippy_fingerprint = current
    return [name for name in env.found_docs if env.doc2path(name).endswith(".ipynb")]


def add_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Fill empty hosts, and load host.css, core.js and NAME.js on a page that has hosts."""
    # A static page has no use for the state of live widgets, some hundred kilobytes each.
    scripts = context["script_files"]
    scripts[:] = [s for s in scripts if getattr(s, "attributes", {}).get("type") != WIDGET_STATE]
    body = context.get("body", "")
    found = [name for name in dict.fromkeys(HOST.findall(body)) if name in names()]
    if not found:
        return
    context["body"] = EMPTY_HOST.sub(lambda host: explorer_class(host[1])().html(), body)
    app.add_css_file("explorers/host.css")
    for name in ["core", *found]:
        app.add_js_file(f"explorers/{name}.js", loading_method="defer")
