"""Pages on paper: numbered, with bookmarks, links that lead somewhere, explorers as pictures."""

import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book"))
import print as printing  # noqa: E402  found through the line above

# Short ones; of notation and glossary each links to the other.
PAGES = ["book/laboratory", "book/notation", "book/glossary"]


@pytest.fixture(scope="module")
def printed(browser, site, tmp_path_factory) -> dict[str, PdfReader]:
    page = browser.new_page(color_scheme="light")
    folder = tmp_path_factory.mktemp("pdf")
    press = printing.Press(page, site, folder)
    files: dict[str, Path] = {}
    first = 1
    for name in PAGES:
        files[name] = press.print_page(name, first)
        first += len(PdfReader(files[name]).pages)
    press.bind(files, folder / "book.pdf")
    for file in files.values():
        press.cut_loose(file)
    letter = printing.Press(page, site, folder / "letter", "letter")
    files |= {"letter": letter.print_page("book/notation"), "book": folder / "book.pdf"}
    page.close()
    return {name: PdfReader(file) for name, file in files.items()}


def links(reader: PdfReader) -> list[dict]:
    return [note.get_object() for sheet in reader.pages for note in sheet.get("/Annots", [])]


def titles(outline: list) -> list[str]:
    found = []
    for entry in outline:
        found += titles(entry) if isinstance(entry, list) else [entry.title]
    return found


def test_a_chapter_goes_on_counting_where_the_one_before_has_ended(printed):
    last = sum(len(printed[name].pages) for name in PAGES[:2])
    glossary = printed["book/glossary"]
    assert glossary.pages[0].extract_text().startswith(f"{last + 1}Glossary")
    assert glossary.pages[1].extract_text().startswith(f"{last + 2}Glossary")
    assert glossary.page_labels[:2] == [str(last + 1), str(last + 2)]


def test_the_book_has_a_title_a_table_of_contents_and_bookmarks(printed):
    book = printed["book"]
    assert book.metadata.title == printing.setting("title")
    assert book.page_labels[0] == "i" and "1" in book.page_labels
    assert printing.setting("title") in " ".join(book.pages[0].extract_text().split())
    contents = " ".join(book.pages[1].extract_text().split())
    assert "Contents" in contents
    for name in PAGES:
        title = titles(printed[name].outline)[0]
        assert title in contents and title in titles(book.outline)


def test_links_between_chapters_lead_to_the_place_in_the_book(printed):
    book, opening = printed["book"], printed["book"].page_labels.index("1")
    start = opening + sum(len(printed[name].pages) for name in PAGES[:2])
    goals = [
        book.get_page_number(note["/Dest"][0].get_object())
        for sheet in book.pages[start - len(printed["book/notation"].pages) : start]
        for note in (item.get_object() for item in sheet.get("/Annots", []))
        if "/Dest" in note
    ]
    assert start in goals  # notation's link to the glossary
    contents = [item.get_object() for item in book.pages[1]["/Annots"]]
    assert all("/Dest" in note for note in contents)
    heights = {float(note["/Dest"][2]) for note in contents if len(note["/Dest"]) > 2}
    assert len(heights) > 2  # each section of the laboratory at its own


def test_a_chapter_alone_has_no_link_to_this_computer_and_none_that_nobody_sees(printed):
    for name in PAGES:
        notes = links(printed[name])
        assert not [n for n in notes if str(n.get("/A", {}).get("/URI", "")).startswith("file:")]
        heights = [float(note["/Rect"][3]) - float(note["/Rect"][1]) for note in notes]
        assert not notes or min(map(abs, heights)) > 4


def test_an_explorer_is_a_picture_and_says_so(printed):
    text = " ".join(sheet.extract_text() for sheet in printed["book/laboratory"].pages)
    assert "can be touched" in text
    assert any(sheet.images for sheet in printed["book/laboratory"].pages)


def test_paper_is_of_the_size_that_was_asked_for(printed):
    assert [round(float(x)) for x in printed["book"].pages[-1].mediabox[2:]] == [595, 842]
    assert [round(float(x)) for x in printed["letter"].pages[0].mediabox[2:]] == [612, 792]
