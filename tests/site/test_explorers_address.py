"""Hostile addresses, and pages that may not leave their folder: every explorer."""

import re

import pytest

from ippy.explorers import explorer_class, names
from ippy.explorers.pages import own_page

POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'", "file:", "'wasm-unsafe-eval'"],
    "connect-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "worker-src": ["blob:"],
    "img-src": ["data:", "blob:"],
    "style-src": ["'unsafe-inline'"],
}
# Not among the values of any parameter, whatever its kind.
WRONG = [
    "1e999",
    "-1e99",
    "NaN",
    "Infinity",
    "9" * 400,
    "0x10",
    "1e5",
    "-12345678",
    "<script>alert(1)</script>",
    "%3Cimg%20src=x%20onerror=alert(1)%3E",
    "javascript:alert(1)",
    "__proto__",
    "toString",
    "%E0%A4%A",
    "%00",
    "null",
    "1," * 300,
    "💥",
]
STATE = """() => [...document.querySelectorAll("[data-key]")].map((control) =>
    [control.dataset.key, ...[...control.querySelectorAll("input, select")].map((input) =>
      input.type === "radio" || input.type === "checkbox" ? input.checked : input.value)])"""


@pytest.mark.parametrize("name", names())
def test_a_page_of_its_own_forbids_itself_what_it_does_not_need(name: str):
    text = own_page(explorer_class(name)())
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None and text.index(found[0]) < text.index("<script")
    parts = (part.split() for part in found[1].split(";"))
    assert {kind: allowed for kind, *allowed in parts} == POLICY


@pytest.mark.parametrize("name", names())
def test_nothing_comes_in_by_the_address(visit, name: str):
    parameters = explorer_class(name)()._parameters
    with visit(name) as visited:
        page = visited.page
        page.evaluate("window.before = Object.getOwnPropertyNames(Object.prototype).join()")
        before = page.evaluate(STATE)
        # One hash after the other, each with one and the same value for every parameter.
        for value in WRONG:
            told = "&".join(f"{key}={value}" for key in [*parameters, "__proto__", "constructor"])
            page.evaluate("hash => { location.hash = hash; }", f"#{name}:{told}")
            visited.wait()
            assert page.evaluate(STATE) == before, value
            assert not page.locator(".ippy-problem").is_visible(), value
        assert page.evaluate("before === Object.getOwnPropertyNames(Object.prototype).join()")
        assert page.locator("script:not([src]):not(.ippy-state)").count() == 0
        assert page.locator("img[onerror]").count() == 0
        # and what is allowed still comes in
        key = next(k for k, p in parameters.items() if p["kind"] == "whole" and k != "seed")
        value = str(parameters[key]["low"] + parameters[key]["step"])
        page.evaluate("hash => { location.hash = hash; }", f"#{name}:{key}={value}")
        visited.wait()
        assert page.evaluate(STATE) != before or parameters[key]["initial"] == int(value)
