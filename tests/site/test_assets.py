"""Third-party files that the site serves are the ones that were fetched, licence included."""

import hashlib
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "book" / "static"


@pytest.mark.parametrize("sums", sorted(STATIC.rglob("SHA256SUMS")), ids=lambda p: p.parent.name)
def test_files_have_their_recorded_checksums(sums: Path):
    header, *lines = sums.read_text().splitlines()
    assert header.startswith(f"# {sums.parent.name} ")
    recorded = dict(reversed(line.split("  ")) for line in lines)
    files = {p.relative_to(sums.parent).as_posix() for p in sums.parent.rglob("*") if p.is_file()}
    assert files - {"SHA256SUMS"} == set(recorded)
    assert "LICENSE" in recorded
    for name, digest in recorded.items():
        assert hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() == digest, name
