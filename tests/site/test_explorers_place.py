"""The place of an explorer in a page: kept free at every width, so that nothing jumps."""

from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Visit

from ippy.explorers import explorer_class, names
from ippy.explorers.base import Explorer
from ippy.explorers.pages import own_page, write_pages

PARAGRAPH = "<p>" + "What stands around a figure must not move when it comes to life. " * 8 + "</p>"
# Google's measure of a page that jumps, https://web.dev/articles/cls: 0.1 is still called good.
WATCH = """(() => {
  window.shifts = 0;
  const watch = (list) => list.getEntries().forEach((shift) => (window.shifts += shift.value));
  new PerformanceObserver(watch).observe({ type: "layout-shift", buffered: true });
  document.addEventListener("readystatechange", () => {
    const host = document.querySelector(".ippy-explorer");
    if (document.readyState !== "interactive") return;
    window.kept = host.getBoundingClientRect().height;
    host.scrollIntoView({ block: "end" }); // what follows it is seen, too
  });
})()"""
VARIANTS = [(name, {}) for name in names()] + [("laboratory", {"compact": True})]


def as_in_a_chapter(explorer: Explorer) -> str:
    """Its page, with text above and below, in a column as wide as that of a book."""
    text = own_page(explorer)
    text = text.replace("<main>", f'<main style="max-width: 790px">{PARAGRAPH * 2}')
    return text.replace("</main>", f"{PARAGRAPH * 20}</main>")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize(("name", "values"), VARIANTS, ids=str)
def test_nothing_jumps(
    browser, explorer_site: Path, addresses: dict[str, str], name: str, values: dict, width: int
):
    kind = explorer_class(name)
    if not (explorer_site / "explorers" / f"{name}.html").exists():
        write_pages(explorer_site, [name])
    page = explorer_site / "explorers" / f"{name}-in-a-chapter.html"
    page.write_text(as_in_a_chapter(kind(**values)))
    with Visit(browser, addresses["file"], width, "light") as visited:
        visited.page.add_init_script(WATCH)
        visited.open(page.as_uri())
        visited.page.wait_for_timeout(100)
        shifts, kept = visited.page.evaluate("[shifts, kept]")
        now = visited.page.locator(".ippy-explorer").bounding_box()
        assert now is not None
        assert shifts < 0.1
        # So that who changes an explorer measures anew: `heights` of its class.
        assert kept == pytest.approx(now["height"], rel=0.15)


@pytest.mark.parametrize("name", names())
def test_a_page_of_its_own_keeps_the_height_of_a_screen(visit, name: str):
    with visit(name) as visited:
        height = visited.page.evaluate("document.querySelector('.ippy-body').offsetHeight")
        assert explorer_class(name).heights[2] == pytest.approx(height, rel=0.15)


def test_without_scripts_there_is_the_picture_and_no_empty_space(visit, browser):
    name = "laboratory"
    with visit(name, java_script_enabled=False) as visited:
        host = visited.page.locator(".ippy-explorer").bounding_box()
        picture = visited.page.locator(".ippy-fallback img").bounding_box()
        assert host is not None and picture is not None
        assert picture["height"] > 100
        assert host["height"] < picture["height"] + 40


SEEN = """() => {
  const { visibility } = getComputedStyle(document.querySelector(".ippy-body"));
  return [visibility, document.querySelector(".ippy-fallback").offsetHeight > 0];
}"""


def test_the_picture_stays_until_the_first_drawing(visit):
    visited = visit("demo")

    def hold(route):
        visited.page.wait_for_timeout(300)
        route.continue_()

    with visited:
        visited.context.route("**/slice/0.js*", hold)
        visited.page.reload(wait_until="commit")
        visited.page.wait_for_selector(".ippy-body", state="attached")
        assert visited.page.evaluate(SEEN) == ["hidden", True]
        visited.wait()
        assert visited.page.evaluate(SEEN) == ["visible", False]
        host = visited.page.locator(".ippy-explorer")
        assert host.get_attribute("style") is None, "nothing is kept free any longer"


def test_nothing_moves_by_itself_for_who_wants_it_still(visit):
    with visit("laboratory", reduced_motion="reduce") as visited:
        visited.page.locator(".lab-panels [data-key=angle] input").press("PageUp")
        visited.wait()
        assert visited.page.evaluate("document.getAnimations().length") == 0
        still = """() => [...document.querySelectorAll(".ippy-alive *")]
                   .map((element) => getComputedStyle(element))
                   .every((s) => s.transitionDuration === "0s" && s.animationName === "none")"""
        assert visited.page.evaluate(still)
