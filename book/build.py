"""Build the book, or run its notebooks and store what they print.

    python run.py book             build the site and say where to open it
    python run.py book --all       the same, forgetting every stored result first
    python run.py book --without-solutions
                                   a second site, in which no solution is left
    python run.py execute          run the notebooks in place and store their outputs in them
    python run.py execute NAME     only those whose file name contains NAME

A notebook is executed again when its own code has changed, and also when `ippy/`, `weights/`, the
data or the libraries have: Sphinx sees the first, the fingerprint below sees the rest.
"""

import argparse
import hashlib
import importlib.metadata
import io
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import files  # it lies beside this file

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
FINGERPRINT = BUILD / "fingerprint"
SITE = Path("_build") / "html"
INDEX = ROOT / SITE / "index.html"
# A project of its own, so that no page, search index or source of the whole book gets into it.
WITHOUT = BUILD / "without-solutions"
LIBRARIES = ("torch", "torchmetrics", "numpy", "matplotlib", "pillow")
SITE_LIBRARIES = ("sphinx", "sphinx-book-theme", "pydata-sphinx-theme", "pillow")
# The settings that a build needs: numbers in the text are held to what the cells measure.
STRICT = {"IPPY_STRICT": "1"}
# With another blur or other data, the sentences of the text that its numbers no longer bear out.
REREAD = BUILD / "reread.txt"


def notebooks(part: str = "") -> list[Path]:
    """The book's notebooks, in order, whose names contain `part`."""
    return sorted(path for path in (ROOT / "book").glob("*.ipynb") if part in path.name)


def fingerprint() -> str:
    """A hash of everything that a notebook's results depend on besides its own code."""
    digest = _digest(ROOT / "ippy", ROOT / "weights")
    for name, size, changed in _data_files():
        digest.update(f"{name}\0{size}\0{changed}\0".encode())
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    digest.update("\0".join([platform.python_version(), *versions]).encode())
    return digest.hexdigest()


def site_fingerprint() -> str:
    """A hash of what every page is made with and Sphinx does not compare with its pages."""
    book = ROOT / "book"
    digest = _digest(ROOT / "ippy", book / "finish", book / "static", book / "exercises.py")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in SITE_LIBRARIES]
    digest.update("\0".join(versions).encode())
    return digest.hexdigest()


def _digest(*places: Path) -> Any:
    """A hash of the names and contents of these files and of all files in these folders."""
    digest = hashlib.sha256()
    found = [path for place in places for path in [place, *place.rglob("*")] if path.is_file()]
    for path in sorted(path for path in found if "__pycache__" not in path.parts):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest


def _data_files() -> Iterable[tuple[str, int, int]]:
    """Path, size and time of each file of the reader's own data, if that is what is used."""
    from ippy.data import embedded_folder, find_data

    root = find_data()
    if root == embedded_folder():
        return []
    found = sorted(p for p in root.rglob("*") if p.is_file())
    return [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found]


def forget_stale_results() -> None:
    """Empty the cache of executed notebooks if what they depend on has changed."""
    current = fingerprint()
    if FINGERPRINT.exists() and FINGERPRINT.read_text("utf-8") == current:
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    REREAD.unlink(missing_ok=True)
    BUILD.mkdir(exist_ok=True)
    FINGERPRINT.write_text(current, "utf-8")


def forget_stale_pages(project: Path) -> None:
    """Delete pages without a source, and all of them if what makes them has changed.

    Sphinx does neither. What it has read, and what the notebooks have printed, is kept: to write
    all pages anew takes some ten seconds.
    """
    site, stamp = project / SITE, project / SITE.with_name("site-fingerprint")
    current = site_fingerprint()
    if not stamp.exists() or stamp.read_text("utf-8") != current:
        shutil.rmtree(site, ignore_errors=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(current, "utf-8")
    sources = {path.stem for path in (project / "book").iterdir() if path.is_file()}
    for page in (site / "book").glob("*.html"):
        if page.stem not in sources:
            page.unlink()


def trust_stored_outputs(paths: Iterable[Path]) -> None:
    """Take the outputs stored in these notebooks for results, as the tests have just found them."""
    from jupyter_cache import get_cache

    forget_stale_results()
    cache = get_cache(str(CACHE))
    for path in paths:
        cache.cache_notebook_file(str(path), check_validity=False, overwrite=True)


@contextmanager
def alone() -> Iterator[None]:
    """Keep `_build` to this process: a second one is told who is at work, and changes nothing."""
    from filelock import FileLock, Timeout

    BUILD.mkdir(exist_ok=True)
    lock, note = FileLock(BUILD / "building.lock"), BUILD / "building.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = note.read_text("utf-8") if note.exists() else "another process"
        raise SystemExit(
            f"{who} is building the book in {BUILD}; wait for it, or stop it"
        ) from None
    try:
        note.write_text(f"process {os.getpid()} on {platform.node()}", "utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def build(project: Path = ROOT) -> int:
    """Build the site; the exit status is not 0 if Jupyter Book's is not, or a notebook has failed.

    Warnings are errors in the book's own setting. With another blur or other data a method may have
    something to say to the instructor, as that the best value lies at the end of those tried.
    """
    from finish import finish  # it lies beside this file

    from ippy.course import is_books_own

    forget_stale_results()
    forget_stale_pages(project)
    os.environ.update(
        STRICT, IPPY_FINGERPRINT=FINGERPRINT.read_text("utf-8"), IPPY_REREAD=str(REREAD)
    )
    strictly = ["-W"] if is_books_own() else []
    reports = project / SITE / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    status = _jupyter_book("build", str(project), *strictly, "-n", "--keep-going")
    for report in sorted(reports.rglob("*.err.log")):
        print(f"This notebook failed, see {report}", file=sys.stderr)
        status = 1
    if status:
        # Otherwise the next build would take the pages that it has for sound, and say nothing.
        shutil.rmtree(project / SITE.with_name(".doctrees"), ignore_errors=True)
    else:
        try:
            archive = finish(project / SITE)
        except OSError as error:
            # Sphinx takes every page for done: the next build has to make all of them anew.
            (project / SITE.with_name("site-fingerprint")).unlink(missing_ok=True)
            print(
                f"The site in {project / SITE} is not finished ({error}); make room, then build it "
                "again: every page will be made anew",
                file=sys.stderr,
            )
            return 1
        print(f"\nThe whole site in one file: {archive}")
        print(f"The book is built. Open {(project / SITE / 'index.html').as_uri()}")
        list_what_to_read_again()
    return status


def _jupyter_book(*arguments: str) -> int:
    """What its command does, in this process, which has imported torch already."""
    from jupyter_book.cli.main import main as command

    try:
        with warnings.catch_warnings():
            # Sphinx's walk through all objects in memory touches a name that torch has deprecated.
            warnings.filterwarnings("ignore", "`torch.distributed.reduce_op`", FutureWarning)
            command(arguments, standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    except RuntimeError as error:  # the build has broken off and said why
        print(error, file=sys.stderr)
        return 1
    return 0


def list_what_to_read_again() -> None:
    """Name each number of the text that another blur, noise or data has changed."""
    lines = REREAD.read_text(encoding="utf-8").splitlines() if REREAD.exists() else []
    if lines:
        print("\nRead these sentences again, they were written in the book's own setting:")
        print("".join(f"  {line}\n" for line in dict.fromkeys(lines)), end="")


def build_without_solutions() -> int:
    """Build a site from copies of the notebooks that have no solutions in them."""
    import nbformat
    from exercises import without_solutions  # it lies beside this file
    from jupyter_cache import get_cache

    forget_stale_results()
    shutil.rmtree(WITHOUT, ignore_errors=True)
    shutil.copytree(ROOT / "book", WITHOUT / "book", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copyfile(ROOT / name, WITHOUT / name)
    whole, cache = get_cache(str(CACHE)), get_cache(str(WITHOUT / CACHE.relative_to(ROOT)))
    for path in notebooks():
        copy = WITHOUT / path.relative_to(ROOT)
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), copy)
        try:
            _, executed = whole.merge_match_into_file(str(path))
        except KeyError:
            continue  # not known: Jupyter Book runs the copy
        # No cell that is left uses a solution, so their results are those of the whole notebook.
        stored = copy.read_bytes()
        nbformat.write(without_solutions(executed), copy)
        cache.cache_notebook_file(str(copy), check_validity=False, overwrite=True)
        copy.write_bytes(stored)
    return build(WITHOUT)


def store_outputs(paths: Iterable[Path]) -> int:
    """Run each notebook on the embedded data, top to bottom, and keep its outputs in it."""
    import nbformat
    from nbclient import NotebookClient

    from ippy.data import embedded_data

    os.environ.update(STRICT, IPPY_DATA=str(embedded_data()))
    for path in paths:
        print(f"{path.name} ...", flush=True)
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        client.execute()
        keep_still(notebook)
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        files.write(path, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())
    return 0


def keep_still(notebook: Any) -> None:
    """Drop the live half of each explorer: without its kernel it would only show an error."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data.pop("application/vnd.jupyter.widget-view+json", None)


def main() -> int:
    parser = argparse.ArgumentParser("python run.py book", description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="?", default="", help="with --store: part of a file name")
    parser.add_argument("--all", action="store_true", help="forget every stored result first")
    parser.add_argument("--without-solutions", action="store_true", help="a site without them")
    parser.add_argument("--store", action="store_true", help="store the outputs in the notebooks")
    options = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        # Not every code page has what a sentence to read again, or a folder's name, may hold.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if options.store:
        return store_outputs(notebooks(options.part))
    with alone():
        if options.all:
            for entry in BUILD.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.suffix not in (".lock", ".pid"):
                    entry.unlink()
        return build_without_solutions() if options.without_solutions else build()


if __name__ == "__main__":
    sys.exit(main())
