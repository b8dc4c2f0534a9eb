"""The glossary and the table of notation agree with the chapters and with each other."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

from ippy.checks.verdict import anchor

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
sys.path.insert(0, str(BOOK))

import exercises  # noqa: E402

# What the chapters promise to explain.
TERMS = """adjoint, anti-aliasing, batch, channel, checkpoint, circulant, condition number,
convolution, cross-correlation, equivariance, feature map, frequency response, held-out, ill-posed,
inverse crime, invariance, kernel, learning rate, measurement, noise level, overfitting, padding,
point-spread function, PSNR, receptive field, regularisation, residual, saturation, SSIM, stride,
Tikhonov, total variation, training loop, weight sharing, Wiener filter"""


def glossary() -> dict[str, str]:
    """Each term and what is said of it."""
    text = (BOOK / "glossary.md").read_text(encoding="utf-8")
    inside = re.search(r"^:::\{glossary\}\n(.*?)^:::$", text, re.DOTALL | re.MULTILINE)[1]
    entries = re.findall(r"^(\S.*)\n((?:(?:  .*)?\n)+)", inside, flags=re.MULTILINE)
    return {term: re.sub(r"\s+", " ", said).strip() for term, said in entries}


def text_of(path: Path) -> str:
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def pages() -> list[Path]:
    return sorted([*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")])


def test_every_promised_term_is_there_and_linked_to_its_paragraph():
    known = glossary()
    for term in re.split(r",\s+", TERMS):
        assert term in known, term
        said = known[term]
        assert re.search(r"See \[[^\]]+\]\(\d\d-[\w-]+\.ipynb#[\w-]+\)\.$", said), term
        assert 2 <= len(re.findall(r"[.?:](?: |$)", said)) <= 7, term


def test_terms_stand_in_the_order_of_the_alphabet():
    terms = list(glossary())
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_every_term_that_a_page_uses_is_explained(path: Path):
    known = {term.lower() for term in glossary()}
    for used in re.findall(r"\{term\}`([^`]+)`", text_of(path)):
        term = re.sub(r"^.*<(.*)>$", r"\1", used)
        assert term.lower() in known, f"{path.name}: {used}"


@pytest.mark.parametrize("path", exercises.chapters(), ids=lambda path: path.stem)
def test_a_chapter_points_to_the_glossary_a_few_times(path: Path):
    used = re.findall(r"\{term\}`", text_of(path))
    assert 1 <= len(used) <= 10


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_links_to_places_within_another_page_lead_there(path: Path):
    for name, place in re.findall(r"\]\(([\w-]+\.(?:ipynb|md))#([\w-]+)\)", text_of(path)):
        there = text_of(BOOK / name)
        headings = {anchor(h.strip()) for h in re.findall(r"^#+ (.+)$", there, re.MULTILINE)}
        targets = set(re.findall(r"^\(([\w-]+)\)=$", there, re.MULTILINE))
        labels = set(re.findall(r"^:label: (\S+)$", there, re.MULTILINE))
        assert place in headings | targets | labels, f"{path.name}: {name}#{place}"


def test_every_letter_of_the_glossary_is_in_the_table_of_notation():
    table = (BOOK / "notation.md").read_text(encoding="utf-8")
    first = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| $"))
    for term, said in glossary().items():
        for symbol in re.findall(r"Symbol \$([^$]+)\$", said):
            letter = symbol.partition(" ")[0]
            assert re.search(rf"(?<![\w\\]){re.escape(letter)}(?!\w)", first), f"{term}: {symbol}"


def test_glossary_and_notation_point_to_each_other():
    assert "(notation.md)" in (BOOK / "glossary.md").read_text(encoding="utf-8")
    assert "(glossary.md)" in (BOOK / "notation.md").read_text(encoding="utf-8")
