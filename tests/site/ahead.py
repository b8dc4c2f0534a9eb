"""Visits that are made ahead of the tests that ask for them, beside the tests that come first.

A browser and the test that drives it keep one processor busy, and most computers have two. So a
second browser, in a thread with a Playwright of its own, goes through a list of visits while the
tests go on. A test that asks for a visit which has not begun by then makes it itself.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from browser import launch
from playwright.sync_api import Browser, sync_playwright


class Ahead:
    """`ahead(look, site, name)` is `look(browser, site, name)`, computed once.

    `begin` gets all that will be asked for, as (look, site, name), in that order. Whatever goes
    wrong in a visit goes wrong in each test that asks for it.
    """

    def __init__(self, browser: Browser, executable: str) -> None:
        self._browser, self._executable = browser, executable
        self._thread = ThreadPoolExecutor(1)
        self._visits: dict[tuple, Future] = {}
        self._opened = ExitStack()
        self._other: Browser | None = None

    def begin(self, visits: list[tuple]) -> None:
        for visit in visits:
            self._visits[visit] = self._thread.submit(self._make, *visit)

    def _make(self, look: Callable, *arguments: Any) -> Any:
        if self._other is None:
            if sys.platform == "linux":  # where this holds for the thread and what it starts
                os.nice(5)  # the tests in front come first
            playwright = self._opened.enter_context(sync_playwright())
            self._other = self._opened.enter_context(launch(playwright, self._executable))
        return look(self._other, *arguments)

    def __call__(self, look: Callable, *arguments: Any) -> Any:
        visit = (look, *arguments)
        if visit not in self._visits or self._visits[visit].cancel():
            made = self._visits[visit] = Future()
            try:
                made.set_result(look(self._browser, *arguments))
            except Exception as error:
                made.set_exception(error)
        return self._visits[visit].result()

    def end(self) -> None:
        for visit in self._visits.values():
            visit.cancel()
        self._thread.submit(self._opened.close).result()  # by the thread that has opened them
        self._thread.shutdown()
