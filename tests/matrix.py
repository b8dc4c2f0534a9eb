"""The quick tests on every allowed Python, with the lowest and the highest allowed versions.

    python run.py matrix                   all rows, one after the other
    python run.py matrix 3.12 lowest       those whose name has all of these words
    python run.py matrix here              this environment, in other surroundings

A row of versions gets an environment of its own, .venv-matrix, which takes several gigabytes and
is replaced by the next one; a Python that is not installed is left out, and the table says so. The
lowest versions are the lowest that exist ready-made for that Python. What fails stands below the
table.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv-matrix"
PYTHON = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / "python"
VERSIONS = {
    f"{python} {name}": (python, resolution)
    for python in ("3.11", "3.12", "3.13")
    for name, resolution in (("lowest", "lowest-direct"), ("highest", "highest"))
}
SURROUNDINGS = {
    "here, one thread": {"OMP_NUM_THREADS": "1"},
    "here, two threads": {"OMP_NUM_THREADS": "2"},
    "here, C locale": {"LC_ALL": "C"},
    # The lower case of I is not i; the decimal sign is a comma.
    "here, Turkish": {"LC_ALL": "tr_TR.UTF-8"},
    "here, Kathmandu": {"TZ": "Asia/Kathmandu"},
    "here, narrow and dumb": {"COLUMNS": "40", "TERM": "dumb"},
    "here, without asserts": {"PYTHONOPTIMIZE": "1"},
    "here, neither git nor browser": {"PATH": ""},
}
TESTS = ["-m", "not slow and not elsewhere", "tests", "ippy", "--ignore=tests/site"]


def uv(*words: str) -> None:
    result = subprocess.run([sys.executable, "-m", "uv", *words], cwd=ROOT, stderr=subprocess.PIPE)
    if result.returncode:
        raise LookupError(result.stderr.decode().strip().splitlines()[0])


def install(python: str, resolution: str) -> None:
    """Make .venv-matrix anew, with the project and all of its extras."""
    uv("venv", "--quiet", "--clear", "--no-python-downloads", "--python", python, str(ENVIRONMENT))
    into = ["pip", "install", "--quiet", "--python", str(PYTHON)]
    chosen = ["--resolution", resolution, "--only-binary", ":all:"]
    uv(*into, *chosen, "--all-extras", "-r", "pyproject.toml")
    uv(*into, "--no-deps", "-e", ".")


def quick_tests(python: Path, surroundings: dict[str, str]) -> tuple[str, list[str]]:
    """What pytest counted, and the tests that failed."""
    environment = {**os.environ, **surroundings}
    command = [str(python), "-m", "pytest", "-q", *TESTS]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace"
    )
    counts = re.findall(r"^(?:=+ )?(\d+ \w+.*) in [\d.]+s", run.stdout, flags=re.MULTILINE)
    failures = re.findall(r"^(?:FAILED|ERROR) .*", run.stdout, flags=re.MULTILINE)
    if not counts:
        failures.append(run.stdout[-1000:] + run.stderr[-1000:])
    return (counts or ["did not run"])[-1], failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="that a row's name must have")
    words = parser.parse_args().words
    rows = [row for row in [*VERSIONS, *SURROUNDINGS] if all(word in row for word in words)]
    if not rows:
        parser.error(f"no row has all of {words}; rows: {'; '.join([*VERSIONS, *SURROUNDINGS])}")
    failed: dict[str, list[str]] = {}
    print("| environment | tests | seconds |\n|---|---|---|")
    for row in rows:
        start = time.monotonic()
        try:
            if row in VERSIONS:
                install(*VERSIONS[row])
                counted, failed[row] = quick_tests(PYTHON, {})
            else:
                counted, failed[row] = quick_tests(Path(sys.executable), SURROUNDINGS[row])
        except LookupError as error:
            counted = f"left out: {error}"
        print(f"| {row} | {counted} | {time.monotonic() - start:.0f} |", flush=True)
    for row, lines in failed.items():
        print(*(f"{row}: {line}" for line in lines), sep="\n", end="\n" if lines else "")
    return 1 if any(failed.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
