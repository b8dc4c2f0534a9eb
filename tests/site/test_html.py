"""The HTML of every built page: valid, its links alive, its pictures measured and described.

The pages are read by justhtml, which follows the standard's own parsing to the letter. Nothing but
the Nu Html Checker knows the whole standard; it needs Java, and runs where `.ci/run` or a person
has installed it.
"""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from crawl import CHAPTERS
from justhtml import JustHTML

ROOT = Path(__file__).resolve().parents[2]
WORDS = "p, h1, h2, h3, h4, h5, h6, pre, summary, span, a, button, label, em, strong, code, dt"
BLOCKS = "p, div, ul, ol, dl, table, pre, section, article, details, fieldset, form, figure, nav"
TITLES = "h1, h2, h3, h4, h5, h6"  # these a summary may hold
# The checker's own reader of CSS is behind the browsers: these are in all of them since 2023.
NOT_KNOWN_TO_NU = ".*(@container|container-type).*"


@pytest.fixture(scope="module")
def nu_checker() -> str:
    """The path of the checker's command, which fetches a Java of its own where there is none."""
    checker = shutil.which("vnu")
    if checker and shutil.which("java"):
        return checker
    reason = "no Nu Html Checker with Java on this machine (npm install --global vnu-jar)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, JustHTML]:
    return {
        page: JustHTML(page.read_text("utf-8"), collect_errors=True, sanitize=False)
        for page in sorted(site.rglob("*.html"))
    }


def misplaced(page: JustHTML) -> list[str]:
    """Blocks where only words may stand, and headings and buttons that say nothing."""
    found = [
        f"<{block.name}> in <{outer.name}>: {block.to_text()[:60]}"
        for outer in page.query(WORDS)
        # A link may hold whatever its own place may.
        for block in outer.query(
            BLOCKS if outer.name in ("summary", "a") else f"{BLOCKS}, {TITLES}"
        )
        if not (outer.name == "a" and outer.parent.name in ("div", "li", "section"))
    ]
    for named in page.query(f"{TITLES}, button, summary"):
        says = [named, *named.query("img, svg")]
        labels = [e.attrs.get(key) for e in says for key in ("aria-label", "title", "alt")]
        if not named.to_text().strip() and not any(labels):
            found.append(f"<{named.name}> says nothing: {named.attrs}")
    return found


def test_no_page_breaks_a_rule_of_the_standards_parser(site: Path, pages: dict[Path, JustHTML]):
    errors = {page.relative_to(site): read.errors for page, read in pages.items()}
    assert {page: found for page, found in errors.items() if found} == {}


def test_everything_stands_where_it_may(site: Path, pages: dict[Path, JustHTML]):
    found = {page.relative_to(site): misplaced(read) for page, read in pages.items()}
    assert {page: faults for page, faults in found.items() if faults} == {}


@pytest.mark.parametrize(
    "fault",
    ["<summary><p>a</p></summary>", "<h1></h1>", "<p><button></button></p>", "<b><div></p></b>"],
)
def test_faults_are_found(fault: str):
    read = JustHTML(
        f"<!DOCTYPE html><html lang=en><head><title>t</title></head><body>{fault}</body></html>",
        collect_errors=True,
        sanitize=False,
    )
    assert read.errors or misplaced(read)


def test_the_nu_checker_finds_the_error_that_is_planted_and_no_other(
    site: Path, nu_checker: str, tmp_path: Path
):
    planted = tmp_path / "planted.html"
    planted.write_text("<!DOCTYPE html><html lang=en><title>t</title><p role=ghost>", "utf-8")
    places = [site / "book", site / "explorers", *site.glob("*.html"), planted]
    command = [nu_checker, "--errors-only", "--skip-non-html", "--format", "json"]
    command += ["--filterpattern", NOT_KNOWN_TO_NU]
    told = subprocess.run([*command, *map(str, places)], capture_output=True, encoding="utf-8")
    found = [
        (m["url"], m.get("lastLine"), m["message"]) for m in json.loads(told.stderr)["messages"]
    ]
    assert [url.rpartition("/")[2] for url, _, _ in found] == [planted.name], found[:20]


def test_no_link_and_no_anchor_is_broken(site: Path, pages: dict[Path, JustHTML]):
    ids = {page: {e.attrs["id"] for e in read.query("[id]")} for page, read in pages.items()}
    broken = []
    for page, read in pages.items():
        targets = [e.attrs.get("href") for e in read.query("[href]")]
        for target in targets + [e.attrs.get("src") for e in read.query("[src]")]:
            parts = urlsplit(target or "")
            if parts.scheme or parts.netloc:
                continue
            file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            # An explorer's own address begins with its name and a colon.
            here = not parts.fragment or ":" in parts.fragment or file.suffix != ".html"
            if not file.is_file() or not (here or unquote(parts.fragment) in ids[file]):
                broken.append(f"{page.relative_to(site)}: {target}")
    assert broken == []


def test_no_name_is_given_twice_in_a_page(site: Path, pages: dict[Path, JustHTML]):
    for page, read in pages.items():
        given = Counter(element.attrs["id"] for element in read.query("[id]"))
        twice = [name for name, times in given.items() if times > 1]
        assert not twice, f"{page.relative_to(site)}: {twice}"


def test_every_picture_tells_its_size_and_what_it_shows(pages: dict[Path, JustHTML]):
    for page, read in pages.items():
        for picture in read.query("img"):
            given = picture.attrs
            assert (given.get("alt") or "").strip(), (page.name, given)
            if not given["src"].startswith("data:"):
                assert given.get("width") and given.get("height"), (page.name, given)
                assert "_images" not in given["src"] or ".png" not in given["src"]


def test_each_picture_of_a_page_is_told_in_words_of_its_own(
    site: Path, pages: dict[Path, JustHTML]
):
    for page, read in pages.items():
        sources: dict[str, set[str]] = {}
        for picture in read.query("img"):
            words = (picture.attrs.get("alt") or "").strip()
            assert len(words.split()) >= 4, (page.name, words)
            assert not re.search(r"\.(png|svg|webp|jpe?g)\b|^_images", words), (page.name, words)
            sources.setdefault(words, set()).add(picture.attrs["src"])
        twice = {words for words, pictures in sources.items() if len(pictures) > 1}
        assert not twice, f"{page.relative_to(site)}: {twice}"


def test_each_notebook_can_be_downloaded(site: Path):
    for name in CHAPTERS:
        if (ROOT / f"{name}.ipynb").exists():
            page = (site / f"{name}.html").read_text("utf-8")
            assert f'href="../_sources/{name}.ipynb"' in page
            assert (site / "_sources" / f"{name}.ipynb").is_file()


def test_what_the_book_says_of_its_size_is_so(site: Path):
    files = [file for file in site.rglob("*") if file.is_file()]
    whole = sum(file.stat().st_size for file in files if file.suffix != ".zip") / 1e6
    packed = sum(file.stat().st_size for file in site.glob("*.zip")) / 1e6
    instructors = (ROOT / "book" / "instructors.md").read_text("utf-8")
    said = re.search(
        r"whole\s+site\s+is\s+some\s+(\d+)\s+MB,\s+and\s+(\d+)\s+MB\s+packed", instructors
    )
    assert said is not None
    assert float(said[1]) == pytest.approx(whole, rel=0.1)
    assert float(said[2]) == pytest.approx(packed, rel=0.1)
    offered = re.search(
        r"one\s+file\s+of\s+(\d+)\s+MB", (ROOT / "book/index.md").read_text("utf-8")
    )
    assert offered is not None
    assert float(offered[1]) == pytest.approx(packed, rel=0.1)
