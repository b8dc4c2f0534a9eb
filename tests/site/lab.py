"""JupyterLab in the browser of the tests: a notebook whose cells are run, and what they print."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page

QUIET = """{"@jupyterlab/apputils-extension:notification":
            {"fetchNews": "false", "checkForUpdates": false}}"""


@contextlib.contextmanager
def jupyter_lab(folder: Path, *python_path: Path) -> Iterator[str]:
    """The address of a JupyterLab for `folder`, with settings of its own, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder / ".jupyter"
    (home / "lab" / "settings").mkdir(parents=True)
    (home / "lab" / "settings" / "overrides.json").write_text(QUIET)
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PYTHONPATH": os.pathsep.join(map(str, python_path)),
        "OMP_NUM_THREADS": "1",
    }
    settings = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "open_browser": False,
        "allow_root": True,
        "root_dir": folder,
    }
    options = [f"--ServerApp.{name}={value}" for name, value in settings.items()]
    options += ["--IdentityProvider.token=", f"--LabApp.app_settings_dir={home / 'lab/settings'}"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    with (folder / "jupyter.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}/"
        try:
            _wait_for(address + "api", server)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(address: str, server: subprocess.Popen, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=5)
            return
        time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start within {seconds} s")


class Notebook:
    """A new notebook, open in JupyterLab; `run(number)` runs a cell."""

    def __init__(self, browser: Browser, address: str, folder: Path, cells: list[str]) -> None:
        content = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(content, folder / "test.ipynb")
        context = browser.new_context(viewport={"width": 1400, "height": 1600})
        self.page: Page = context.new_page()
        self.elsewhere: list[str] = []

        def only_here(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                return route.continue_()
            self.elsewhere.append(route.request.url)
            return route.abort()

        context.route("**/*", only_here)
        self.page.goto(f"{address}lab/tree/test.ipynb?reset")
        self.cells = self.page.locator(".jp-Notebook .jp-CodeCell")
        self.cells.nth(len(cells) - 1).wait_for(timeout=90_000)
        self.page.locator('[title*="Python 3"]').first.wait_for(timeout=60_000)

    def run(self, number: int) -> Locator:
        """Run a cell to its end; its output."""
        cell = self.cells.nth(number)
        before = cell.locator(".jp-InputPrompt").inner_text()
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            """([number, before]) => {
                 const cells = document.querySelectorAll(".jp-Notebook .jp-CodeCell");
                 const now = cells[number].querySelector(".jp-InputPrompt").innerText;
                 return now !== before && /\\d/.test(now);
               }""",
            arg=[number, before],
            timeout=120_000,
        )
        return cell.locator(".jp-OutputArea")

    def close(self) -> None:
        self.page.context.close()
