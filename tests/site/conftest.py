"""Fixtures for tests in a real browser."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, sync_playwright

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "demo")]

from ahead import Ahead  # noqa: E402  found through the line above
from browser import (  # noqa: E402
    DESKTOP,
    Visit,
    launch,
    launch_firefox,
    serve,
)
from calculator import Calculator  # noqa: E402
from crawl import Record, look, look_on_smaller_screen  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
_weighed: dict[str, Record] = {}


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str):
    with launch(playwright, chromium) as running:
        yield running


@pytest.fixture(scope="session")
def firefox(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory):
    executable = shutil.which("firefox-esr") or shutil.which("firefox")
    if not executable:
        reason = "no Firefox on this machine (Debian: apt install firefox-esr)"
        if os.environ.get("CI") == "true" and "firefox" in (ROOT / ".ci" / "run").read_text():
            pytest.fail(reason)
        pytest.skip(reason)
    with launch_firefox(playwright, executable, tmp_path_factory.mktemp("firefox")) as running:
        yield running


@pytest.fixture(params=["browser", "firefox"], ids=["chromium", "firefox"])
def either(request: pytest.FixtureRequest):
    """One browser after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def built(verified_notebooks: list[Path]) -> Path:
    """The folder of the site, built from the notebooks that this run has just been through."""
    sys.path.insert(0, str(ROOT / "book"))
    import build

    build.trust_stored_outputs(verified_notebooks)
    command = [sys.executable, str(ROOT / "book" / "build.py")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    assert build.INDEX.as_uri() in result.stdout
    if set(verified_notebooks) == set(build.notebooks()):
        assert "Executing notebook" not in result.stdout + result.stderr, "run twice"
    return build.INDEX.parent


@pytest.fixture(scope="session")
def http(built: Path) -> Iterator[str]:
    """The address of a server for the site."""
    with serve(built) as address:
        yield address


def wanted_by(item: pytest.Item) -> list[str]:
    """The names of a test's fixtures; a cell of a notebook has none."""
    return getattr(item, "fixturenames", [])


@pytest.fixture(scope="session")
def ahead(
    request: pytest.FixtureRequest, browser, chromium: str, built: Path, http: str
) -> Iterator[Ahead]:
    """ahead(look, site, "book/index"): a visit, which may have been made while other tests ran."""
    visits = []
    for item in request.session.items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        if "looked" in wanted_by(item) and "name" in given:
            visits.append((look, built, given["name"]))
        if "on_smaller_screen" in wanted_by(item):
            visits.append((look_on_smaller_screen, http, given["name"], given["width"]))
    visitor = Ahead(browser, chromium)
    visitor.begin(list(dict.fromkeys(visits)))
    yield visitor
    visitor.end()


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, built: Path) -> Path:
    """The folder of the site; from now on its pages are visited ahead of the tests."""
    if any("ahead" in wanted_by(item) for item in request.session.items):
        with contextlib.suppress(pytest.skip.Exception):  # no browser: not all tests need one
            request.getfixturevalue("ahead")
    return built


@pytest.fixture(scope="session")
def weighed() -> dict[str, Record]:
    """What visits have shown, by page; printed when all tests have run."""
    return _weighed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _weighed:
        return
    terminalreporter.section("a first visit of each page, read to its end, from disk")
    line = "{:24} {:>9} {:>14} {:>17} {:>14} {:>13}".format
    titles = (
        "page",
        "kB sent",
        "less formulas",
        "kB uncompressed",
        "first view ms",
        "layout shift",
    )
    terminalreporter.line(line(*titles))
    for name, seen in _weighed.items():
        sizes = (
            sum(seen.sent.values()),
            seen.beside_mathematics(seen.sent),
            sum(seen.loaded.values()),
        )
        kilobytes = [f"{size / 1e3:.0f}" for size in sizes]
        terminalreporter.line(line(name, *kilobytes, f"{seen.first_view:.0f}", f"{seen.shift:.3f}"))
    site = ROOT / "_build" / "html"
    files = [file for file in site.rglob("*") if file.is_file() and file.suffix != ".zip"]
    total = sum(file.stat().st_size for file in files)
    packed = sum(file.stat().st_size for file in site.glob("*.zip"))
    terminalreporter.line(f"{len(files)} files, {total / 1e6:.1f} MB; packed {packed / 1e6:.1f} MB")


@pytest.fixture(scope="session")
def explorer_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' own explorer as a page of its own, without a book; others join it when visited."""
    from demo import Demo

    from ippy.explorers.pages import write_pages

    folder = tmp_path_factory.mktemp("site")
    write_pages(folder, [Demo])
    return folder


@pytest.fixture(scope="session")
def addresses(explorer_site: Path) -> Iterator[dict[str, str]]:
    """Where that site begins, over http and on disk."""
    with serve(explorer_site) as http:
        yield {"http": http, "file": explorer_site.as_uri() + "/"}


@pytest.fixture
def visit(browser, explorer_site: Path, addresses: dict[str, str]) -> Callable[..., Visit]:
    """visit("network", over="http", width=360, theme="dark", hash="#network:…"): a page, ready."""

    def open_explorer(
        name: str,
        over: str = "file",
        width: int = DESKTOP,
        theme: str = "light",
        hash: str = "",
        **context,
    ) -> Visit:
        from ippy.explorers.pages import write_pages

        if not (explorer_site / "explorers" / f"{name}.html").exists():
            write_pages(explorer_site, [name])
        visited = Visit(browser, addresses[over], width, theme, **context)
        visited.open(f"{addresses[over]}explorers/{name}.html{hash}")
        return visited

    return open_explorer


@pytest.fixture(scope="module")
def calculator(browser, addresses: dict[str, str]) -> Iterator[Callable[[str], Calculator]]:
    """calculator("simd"): the page's arithmetic, called from here; "relaxed", "simd" or "js"."""
    with Visit(browser, addresses["file"], DESKTOP, "light") as visited:
        page = visited.open(f"{addresses['file']}explorers/demo.html")
        yield lambda kind: Calculator(page, kind)
