"""Fixtures for tests in a real browser."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "demo")]

from browser import DESKTOP, Visit, launch, serve  # noqa: E402  found through the line above
from calculator import Calculator  # noqa: E402


@pytest.fixture(scope="session")
def browser(chromium: str):
    with launch(chromium) as running:
        yield running


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
