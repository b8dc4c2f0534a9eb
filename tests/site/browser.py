"""A real browser for tests: pages opened over http and from disk, everything else out of reach."""

import contextlib
import functools
import http.server
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, Route

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Firefox takes its reader's wishes from the system only.
STILL_AND_LIGHT = {"ui.prefersReducedMotion": 1, "ui.systemUsesDarkTheme": 0}
PHONE, DESKTOP = 360, 1440
READY = """() => [...document.querySelectorAll(".ippy-explorer")]
    .every((host) => host.dataset.busy === "0")"""

# axe reads the few colours of a page anew for each word and all that it stands in, and takes a
# fifth of its time for that.
REMEMBER_COLOURS = """() => {
    const {prototype} = axe.commons.color.Color, known = new Map();
    const {parseString} = prototype;
    prototype.parseString = function (text) {
        if (!known.has(text)) {
            parseString.call(this, text);
            known.set(text, [this.r, this.g, this.b, this.alpha]);
        }
        [this.r, this.g, this.b, this.alpha] = known.get(text);
        return this;
    };
}"""


class Visit:
    """One visit of one page: what it says on the console and asks of the network is kept.

    `with` a visit, any error on the console, failed request or request to another address than the
    site's own makes the test fail at the end.
    """

    def __init__(self, browser: Browser, allowed: str, width: int, theme: str, **context: Any):
        self.allowed = allowed
        self.has_scripts = context.get("java_script_enabled", True)
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, **context
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on("requestfailed", self._failed)
        self.context.route("**/*", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        self.faults.append(f"request failed: {request.url[:200]}")

    def _asked(self, route: Route) -> None:
        url = route.request.url
        self.requests.append(url)
        if url.startswith((self.allowed, "data:", "blob:")):
            route.continue_()
        else:
            self.faults.append(f"asked for {url[:200]}")
            route.abort()

    def open(self, url: str) -> Page:
        self.page.goto(url)
        if self.has_scripts:
            self.wait()
        return self.page

    def wait(self) -> None:
        """Until every explorer of the page has drawn its newest state."""
        self.page.wait_for_timeout(20)  # the change has to reach the page first
        self.page.wait_for_function(READY, timeout=120_000)

    def axe(self, *allowed: str) -> list[str]:
        """The accessibility rules that the page breaks, except those allowed, with their places."""
        import axe_playwright_python

        if not self.page.evaluate("'axe' in window"):
            script = Path(axe_playwright_python.__file__).with_name("axe.min.js")
            self.page.evaluate(script.read_text(encoding="utf-8"))
            self.page.evaluate(REMEMBER_COLOURS)
        # Style sheets are on the page already; from disk axe could not fetch them.
        found = self.page.evaluate("() => axe.run({preload: false, resultTypes: ['violations']})")
        return [
            f"{broken['id']}: {', '.join(str(node['target']) for node in broken['nodes'])}"
            for broken in found["violations"]
            if broken["id"] not in allowed
        ]

    def too_wide(self) -> list[str]:
        """What reaches beyond the right edge of the window."""
        return self.page.evaluate(
            """() => [...document.querySelectorAll("body *")].filter((e) => {
                 const box = e.getBoundingClientRect();
                 return box.width > 1 && box.right > document.documentElement.clientWidth + 1;
               }).map((e) => `${e.tagName}.${e.className}`)"""
        )

    def shot(self, path: str | Path) -> None:
        """A picture of the whole page, for people to look at."""
        self.page.screenshot(path=str(path), full_page=True)

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        self.context.close()
        if kind is None:
            assert not self.faults, "\n".join(self.faults)


@contextlib.contextmanager
def launch(playwright: Playwright, executable: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
    yield browser
    browser.close()


@contextlib.contextmanager
def launch_firefox(playwright: Playwright, executable: str, folder: Path) -> Iterator[Browser]:
    """A Firefox, by way of firefox.py; what starts that is written into `folder`."""
    command = shlex.join([sys.executable, str(Path(__file__).with_name("firefox.py")), executable])
    script = folder / "firefox"
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    browser = playwright.firefox.launch(
        channel="moz-firefox", executable_path=script, firefox_user_prefs=STILL_AND_LIGHT
    )
    yield browser
    browser.close()


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address of a server for `folder` on a free port of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
