"""The conda environment and the recorded versions agree with pyproject.toml."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import Specifier

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
POST_BUILD = ROOT / "postBuild"
# What conda-forge calls by another name.
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def requirements(*extras: str) -> dict[str, str]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    parsed = [Requirement(line) for line in lines]
    return {CONDA_NAMES.get(r.name, r.name): str(r.specifier) for r in parsed}


def test_conda_environment_is_what_reading_and_running_need():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = dict(re.fullmatch(r"([\w.-]+)\s*(.*)", line).groups() for line in listed)
    python = conda.pop("python")
    limits = {name: str(Requirement(f"{name}{limit}").specifier) for name, limit in conda.items()}
    assert limits == {"pip": "", **requirements("book", "lab")}
    # Of this form only does repo2docker see which ready environment it may start from.
    version = re.fullmatch(r"=(\d+\.\d+)", python)[1]
    assert Specifier(PROJECT["requires-python"]).contains(version)


def test_binders_last_step_is_found_and_may_be_run():
    """repo2docker looks at the root unless one of the folders exists."""
    assert not [name for name in ("binder", ".binder") if (ROOT / name).exists()]
    assert POST_BUILD.read_bytes().startswith(b"#!/bin/bash\n")
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    listed = subprocess.run(
        ["git", "ls-files", "--stage", "postBuild"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert not listed or listed.startswith("100755")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Binder's machines run Linux")
def test_binders_last_step_runs_from_anywhere(tmp_path):
    """With a pip that only takes down what it is asked for: the package is installed here."""
    asked = tmp_path / "asked"
    wrapper = tmp_path / "python"
    wrapper.write_text(
        f'#!/bin/bash\nif [ "$2" = pip ]; then echo "$PWD: $*" >> "{asked}"; '
        f'else exec "{sys.executable}" "$@"; fi\n'
    )
    wrapper.chmod(0o755)
    result = subprocess.run(
        [str(POST_BUILD)],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "No faults." in result.stdout
    (line,) = asked.read_text().splitlines()
    assert line.startswith(f"{ROOT}: -m pip install")
    assert "--no-deps" in line.split() and line.endswith("--editable .")


def test_recorded_versions_cover_and_satisfy_every_requirement():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    recorded = dict(re.fullmatch(r"([\w.-]+)==(\S+)", line).groups() for line in lines)
    recorded = {name.lower().replace("_", "-"): version for name, version in recorded.items()}
    for extra in [None, *PROJECT["optional-dependencies"]]:
        group = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
        for requirement in map(Requirement, group):
            version = recorded[requirement.name.lower()]
            assert requirement.specifier.contains(version), requirement


def test_the_installed_package_is_this_one():
    assert importlib.metadata.version(PROJECT["name"]) == PROJECT["version"]
