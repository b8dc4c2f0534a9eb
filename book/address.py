"""Tell the project where its repository is, once.

    python run.py address https://github.com/OWNER/REPOSITORY

The address stands in `_config.yml` (`repository.url`, which makes the launch buttons), in the first
cell of each notebook (which installs the course in Colab), in the README and in CITATION.cff. This
command replaces it everywhere.
"""

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))
import files as whole  # it lies beside this file

ROOT = Path(__file__).resolve().parent.parent
UNSET = "https://github.com/OWNER/REPOSITORY"


def files(root: Path) -> list[Path]:
    """Where the address stands."""
    notebooks = sorted((root / "book").glob("*.ipynb"))
    return [root / "_config.yml", root / "README.md", root / "CITATION.cff", *notebooks]


def current(root: Path = ROOT) -> str:
    """The address in `_config.yml`."""
    text = (root / "_config.yml").read_text(encoding="utf-8")
    found = re.search(r"^repository:\s*\n\s+url:\s*(\S+)", text, flags=re.MULTILINE)
    if found is None:
        raise SystemExit("_config.yml has no repository.url")
    return found.group(1)


def change(new: str, root: Path = ROOT) -> list[Path]:
    """Replace the address; returns the files that were changed."""
    old, changed = current(root), []
    for path in files(root):
        text = path.read_text(encoding="utf-8")
        replaced = text.replace(old, new)
        if path.name == "_config.yml":
            # Colab opens notebooks from GitHub only; asked for another button, the build stops.
            button = "colab_url: " if urlsplit(new).hostname == "github.com" else "# colab_url: "
            replaced = re.sub(r"(?<=^  )(?:# )?colab_url: ", button, replaced, flags=re.MULTILINE)
        if replaced != text:
            whole.write(path, replaced.encode())
            changed.append(path)
    return changed


def main() -> int:
    parser = argparse.ArgumentParser(
        "python run.py address", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("url", help="as a browser shows it, without .git")
    url = parser.parse_args().url.removesuffix("/").removesuffix(".git")
    parts = urlsplit(url)
    if parts.scheme != "https" or len(parts.path.strip("/").split("/")) != 2:
        parser.error(f"url must be like {UNSET}, got {url}")
    for path in change(url):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
