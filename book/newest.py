"""Run everything on the newest allowed versions, and say what has changed since the book was made.

    python run.py newest:run              all the tests
    python run.py newest:run tests/test_data.py
                                          those that pytest is told to run

works in an environment of its own, .venv-newest; the versions that the book was made with stand in
constraints.txt. What fails is listed last, beside the packages that have changed.
"""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def recorded() -> dict[str, str]:
    """The versions in constraints.txt, by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonical(name): version for name, version in pairs}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def changes() -> list[str]:
    """Packages whose version here is another one than the recorded one."""
    here = {canonical(d.name): d.version for d in importlib.metadata.distributions()}
    lines = []
    for name, version in sorted(recorded().items()):
        if here.get(name, version) != version:
            lines.append(f"  {name:32s} {version:14s} -> {here[name]}")
    return lines


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-q", *sys.argv[1:]]
    status = subprocess.run(command, cwd=ROOT).returncode
    lines = changes()
    print(
        "\nChanged since the book was made:" if lines else "\nThe versions are the recorded ones."
    )
    print("\n".join(lines))
    print("\nThe tests pass on them." if status == 0 else "\nThe failures above are what broke.")
    return status


if __name__ == "__main__":
    sys.exit(main())
