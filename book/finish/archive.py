"""The whole site as one file to take along, the same bytes whenever the site is the same."""

import re
import zipfile
from pathlib import Path

import files  # book/files.py

NAME = "how-convolutional-networks-restore-images"
# In the archive itself nothing offers the archive.
OFFER = re.compile(r'<p class="ippy-take-along">.*?</p>', re.DOTALL)
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that the format knows


def pack(site: Path) -> Path:
    """Write the archive into the site, without itself."""
    target = site / f"{NAME}.zip"
    for left_over in site.rglob(".unfinished-*"):  # of a build that was killed
        left_over.unlink()
    inside = sorted(path for path in site.rglob("*") if path.is_file() and path != target)
    with (
        files.replacing(target) as unfinished,
        zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for file in inside:
            if file.name == ".buildinfo":
                continue
            content = file.read_bytes()
            if file.suffix == ".html":
                content = OFFER.sub("", content.decode()).encode()
            place = f"{NAME}/{file.relative_to(site).as_posix()}"
            entry = zipfile.ZipInfo(place, LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return target
