"""What no file of the project does: run what it reads, or let a name lead out of a folder.

Whatever a student gets from somewhere (weights, checkpoints, kernels, pictures, scans, addresses)
is data. That hostile files of each kind are refused is tested where they are read; here the source
is looked through for the calls that would make it possible.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
# They show what goes wrong, or run the project's own cells: (file, call).
ALLOWED = {
    ("tests/checks/test_saving.py", "torch.load"),  # students who leave it out are told
    ("book/02-cnn.ipynb", "torch.load"),  # once, to show what such a file can do
    ("tests/test_operators.py", "pickle.loads"),  # of what it has just pickled
    ("tests/test_drawings.py", "exec"),
    ("tests/test_assignments.py", "exec"),
    ("tests/test_explorers_window.py", "exec"),
}
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "yaml.load"}
FORBIDDEN |= {"torch.hub.load", "joblib.load", "marshal.loads", "shelve.open", "tempfile.mktemp"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every Python file and every notebook that belongs to the project."""
    for folder in ("ippy", "book", "benchmarks", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix == ".py":
                yield name, ast.parse(path.read_text(encoding="utf-8"))
            elif path.suffix == ".ipynb" and not path.name.startswith("."):
                cells = nbformat.read(path, as_version=4).cells
                code = "\n".join(c.source for c in cells if c.cell_type == "code")
                yield name, ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.MULTILINE))
    yield "run.py", ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))


def calls() -> Iterator[tuple[str, int, str, dict[str, ast.expr]]]:
    """File, line, name of the function, and keywords of every call."""
    for name, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                settings = {word.arg: word.value for word in node.keywords if word.arg}
                yield name, node.lineno, ast.unparse(node.func), settings


CALLS = list(calls())


def is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def faults(name: str, settings: dict[str, ast.expr]) -> str | None:
    """What is wrong with a call, if anything is."""
    if name == "torch.load" and not is_true(settings.get("weights_only")):
        return "torch.load without weights_only=True runs what is in the file"
    if name in FORBIDDEN:
        return f"{name} runs or trusts what it is given"
    if is_true(settings.get("allow_pickle")) and name.rpartition(".")[2] == "load":
        return "allow_pickle=True runs what is in the file"
    if is_true(settings.get("shell")):
        return "shell=True makes a command of what was a name"
    if name.endswith("tar.extractall") and "filter" not in settings:
        return "an archive without a filter writes where it wants"
    return None


def test_nothing_is_run_that_was_read():
    found = [
        f"{file}:{line}: {fault}"
        for file, line, name, settings in CALLS
        if (fault := faults(name, settings)) and (file, name) not in ALLOWED
    ]
    assert found == []


def test_the_search_finds_what_it_looks_for():
    """A search that finds nothing may look for nothing."""
    bad = ["torch.load(p)", "torch.load(p, weights_only=False)", "eval(x)", "pickle.loads(b)"]
    bad += ["np.load(p, allow_pickle=True)", "subprocess.run(c, shell=True)", "tar.extractall(p)"]
    for code in bad:
        call = ast.parse(code).body[0].value  # type: ignore[attr-defined]
        settings = {word.arg: word.value for word in call.keywords}
        assert faults(ast.unparse(call.func), settings), code
    assert sum(name == "torch.load" for _, _, name, _ in CALLS) > 10
    assert len(CALLS) > 10_000


RUNS_TEXT = re.compile(
    r"\beval\(|new Function\b|innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc"
    r"|setTimeout\(\s*[\"'`]|\bfetch\(|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts"
)


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "ippy").rglob("*.js")),
    ids=lambda p: p.relative_to(ROOT).as_posix(),
)
def test_a_script_runs_no_text_and_asks_nobody(path):
    assert RUNS_TEXT.findall(path.read_text(encoding="utf-8")) == []


def test_the_only_archive_that_is_unpacked_is_our_own_download():
    unpacking = {
        file for file, _, name, _ in CALLS if re.search(r"\.extract(all)?$|unpack_a", name)
    }
    assert unpacking == {"book/fetch_assets.py", "tests/test_wheel.py"}
