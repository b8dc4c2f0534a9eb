"""The book builds without a warning from the notebooks that have just been run, and is whole."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"


@pytest.fixture(scope="module")
def site(verified_notebooks: list[Path]) -> Path:
    sys.path.insert(0, str(ROOT / "book"))
    import build

    build.trust_stored_outputs(verified_notebooks)
    command = [sys.executable, str(ROOT / "book" / "build.py")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    assert build.INDEX.as_uri() in result.stdout
    return HTML


def pages(site: Path) -> list[Path]:
    return sorted(p for p in site.rglob("*.html") if "_static" not in p.parts)


def test_every_page_of_the_table_of_contents_is_built(site: Path):
    toc = (ROOT / "_toc.yml").read_text()
    names = re.findall(r"(?:file|root): (\S+)", toc)
    assert len(names) >= 10
    for name in names:
        assert (site / f"{name}.html").is_file(), name


def test_pages_show_executed_results(site: Path):
    chapters = sorted((site / "book").glob("0*.html"))
    assert len(chapters) == 5
    for chapter in chapters:
        text = chapter.read_text()
        assert text.count('class="cell_output docutils container"') >= 5, chapter.name
        assert "Traceback (most recent call last)" not in text
        assert re.search(r'<img[^>]+src="\.\./_images/[^"]+\.(png|svg)"', text), chapter.name


def test_every_picture_says_what_it_shows(site: Path):
    for page in pages(site):
        for image in re.findall(r"<img\b[^>]*>", page.read_text()):
            alt = re.search(r'alt="([^"]*)"', image)
            assert alt and len(alt[1]) > 3, f"{page.name}: {image[:120]}"
            assert not re.fullmatch(r"[\w./-]*\.(png|svg)", alt[1]), f"{page.name}: {image[:120]}"


def test_no_link_leads_nowhere(site: Path):
    for page in pages(site):
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text()):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            file = (page.parent / unquote(parts.path)).resolve()
            assert file.exists(), f"{page.relative_to(site)} links to {target}"
