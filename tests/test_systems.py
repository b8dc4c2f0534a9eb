"""What runs on Linux only, or in one encoding only, is not used by what readers run.

Windows and macOS cannot be asked here; the source is looked through for what they lack.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["envs"]
SCRIPTS = {name: lines for each in ENVIRONMENTS.values() for name, lines in each["scripts"].items()}
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
# Part of os or signal on some systems only.
POSIX_NAMES = {
    *("fork", "getuid", "geteuid", "getgid", "getpgid", "getloadavg", "kill", "killpg", "mkfifo"),
    *("nice", "sched_getaffinity", "setsid", "symlink", "uname", "O_DIRECTORY", "WNOHANG"),
    *("SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "pause", "setitimer"),
}
POSIX_ROOTS = ("dev", "etc", "home", "proc", "sys", "tmp", "usr", "var")
POSIX_PLACES = tuple(f"/{name}/" for name in POSIX_ROOTS)
# Asked whether it is there: (file, what).
GUARDED = {("benchmarks/machine.py", "/proc/cpuinfo")}
ENCODING_AT = {"read_text": 0, "write_text": 1}  # the place of the argument


def sources() -> Iterator[Path]:
    for folder in ("ippy", "book", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.py"))
    yield ROOT / "run.py"


def faults(code: str) -> Iterator[str]:
    """What not every system has, and text whose encoding would be the system's."""
    tree = ast.parse(code)
    guarded = set(re.findall(r"hasattr\((?:os|signal), '(\w+)'\)", ast.unparse(tree)))
    lacking = POSIX_NAMES - guarded
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if {n.name for n in names} & POSIX_MODULES:
                yield ast.unparse(node)
            case ast.ImportFrom(module=module) if module in POSIX_MODULES:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name("os" | "signal"), attr=name) if name in lacking:
                yield ast.unparse(node)
            case ast.Constant(str(text)) if text.startswith(POSIX_PLACES):
                yield text
            case ast.Call() if reads_as_the_system_does(node):
                yield ast.unparse(node)


def reads_as_the_system_does(call: ast.Call) -> bool:
    """Whether this opens text, a file's or another program's, and does not say its encoding."""
    given = {word.arg: word.value for word in call.keywords}
    if "encoding" in given:
        return False
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in ENCODING_AT:
        return len(call.args) <= ENCODING_AT[name]
    if name == "open" and ast.unparse(call.func) not in ("Image.open", "os.open", "tarfile.open"):
        place = 1 if ast.unparse(call.func) == "open" else 0
        modes = [given.get("mode"), *call.args[place : place + 1]]
        return not any(isinstance(m, ast.Constant) and "b" in str(m.value) for m in modes)
    return any(
        isinstance(value, ast.Constant) and value.value is True
        for key, value in given.items()
        if key in ("text", "universal_newlines")
    )


@pytest.mark.parametrize(
    "path", list(sources()), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_nothing_is_asked_for_that_a_system_lacks(path: Path):
    name = path.relative_to(ROOT).as_posix()
    found = [fault for fault in faults(path.read_text("utf-8")) if (name, fault) not in GUARDED]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import os, fcntl",
        "from resource import getrlimit",
        "os.fork()",
        "signal.SIGUSR1",
        *(f"Path('{place}x')" for place in POSIX_PLACES),
        "open(p)",
        "open(p, 'w')",
        "p.open('a')",
        "p.read_text()",
        "p.write_text(t)",
        "subprocess.run(c, text=True)",
    ],
)
def test_the_search_finds(code: str):
    assert list(faults(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "open(p, 'rb')",
        "p.open('wb')",
        "p.read_text('utf-8')",
        "p.write_text(t, encoding='utf-8')",
        "signal.SIGHUP if hasattr(signal, 'SIGHUP') else None",
    ],
)
def test_the_search_leaves_alone(code: str):
    assert list(faults(code)) == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_command_is_quoted_as_every_shell_reads_it(name: str):
    """To Windows' shell a single quote is a letter."""
    lines = SCRIPTS[name]
    assert "'" not in (lines if isinstance(lines, str) else "".join(lines))


def test_the_project_may_lie_in_a_folder_of_any_name():
    """pip writes its path in UTF-8, which Python 3.11 and 3.12 read in the system's encoding."""
    assert ENVIRONMENTS["default"]["env-vars"]["PYTHONUTF8"] == "1"


def test_no_environment_gets_in_the_way_of_another():
    """Beside pyproject.toml, virtualenv leaves a file .venv that leads to one of another name."""
    for environment in ENVIRONMENTS.values():
        path = PurePosixPath(environment["path"])
        assert path.name == ".venv" or len(path.parts) > 1, path


@pytest.mark.skipif(find_spec("pip") is None, reason="no pip in this environment")
def test_the_first_command_without_a_network_ends_with_a_sentence(tmp_path: Path):
    shutil.copy(ROOT / "run.py", tmp_path)
    alone = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    result = subprocess.run(
        [sys.executable, str(tmp_path / "run.py"), "book"],
        env={**os.environ, **alone},
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 1
    assert "pip could not fetch hatch" in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("complete"))
