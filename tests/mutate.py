"""Mutation testing: break each line in turn, and see which breaks no test notices.

    python run.py mutate                    every module of TESTS below
    python run.py mutate noise --minutes 5  one of them, for at most so long

For each module, mutmut runs in a copy of the project with that module's own tests, the slow ones
left out. The table says how many mutants were killed, with and without those that only change the
wording of a message; below it stand the survivors, as changes. Functions with a decorator are left
out by mutmut.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Each module, with the tests that hold it to account.
TESTS = {
    "operators": ["test_operators.py", "test_adapters.py"],
    "noise": ["test_noise.py"],
    "metrics": ["test_metrics.py"],
    "models": ["test_models.py", "test_bad_inputs.py"],
    "classical": ["test_classical.py", "test_adapters.py"],
    "tuning": ["test_tuning.py"],
    "png": ["test_png.py", "test_bad_files.py"],
    "data": ["test_data.py", "test_png.py", "test_bad_files.py"],
    "training": ["test_training.py", "test_recipe.py"],
}
# These look at the source or at what is imported, where mutmut has its own hand in.
NOT_UNDER_MUTMUT = ("by_its_path", "module_that_draws", "nothing_heavy", "ends_too_early")
# mutmut forks a process for each mutant. tqdm's lock is one for them all, and a mutant that is
# killed while it holds the lock would leave the others waiting.
OWN_LOCK = "\nimport threading\n\nimport tqdm\n\ntqdm.tqdm.set_lock(threading.RLock())\n"
COPIED = ["ippy", "tests", "weights", "book", "pyproject.toml", "_config.yml", "_toc.yml"]
LEFT_OUT = shutil.ignore_patterns("__pycache__", "static", "*.ipynb")
SETTINGS = """
[tool.mutmut]
source_paths = ["ippy/"]
only_mutate = ["ippy/{module}.py"]
also_copy = {copied}
pytest_add_cli_args = ["-m", "not slow and not elsewhere", "-k", "{selected}"]
pytest_add_cli_args_test_selection = {tests}
"""


def prepare(folder: Path, module: str) -> None:
    """A copy of the project in which mutmut is told what to mutate and what to run."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(source, folder / name)
    tests = [f"tests/{name}" for name in TESTS[module]]
    selected = " and ".join(f"not {name}" for name in NOT_UNDER_MUTMUT)
    settings = SETTINGS.format(module=module, copied=COPIED[:4], tests=tests, selected=selected)
    settings = settings.replace("'", '"')
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as file:
        file.write(OWN_LOCK)


def mutmut(folder: Path, *words: str, seconds: float | None = None) -> str:
    command = [sys.executable, "-m", "mutmut", *words]
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return ""
    return result.stdout + result.stderr


def run(module: str, minutes: float) -> tuple[int, int, list[str]]:
    """(killed, tried, survivors) of one module; what the time did not suffice for is left out."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, module)
        output = mutmut(folder, "run", "--max-children", "2", seconds=60 * minutes)
        results = mutmut(folder, "results", "--all", "True")
        found = dict(re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", results, flags=re.MULTILINE))
        if not found:
            raise SystemExit(f"{module}: mutmut did not get to work\n{output[-2000:]}{results}")
        killed = sum(
            state in {"killed", "timeout", "suspicious", "segfault"} for state in found.values()
        )
        survivors = [name for name, state in found.items() if state in {"survived", "no tests"}]
        changes = [mutmut(folder, "show", name) for name in survivors]
    return killed, killed + len(survivors), changes


def is_wording(change: str) -> bool:
    """Whether a mutant differs from the code in the letters of a text only."""
    lines = change.splitlines()
    before = [line[1:] for line in lines if re.match(r"-(?!--)", line)]
    after = [line[1:] for line in lines if re.match(r"\+(?!\+\+)", line)]
    return [b.lower() for b in before] == [a.replace("XX", "").lower() for a in after]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(TESTS)}; all of them by default")
    parser.add_argument("--minutes", type=float, default=10, help="for each module at most")
    options = parser.parse_args()
    for module in options.modules:
        if module not in TESTS:
            parser.error(f"modules must be of {', '.join(TESTS)}, got {module!r}")
    least = 1.0
    print("| module | mutants | killed | share | share without wording |\n|---|---|---|---|---|")
    survivors: list[str] = []
    for module in options.modules or TESTS:
        killed, tried, changes = run(module, options.minutes)
        serious = [change for change in changes if not is_wording(change)]
        share = killed / tried if tried else 0.0
        strict = killed / (killed + len(serious)) if killed else 0.0
        least = min(least, strict)
        survivors += serious
        print(f"| {module} | {tried} | {killed} | {share:.0%} | {strict:.0%} |", flush=True)
    for change in survivors:
        print(change)
    return 0 if least >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
