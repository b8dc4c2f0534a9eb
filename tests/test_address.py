"""The repository's address: one in all places, changed by one command."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))
import address  # noqa: E402  found through the line above

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


def first_cell(path: Path) -> dict:
    """The first code cell, right below the title."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"][1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_begins_by_installing_what_is_missing(path):
    cell = first_cell(path)
    source = "".join(cell["source"])
    assert cell["cell_type"] == "code"
    assert "remove-cell" in cell["metadata"]["tags"]
    assert f"git+{address.current()}" in source
    assert 'find_spec("ippy") is None' in source


def test_all_notebooks_begin_alike():
    assert len({"".join(first_cell(path)["source"]) for path in NOTEBOOKS}) == 1


def test_the_first_cell_does_nothing_where_nothing_is_missing():
    """In IPython, as in a notebook: no output, and nothing is installed."""
    source = "".join(first_cell(NOTEBOOKS[0])["source"])
    code = (
        f"from IPython.core.interactiveshell import InteractiveShell as S\nS().run_cell({source!r})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == ""
    assert "install" not in result.stderr.lower()


def test_one_command_changes_it_everywhere(tmp_path):
    (tmp_path / "book").mkdir()
    for path in address.files(ROOT):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    old, new = address.current(tmp_path), "https://gitlab.com/someone/deblurring"
    changed = address.change(new, tmp_path)
    assert {path.relative_to(tmp_path) for path in changed} == {
        path.relative_to(ROOT) for path in address.files(ROOT)
    }
    assert address.current(tmp_path) == new
    assert not [p for p in address.files(tmp_path) if old in p.read_text(encoding="utf-8")]
    assert address.change(new, tmp_path) == []


@pytest.mark.parametrize(("host", "there"), [("github.com", True), ("gitlab.com", False)])
def test_colab_has_a_button_where_it_can_open_the_notebooks(tmp_path, host, there):
    """For another host the theme warns, and a warning stops the build."""
    for name in ("_config.yml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    address.change("https://gitlab.com/a/b", tmp_path)
    address.change(f"https://{host}/someone/course", tmp_path)
    settings = yaml.safe_load((tmp_path / "_config.yml").read_text(encoding="utf-8"))
    assert ("colab_url" in settings["launch_buttons"]) == there
    assert "binderhub_url" in settings["launch_buttons"]


@pytest.mark.parametrize("url", ["github.com/a/b", "http://github.com/a/b", "https://github.com/a"])
def test_what_is_no_address_is_refused(url):
    command = [sys.executable, str(ROOT / "book" / "address.py"), url]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "url must be like https://github.com/OWNER/REPOSITORY, got" in result.stderr
