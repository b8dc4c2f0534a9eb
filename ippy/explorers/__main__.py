"""`python -m ippy.explorers FOLDER [NAME ...]`: each explorer as a page of its own, in seconds."""

import sys

from ippy.explorers.pages import write_pages


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    for page in write_pages(sys.argv[1], sys.argv[2:] or None):
        print(page.resolve().as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
