"""What all tests share: the embedded data, the order of the run, and where a browser is."""

import os
import shutil
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Hold the tests to the embedded data, whatever the person who runs them works with."""
    config.pluginmanager.register(Notebooks(), "notebooks")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # So a shell starts what runs in the background, and every process that a test starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    from ippy.data import embedded_data

    os.environ.pop("IPPY_DATA", None)
    os.environ["IPPY_DATA"] = str(embedded_data())
    os.environ["IPPY_STRICT"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, then the notebooks, then the site that is built from their results."""

    def stage(item: pytest.Item) -> int:
        if item.path.suffix == ".ipynb":
            return 1
        return 2 if "site" in item.path.parts else 0

    items.sort(key=stage)


class Notebooks:
    """Takes down which notebooks have run as stored.

    A plugin of its own: pytest asks this file's hooks about the tests beside it only.
    """

    def __init__(self) -> None:
        self.finished: set[Path] = set()
        self.failed: set[Path] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = ROOT / report.location[0]
        if path.suffix == ".ipynb":
            self.finished.add(path)
            if report.failed:
                self.failed.add(path)


@pytest.fixture(scope="session")
def verified_notebooks(request: pytest.FixtureRequest) -> list[Path]:
    """Notebooks that this run has executed from top to bottom and found as stored."""
    seen = request.config.pluginmanager.get_plugin("notebooks")
    return sorted(seen.finished - seen.failed)


@pytest.fixture(scope="session")
def real_slices() -> Path:
    """The root of a folder of real CT slices, `<root>/test/<patient>/<n>.png`."""
    place = os.environ.get("IPPY_TEST_SLICES")
    if not place:
        pytest.skip("no real CT slices: set IPPY_TEST_SLICES to a root with test/<patient>/*.png")
    return Path(place)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome for browser tests."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    reason = "no Chromium on this machine (Debian: apt install chromium)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
