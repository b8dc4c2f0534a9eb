"""The package as it is distributed: built from the project, unpacked elsewhere, used from there."""

import email
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel's content in a folder whose name has a space and an umlaut."""
    folder = tmp_path_factory.mktemp("für alle") / "site packages"
    wheel.extractall(folder)
    return folder


def tracked() -> list[str]:
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    result = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        pytest.skip("this copy of the project is no git checkout")
    return result.stdout.split()


def away(installed: Path, tmp_path: Path, code: str) -> str:
    """What a program prints that finds ippy in the unpacked wheel only, far from the project."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "IPPY_CACHE": str(tmp_path / "c")}
    for name in ("IPPY_DATA", "IPPY_STRICT"):
        environment.pop(name, None)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_wheel_holds_all_of_the_package_and_its_weights(wheel):
    names = set(wheel.namelist())
    for name in tracked():
        if name.startswith("ippy/"):
            assert name in names
        elif name.startswith("weights/"):
            assert f"ippy/_{name}" in names
    outside = {name.split("/")[0] for name in names} - {"ippy"}
    assert len(outside) == 1
    assert outside.pop().endswith(".dist-info")
    assert not [name for name in names if "__pycache__" in name or name.endswith(".ckpt")]


def test_the_wheels_metadata_names_licence_and_command(wheel):
    (path,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = email.message_from_bytes(wheel.read(path))
    assert metadata["Name"] == "ippy-book"
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("License-File")) == {"LICENSE", "LICENSE-TEXT"}
    (path,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert b"ippy = ippy.cli:main" in wheel.read(path)


def test_networks_and_explorers_work_without_the_project(installed, tmp_path):
    code = (
        "import ippy, torch; from ippy.course import load_model\n"
        "from ippy.explorers import Window\n"
        "print(ippy.__file__)\n"
        "print(tuple(load_model('head-tanh-0')(torch.zeros(1, 1, 16, 16)).shape))\n"
        "print('data-explorer' in Window()._repr_mimebundle_()[0]['text/html'])\n"
        "from ippy.weights import read_manifest; print(len(read_manifest()) > 40)\n"
    )
    lines = away(installed, tmp_path, code).splitlines()
    assert Path(lines[0]).is_relative_to(installed)
    assert lines[1:] == ["(1, 1, 16, 16)", "True", "True"]


def test_the_command_line_works_without_the_project(installed, tmp_path):
    code = (
        "import sys; from ippy.cli import main\n"
        "sys.argv = ['ippy', 'data', 'check', '--help']; main()"
    )
    assert "Say which slices are used" in away(installed, tmp_path, code)
    assert not list(tmp_path.glob("*"))


def test_the_source_distribution_is_complete(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = [name for name in tracked() if name not in names and not name.startswith(".")]
    assert missing == []
    assert "PKG-INFO" in names
    assert not [name for name in names if name.startswith(("Mayo", "runs", "_build", ".venv"))]
