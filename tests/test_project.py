"""What surrounds the code: licences, citation, workflows, each as its reader wants it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def check_schema(schema: str, *files: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    result = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_workflows_have_the_form_that_their_service_reads():
    assert [path.stem for path in WORKFLOWS] == ["publish", "test", "yearly"]
    check_schema("vendor.github-workflows", *WORKFLOWS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_commands_that_exist(path):
    scripts = PROJECT["tool"]["hatch"]["envs"]["default"]["scripts"]
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    steps = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    lines = [line for step in steps for line in step.splitlines()]
    assert lines
    for line in lines:
        words = line.split()
        if words[:2] == ["python", "run.py"]:
            assert words[2] in {*scripts, "newest:run"}
        else:
            assert (ROOT / words[1]).is_file()


def test_the_citation_agrees_with_the_package():
    path = ROOT / "CITATION.cff"
    check_schema("vendor.citation-file-format", path)
    citation = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]


def test_the_change_log_has_this_version():
    assert f"## {PROJECT['project']['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_code_and_text_have_their_licences():
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    text = (ROOT / "LICENSE-TEXT").read_text(encoding="utf-8")
    assert "Section 8 – Interpretation" in text


def test_file_names_can_be_used_on_every_system():
    """Also on Windows, and on disks for which a.png and A.png are the same file."""
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if result.returncode:
        pytest.skip("this copy of the project is no git checkout")
    names = result.stdout.decode().split("\0")[:-1]
    assert len({name.casefold() for name in names}) == len(names)
    reserved = {
        "aux",
        "con",
        "nul",
        "prn",
        *(f"{p}{n}" for p in ("com", "lpt") for n in "123456789"),
    }
    for name in names:
        assert not set(name) & set('<>:"|?*\\'), name
        for part in name.split("/"):
            assert part.partition(".")[0].casefold() not in reserved, name
            assert not part.endswith((".", " ")), name
        assert len(name) < 120, "Windows allows 260 characters, the folder's own among them"
