"""The conda environment and the recorded versions agree with pyproject.toml."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# What conda-forge calls by another name.
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}


def requirements(*extras: str) -> dict[str, str]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    parsed = [Requirement(line) for line in lines]
    return {CONDA_NAMES.get(r.name, r.name): str(r.specifier) for r in parsed}


def test_conda_environment_is_what_reading_and_running_need():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {}
    for line in listed:
        if isinstance(line, str):
            name, limits = re.fullmatch(r"([\w.-]+)\s*(.*)", line).groups()
            conda[name] = str(Requirement(f"{name}{limits}").specifier)
    expected = {"python": PROJECT["requires-python"], "pip": "", **requirements("book", "lab")}
    assert conda == expected
    assert [line for line in listed if isinstance(line, dict)] == [{"pip": ["-e ."]}]


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
