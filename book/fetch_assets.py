"""Fetch the third-party files that the site serves, at the versions and checksums given here.

    python run.py python book/fetch_assets.py

They are kept in the repository, so that neither the build nor a reader needs a network; this
script is for whoever wants to check them or move to a newer version. It needs npm.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

BOOK = Path(__file__).resolve().parent
# Of each npm package: its folder in `book`, name, version, its integrity as the registry
# publishes it, and which of its files go where. A folder's name ends in a slash.
ASSETS = [
    (
        # The theme brings the font itself, of which `finish/styles.py` takes the icons that are
        # shown; it does not bring the licence.
        "static/fontawesome",
        "@fortawesome/fontawesome-free",
        "6.5.2",
        "hRILoInAx8GNT5IMkrtIt9blOdrqHOnPBH+k70aWUAqPZPgopb9G5EQJFpaBx/S8zp2fC+mPW349Bziuk1o28Q==",
        {"LICENSE.txt": "LICENSE"},
    ),
    (
        "static/mathjax",
        "mathjax",
        "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
        {
            "LICENSE": "LICENSE",
            "es5/tex-chtml.js": "tex-chtml.js",
            "es5/output/chtml/fonts/woff-v2/": "output/chtml/fonts/woff-v2/",
        },
    ),
    (
        # For the slides only (book/slides.py); the site does without.
        "deck/reveal",
        "reveal.js",
        "5.2.1",
        "r7//6mIM5p34hFiDMvYfXgyjXqGRta+/psd9YtytsgRlrpRzFv4RbH76TXd2qD+7ZPZEbpBDhdRhJaFgfQ7zNQ==",
        {
            "LICENSE": "LICENSE",
            "dist/reset.css": "reset.css",
            "dist/reveal.css": "reveal.css",
            "dist/reveal.js": "reveal.js",
            "plugin/notes/notes.js": "notes.js",
        },
    ),
]


def fetch(place: str, name: str, version: str, integrity: str, files: dict[str, str]) -> None:
    """Download one package, check it, and lay the files that are served in `book/PLACE`."""
    target = BOOK / place
    with tempfile.TemporaryDirectory() as folder:
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit("npm is needed to fetch packages; install Node.js")
        command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != integrity:
            raise SystemExit(f"{name} {version}: expected sha512 {integrity}, got {digest}")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        shutil.rmtree(target, ignore_errors=True)
        for source, goal in files.items():
            original = Path(folder) / "package" / source
            (target / goal).parent.mkdir(parents=True, exist_ok=True)
            if original.is_dir():
                shutil.copytree(original, target / goal)
            else:
                shutil.copy(original, target / goal)
    kept = sorted(p for p in target.rglob("*") if p.is_file())
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(target)}" for p in kept]
    lines = "\n".join([f"# {target.name} {version}", *sums]) + "\n"
    (target / "SHA256SUMS").write_text(lines, "utf-8", newline="\n")
    print(f"{name} {version}: {len(kept)} files in {target.relative_to(BOOK.parent)}")


if __name__ == "__main__":
    for asset in ASSETS:
        fetch(*asset)
