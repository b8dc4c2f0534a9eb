"""Colours that the reader has chosen for the whole system: nothing may be told by others alone."""

import pytest


def picture(element) -> bytes:
    return element.screenshot()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_kernel_is_seen(visit, theme: str):
    hash = "#convolution:kernel_type=motion&angle=0"
    with visit("convolution", theme=theme, forced_colors="active", hash=hash) as visited:
        cells = visited.page.locator("[role=gridcell]")
        assert picture(cells.nth(4 * 9 + 1)) != picture(cells.nth(2 * 9 + 1)), "weight and none"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chosen_filter_and_what_it_is_worth_are_seen(visit, theme: str):
    with visit("network", theme=theme, forced_colors="active") as visited:
        colour = "(e) => [getComputedStyle(e).borderColor, getComputedStyle(e).backgroundColor]"
        chosen, other = (
            visited.page.locator(f".map{kind}").first.evaluate(colour)
            for kind in (":has(:checked)", ":not(:has(:checked))")
        )
        assert chosen[0] != other[0]
        bar = visited.page.locator(".map:has(:checked) .bar").evaluate(colour)
        assert bar[1] not in (chosen[1], "rgba(0, 0, 0, 0)")
