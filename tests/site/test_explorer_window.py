"""The worked example in a real browser: its numbers, its keys, its questions."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from browser import Visit

from ippy.explorers.pages import write_pages
from ippy.explorers.window import Window

COUNT = itertools.count()
RANDOM = np.random.default_rng()
SETTINGS = [
    {},
    {"operation": "cross-correlation", "padding": 2, "padding_mode": "circular"},
    {"padding": 3, "padding_mode": "reflect", "kernel_size": 5, "stride": 2},
    {
        "padding": 2,
        "padding_mode": "replicate",
        "kernel_size": 4,
        "dilation": 2,
        "picture": "counting",
    },
    {"padding": 0, "kernel_size": 2, "stride": 3, "operation": "cross-correlation"},
    {"padding": 1, "kernel_size": 1, "stride": 4, "picture": "edge"},
]


def address(**state) -> str:
    parts = [
        f"{key}={','.join(map(str, value)) if key == 'taps' else value}"
        for key, value in state.items()
    ]
    return f"#window:{'&'.join(parts)}"


def result(page) -> torch.Tensor:
    cells = page.locator("[role=grid] td")
    values = [float(v) for v in cells.evaluate_all("c => c.map((e) => e.dataset.value)")]
    return torch.tensor(values, dtype=torch.float64)


def exact(window: Window, taps: list[float]) -> torch.Tensor:
    """conv2d of the padded image and the kernel, as float64."""
    image = window.image.double()[None, None]
    if window.padding:
        mode = {"zeros": "constant"}.get(window.padding_mode, window.padding_mode)
        image = F.pad(image, (window.padding,) * 4, mode=mode)
    given = torch.tensor(taps, dtype=torch.float64).reshape(5, 5)
    first = 2 - window.kernel_size // 2  # its middle, cut to the size
    kernel = given[first : first + window.kernel_size, first : first + window.kernel_size]
    weight = kernel.flip(0, 1) if window.operation == "convolution" else kernel
    answer = F.conv2d(image, weight[None, None], stride=window.stride, dilation=window.dilation)
    return answer.flatten()


def text(page, selector: str) -> str:
    return " ".join(page.locator(selector).first.inner_text().split())


@pytest.fixture(scope="module")
def shared(browser, explorer_site, addresses):
    """One page for most tests of this file."""
    write_pages(explorer_site, ["window"])
    with Visit(browser, addresses["file"], 800, "light") as visited:
        visited.open(f"{addresses['file']}explorers/window.html")
        yield visited


@pytest.fixture
def at(shared) -> Callable:
    """at(stride=2): the page in that state, everything else as it is at first."""

    def go(**state):
        visits = next(COUNT)  # makes each address a new one
        for hash in (f"#window:visit={visits}", address(**state)):
            shared.page.evaluate("hash => { location.hash = hash; }", hash)
            shared.wait()
        return shared.page

    return go


@pytest.mark.parametrize("state", SETTINGS, ids=str)
def test_result_is_conv2ds_for_a_random_kernel(at, state: dict):
    taps = np.round(RANDOM.normal(0, 3, size=25), 4).tolist()
    page = at(**state, taps=taps)
    window = Window(**state, taps=taps)
    expected = window.result
    # Sums of up to 25 products, as large as some hundred: torch in double precision.
    assert torch.allclose(result(page), exact(window, taps), atol=1e-5, rtol=0)
    assert f"{len(expected)}×{len(expected)}" in text(page, ".board > div:last-child .name")
    assert text(page, ".formula b") == str(len(expected))


def test_opens_on_the_drawing(at):
    page = at()
    assert text(page, ".sum").endswith(
        "1·(−1) + 2·0 + 1·0 + 2·0 + 4·3 + 3·2 + 1·0 + 3·1 + 5·0 = 20"
    )
    assert page.locator("td.under").count() == 9
    assert page.locator(".warning").inner_text() == ""


def test_one_bright_pixel_is_answered_with_the_kernel(at):
    for operation, middle in (
        ("convolution", [0, 1, 0, 2, 3, 0, 0, 0, -1]),
        ("cross-correlation", [-1, 0, 0, 0, 3, 2, 0, 1, 0]),
    ):
        page = at(picture="point", operation=operation)
        answer = result(page).reshape(6, 6)
        assert answer[1:4, 2:5].flatten().tolist() == middle
        assert answer.abs().sum() == 7


def test_keys_click_and_buttons_step(at):
    page = at()
    here = page.locator("[role=grid] td.here")
    here.focus()
    for key, place in [
        ("ArrowRight", "row 2, column 3: 14"),
        ("ArrowDown", "row 3, column 3: 17"),
        ("Home", "row 3, column 0: 2"),
        ("ArrowLeft", "row 3, column 0: 2"),
        ("End", "row 3, column 5: −1"),
        ("ArrowUp", "row 2, column 5: 0"),
    ]:
        page.keyboard.press(key)
        page.wait_for_function(
            "place => document.activeElement.getAttribute('aria-label') === place", arg=place
        )
    page.get_by_text("Step ▶").click()
    page.wait_for_selector("[aria-label='row 3, column 0: 2'].here")
    page.get_by_text("◀ Back").click()
    page.wait_for_selector("[aria-label='row 2, column 5: 0'].here")
    page.locator("td.image", has_text="5").click()  # the 5 is the middle of the window below
    page.wait_for_selector("[aria-label='row 3, column 3: 17'].here")
    assert page.locator("[role=grid] [tabindex='0']").count() == 1


def test_typing_a_weight_changes_the_result(at):
    page = at()
    box = page.get_by_label("Kernel as written, row 1, column 1")
    box.fill("5")
    box.press("Tab")
    page.wait_for_selector("[aria-label='row 2, column 2: 28'].here")


def test_a_stride_that_does_not_fit_is_told(at):
    page = at(stride=2, padding=0)
    assert "3 is no multiple of 2" in text(page, ".warning")
    assert "11 of the 36 pixels of the image are never read" in text(page, ".warning")
    assert page.locator("td.unread").count() == 11
    assert "only padding" in text(at(stride=2, padding=1), ".warning")
    page = at(stride=4, padding=0, kernel_size=2)
    assert page.locator(".warning").inner_text().startswith("The window jumps over pixels")
    assert page.locator("td.unread").count() == 36 - 16


def test_a_kernel_that_is_too_large_is_told(at):
    page = at(kernel_size=5, dilation=2, padding=0)
    assert "The kernel spans 9 pixels" in text(page, ".ippy-problem")
    assert not at().locator(".ippy-problem").is_visible()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("13", "half a turn"),  # the same window, kernel not turned
        ("22", "Mind the signs"),
        ("22.5", "Not 22.50"),
        ("-20", "other sign"),
        ("14", "row 2, column 3"),
        ("20", "is right"),
    ],
)
def test_prediction_is_hidden_and_judged(at, answer: str, said: str):
    page = at(predict=1)
    assert page.locator("[role=grid] td", has_text="?").count() == 36
    assert "20" not in text(page, ".sum")
    page.get_by_label("Your sum").fill(answer)
    page.get_by_role("button", name="Check").click()
    assert said in text(page, ".answer [role=status]")
    assert text(page, "td.here") == ("20" if answer == "20" else "?")


def test_show_it_reveals_one_place(at):
    page = at(predict=1, row=1, column=1)
    page.get_by_role("button", name="Show it").click()
    assert text(page, "td.here") == "9"
    assert page.locator("[role=grid] td", has_text="?").count() == 35
    assert "?" in text(at(predict=1, row=1, column=1, stride=2), "td.here")


def test_it_is_accessible_and_fits_a_phone(visit):
    for width, theme in ((360, "dark"), (1280, "light")):
        hash = "#window:padding=3&predict=1&kernel_size=5"
        with visit("window", width=width, theme=theme, hash=hash) as visited:
            assert visited.axe() == []
            assert visited.too_wide() == []
            live = visited.page.locator("[aria-live=polite]")
            visited.page.wait_for_function(
                "() => document.querySelector('.ippy-unseen').textContent.includes('predict')"
            )
            assert "row 2, column 2" in live.first.text_content().lower()
