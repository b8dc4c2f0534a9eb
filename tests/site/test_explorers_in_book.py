"""The Sphinx extension: which page loads what, and when notebooks are read again."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from sphinx.application import Sphinx

import ippy.explorers.sphinx as extension
from ippy.explorers.pages import write_pages

HOST = '<div class="ippy-explorer" data-explorer="demo"></div>'
PAGES = {
    "index": f"Start\n=====\n\n.. toctree::\n\n   plain\n\n.. raw:: html\n\n   {HOST}\n   {HOST}\n",
    "plain": "Plain\n=====\n\nNothing to touch.\n",
}


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Build a book of two pages, one of which has the tests' own explorer twice."""
    from demo import Demo

    written: list[Path] = []

    def write(folder: Path) -> list[Path]:
        written.append(folder)
        return write_pages(folder, [Demo])

    monkeypatch.setattr(extension, "names", lambda: ["demo"])
    monkeypatch.setattr(extension, "explorer_class", lambda name: Demo)
    monkeypatch.setattr(extension, "write_pages", write)
    source = tmp_path / "source"
    source.mkdir()
    for name, text in PAGES.items():
        (source / f"{name}.rst").write_text(text)

    def build() -> SimpleNamespace:
        site = tmp_path / "_build" / "html"
        options = {"extensions": ["ippy.explorers.sphinx"], "html_theme": "basic"}
        app = Sphinx(source, None, site, tmp_path / "doctrees", "html", options, status=None)
        app.build()
        assert app.statuscode == 0
        return SimpleNamespace(site=site, written=len(written), app=app)

    return build


def scripts(page: Path) -> list[str]:
    return re.findall(r'<script[^>]* src="([^"]*explorers[^"]*)"', page.read_text())


def test_a_page_loads_what_is_on_it_and_no_more(book):
    site = book().site
    found = scripts(site / "index.html")
    assert [script.partition("?")[0] for script in found] == [
        "_static/explorers/core.js",
        "_static/explorers/demo.js",
    ]
    assert all(re.search(r"\?v=\w+$", script) for script in found), "so that they can be cached"
    assert scripts(site / "plain.html") == []
    assert (site / "explorers" / "demo.html").is_file()
    for script in found:
        assert (site / script.partition("?")[0]).is_file()


def test_empty_hosts_are_filled(book):
    text = (book().site / "index.html").read_text()
    assert HOST not in text
    assert text.count('class="ippy-fallback"') == 2
    states = re.findall(r'class="ippy-state">(.*?)</script>', text, re.S)
    assert json.loads(states[0])["parameters"]["length"]["initial"] == 9


def test_the_state_of_live_widgets_stays_out(book, monkeypatch):
    def add(app, page, template, context, doctree):
        app.add_js_file(None, type=extension.WIDGET_STATE, body="{}")

    original = extension.setup

    def setup(app: Sphinx):
        app.connect("html-page-context", add)
        return original(app)

    monkeypatch.setattr(extension, "setup", setup)
    site = book().site
    assert extension.WIDGET_STATE not in (site / "plain.html").read_text()
    assert len(scripts(site / "index.html")) == 2


def test_files_are_written_again_only_when_something_has_changed(book, monkeypatch):
    monkeypatch.setenv(extension.FINGERPRINT, "one")
    assert book().written == 1
    assert book().written == 1
    monkeypatch.setenv(extension.FINGERPRINT, "two")
    assert book().written == 2
    monkeypatch.delenv(extension.FINGERPRINT)
    assert book().written == 3, "who does not say what has changed gets them anew"
    assert book().written == 4


def test_notebooks_are_read_again_when_something_has_changed(monkeypatch):
    env = SimpleNamespace(
        found_docs=["book/one", "book/two"],
        doc2path=lambda name: {"book/one": "one.ipynb", "book/two": "two.md"}[name],
    )
    outdated = lambda: extension.notebooks_to_read_again(None, env, set(), set(), set())  # noqa: E731
    assert outdated() == []
    monkeypatch.setenv(extension.FINGERPRINT, "one")
    assert outdated() == ["book/one"]
    assert outdated() == []
    monkeypatch.setenv(extension.FINGERPRINT, "two")
    assert outdated() == ["book/one"]


def test_stored_notebooks_keep_the_still_half(monkeypatch):
    import nbformat

    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "book"))
    import build

    live = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "a"}
    outputs = [
        nbformat.v4.new_output("display_data", data={**live, "text/html": "<div></div>"}),
        nbformat.v4.new_output("display_data", data=live),
        nbformat.v4.new_output("stream", text="hello"),
    ]
    cells = [nbformat.v4.new_code_cell("", outputs=outputs), nbformat.v4.new_markdown_cell("")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    build.keep_still(notebook)
    found = [set(output.get("data", {})) for output in notebook.cells[0].outputs]
    assert found == [{"text/plain", "text/html"}, set(live), set()]


def test_two_explorers_of_a_kind_share_worker_and_code_and_have_addresses(book, browser):
    from browser import Visit

    site = book().site
    with Visit(browser, site.as_uri() + "/", 1000, "light") as visited:
        count = "(() => { const W = Worker; window.workers = 0; window.Worker = class extends W {"
        count += "constructor(...a) { super(...a); window.workers += 1; } }; })()"
        visited.page.add_init_script(count)
        page = visited.open(site.as_uri() + "/index.html#demo-2:angle=120")
        first, second = (page.locator(".ippy-explorer").nth(n) for n in (0, 1))
        assert first.get_by_label("Angle").input_value() == "20"
        assert second.get_by_label("Angle").input_value() == "120"
        assert page.evaluate("window.workers") == 1
        assert len(visited.requests) == len(set(visited.requests))
        assert page.evaluate("scrollY") > 200, "the explorer that the address names is shown"
        own = second.get_by_role("link", name="Fill the window")
        own.click()
        page.wait_for_url("**/explorers/demo.html#demo:angle=120")
        visited.wait()
        assert page.get_by_label("Angle").input_value() == "120"
