"""Third-party files that the site serves are the ones that were fetched, licence included."""

import hashlib
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"
STATIC = BOOK / "static"


@pytest.mark.parametrize("sums", sorted(BOOK.rglob("SHA256SUMS")), ids=lambda p: p.parent.name)
def test_files_have_their_recorded_checksums(sums: Path):
    header, *lines = sums.read_text().splitlines()
    assert header.startswith(f"# {sums.parent.name} ")
    recorded = dict(reversed(line.split("  ")) for line in lines)
    files = {p.relative_to(sums.parent).as_posix() for p in sums.parent.rglob("*") if p.is_file()}
    assert files - {"SHA256SUMS"} == set(recorded)
    assert "LICENSE" in recorded
    for name, digest in recorded.items():
        assert hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() == digest, name


def test_the_icons_are_of_the_version_whose_licence_is_kept():
    import pydata_sphinx_theme
    from fontTools.ttLib import TTFont

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    font = TTFont(theme / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf")
    version = (STATIC / "fontawesome" / "SHA256SUMS").read_text().split()[2]
    assert f"Font Awesome version: {version}" in font["name"].getDebugName(5)
