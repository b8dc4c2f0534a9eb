"""Run one of the project's commands, on any machine that has Python 3.11 or newer and pip.

    python run.py book      build the book and say where to open it
    python run.py test      pass all the tests
    python run.py lab       open the first chapter in JupyterLab

The commands themselves are hatch scripts in pyproject.toml. This file only fetches hatch, once,
into the folder .hatch: `pip install --target` also works where the system's Python refuses a
plain `pip install` (PEP 668), and no package is installed outside the project's folder. Whoever
has hatch already may write `hatch run book` instead.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".hatch" / f"{sys.platform}-py{sys.version_info.major}{sys.version_info.minor}"


def fetch_hatch() -> None:
    """Install hatch into `.hatch` unless it is there; an interrupted install starts again."""
    done = TOOLS / "complete"
    if done.exists():
        return
    print("Fetching hatch, which manages the project's environment (once) ...", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
    if subprocess.run([*command, "--target", str(TOOLS), "hatch>=1.14"]).returncode:
        sys.exit("pip could not fetch hatch, and says why above; then give the same command again.")
    done.touch()


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python is just what this looks for
        print(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
        return 2
    if len(sys.argv) < 2 or sys.argv[1] in {"-h", "--help"}:
        print(__doc__)
        return 0 if len(sys.argv) > 1 else 2
    if importlib.util.find_spec("pip") is None:
        print("pip is missing; install it (Debian, Ubuntu: apt install python3-pip).")
        return 2
    fetch_hatch()
    os.chdir(ROOT)
    # In this process, not through PYTHONPATH: the environment must not see hatch's packages.
    sys.path.insert(0, str(TOOLS))
    from hatch.cli import main as hatch

    sys.argv = ["hatch", "run", *sys.argv[1:]]
    return hatch()


if __name__ == "__main__":
    sys.exit(main())
