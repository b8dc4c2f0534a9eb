"""An address that changes with the content, so that a browser may keep what it has for ever."""

import functools
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote

# What pages load from the site itself; links to pages and downloads are no part of a page.
LOADED = re.compile(
    r'(<(?:script|img|link)\b[^>]*\b(?:src|href)=")([^":?#]+\.(?:js|css|png|svg|webp|ico))(?:\?[^"]*)?"'
)


def stamp(text: str, folder: Path) -> str:
    """The page, which lies in that folder, asking for each file by a hash of its content."""

    def stamped(found: re.Match[str]) -> str:
        file = folder / unquote(found[2])
        return f'{found[1]}{found[2]}?v={_hash(file, file.stat().st_mtime_ns)}"'

    return LOADED.sub(stamped, text)


@functools.cache
def _hash(file: Path, changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:8]
