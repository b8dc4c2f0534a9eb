"""The book builds without a warning from the notebooks that have just been run, and is whole."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


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
        assert re.search(r'<img[^>]+src="\.\./_images/[^"]+\.(webp|png|svg)\?', text), chapter.name
