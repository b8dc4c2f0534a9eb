"""Put the built site on the branch that GitHub Pages shows, beside those of earlier years.

    python run.py publish 2027                       _build/html becomes the folder 2027
    python run.py publish 2027 --without-solutions   the site that has none

The branch gh-pages has one folder a year and a first page that leads to the newest. What a page of
a published year launches stays as it is: Binder and Colab open the notebooks, and Colab installs
the package, as they were when that year was published. The files of the checkout are left alone.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import files  # it lies beside this file

ROOT = Path(__file__).resolve().parent.parent
BRANCH = "gh-pages"
SITE = Path("_build") / "html"
WITHOUT = Path("_build") / "without-solutions" / SITE
FIRST_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={newest}/">
<title>How convolutional networks restore images</title>
</head>
<body><main><h1>How convolutional networks restore images</h1>
<ul>
{years}
</ul></main></body>
</html>
"""


def publish(year: str, site: Path, root: Path = ROOT, remote: str = "origin") -> str:
    """Push `site` as folder `year` of the branch; the new commit.

    The tree of the branch is put together in an index of its own, so that neither the working tree
    nor the index of the person who publishes is touched.

    Raises:
        ValueError: `year` is no plain folder name.
        FileNotFoundError: the site has not been built.
        OSError: there is no room for a copy of the site in the folder for temporary files.
        subprocess.CalledProcessError: git failed; it has said why.
    """
    if not re.fullmatch(r"\w[\w.-]*", year, re.ASCII):
        raise ValueError(f"year must be a plain folder name, got {year!r}; use 2027, say")
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"{site} holds no site; build it first: python run.py book")
    name, email, source = run_git(root, {}, "log", "-1", "--format=%an%n%ae%n%H").splitlines()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        settings = {
            "GIT_INDEX_FILE": str(Path(scratch, "index")),
            "GIT_WORK_TREE": str(tree),
            # A build machine has no name of its own.
            **{f"GIT_{role}_NAME": name for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": email for role in ("AUTHOR", "COMMITTER")},
        }
        git = partial(run_git, root, settings)
        tree.mkdir()
        parents, known = [], set()
        if git("ls-remote", "--heads", remote, BRANCH):
            git("fetch", "--quiet", "--depth=1", remote, BRANCH)
            git("read-tree", "FETCH_HEAD")
            parents = ["-p", git("rev-parse", "FETCH_HEAD")]
            known = set(git("ls-tree", "-d", "--name-only", "FETCH_HEAD").splitlines())
        for file in (path for path in site.rglob("*") if path.is_file()):
            files.copy(file, tree / year / file.relative_to(site))
        pin(tree / year, year, source)
        files.write(tree / "index.html", first_page({year, *known}).encode())
        # Otherwise GitHub leaves out what begins with an underscore, as _static does.
        (tree / ".nojekyll").touch()
        git("add", "--all", "--force", "--", f":/{year}", ":/index.html", ":/.nojekyll")
        commit = git("commit-tree", git("write-tree"), *parents, "-m", f"Publish {year}")
        git("push", "--quiet", remote, f"{commit}:refs/heads/{BRANCH}")
    return commit


def run_git(root: Path, settings: dict[str, str], *words: str) -> str:
    """What git prints; it tells the person itself what is wrong."""
    result = subprocess.run(
        ["git", "-c", "core.autocrlf=false", *words],
        cwd=root,
        env={**os.environ, **settings},
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    return result.stdout.strip()


def pin(site: Path, year: str, source: str) -> None:
    """Make what the pages launch, and what the notebooks install, that of the commit `source`.

    Colab opens the notebooks that the site offers: their drawings lie within, which those of the
    repository fetch from their folder.
    """
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        pinned = re.sub(
            r"(mybinder\.org/v2/(?:gh/[^/\"]+/|gl/)[^/\"]+/)[^?\"]+", rf"\g<1>{source}", text
        )
        pinned = re.sub(
            r"(colab\.research\.google\.com/github/[^/\"]+/[^/\"]+/blob/)[^\"]+?/book/",
            rf"\g<1>{BRANCH}/{year}/_sources/book/",
            pinned,
        )
        if pinned != text:
            files.write(page, pinned.encode())
    for notebook in site.glob("_sources/book/*.ipynb"):
        text = notebook.read_text(encoding="utf-8")
        pinned = re.sub(r"(\"ippy-book @ git\+[^\"@\\]+)(?=\\\")", rf"\g<1>@{source}", text)
        files.write(notebook, pinned.encode())


def first_page(years: set[str]) -> str:
    """A page that leads to the newest year, and lists all.

    >>> "url=2028/" in first_page({"2027", "2028"})
    True
    """
    newest_first = sorted(years, reverse=True)
    items = "\n".join(f'<li><a href="{year}/">{year}</a></li>' for year in newest_first)
    return FIRST_PAGE.format(newest=newest_first[0], years=items)


def main() -> int:
    parser = argparse.ArgumentParser(
        "python run.py publish", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("year", help="the folder's name, such as 2027")
    parser.add_argument("--without-solutions", action="store_true", help="the site without them")
    options = parser.parse_args()
    try:
        publish(options.year, ROOT / (WITHOUT if options.without_solutions else SITE), ROOT)
    except (ValueError, OSError) as error:
        print(f"Nothing was published: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        # Words of its own: a git that the system ends, for a full disk say, has none.
        command = next(word for word in error.cmd[3:] if not word.startswith("-"))
        print(
            f"Nothing was published: git {command} has ended with {error.returncode}; the branch "
            f"{BRANCH} is what it was. Mend what git has said, or make room, then give the "
            "command again",
            file=sys.stderr,
        )
        return 1
    print(f"Published as {options.year}/ on the branch {BRANCH}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
