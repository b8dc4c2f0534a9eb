"""The explorer of the trained network, in a real browser, against torch."""

import base64
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import PHONE
from PIL import Image
from playwright.sync_api import Page
from torch.nn.functional import conv2d

from ippy import course
from ippy.explorers.network import Network, shipped_networks
from ippy.explorers.pages import own_page, write_pages
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise

SMALL = min(shipped_networks(), key=lambda name: course.load_model(name).conv1.out_channels)
LARGER = next(name for name, told in shipped_networks().items() if "5 × 5" in told)
ROW, COLUMN = 40, 77


@pytest.fixture(scope="module")
def strange(explorer_site: Path) -> tuple[SimpleCNN, torch.Tensor, torch.Tensor]:
    """A page with random weights and a random picture, which nobody can have prepared."""
    write_pages(explorer_site, ["network"])
    torch.manual_seed(int.from_bytes(np.random.default_rng().bytes(4), "little"))
    model = SimpleCNN(1, 1, 6, final_activation="tanh", residual=True).eval()
    with torch.no_grad():
        model.conv3.weight *= 4  # so that every filter makes a difference
    grey = torch.randint(0, 256, (256, 256), dtype=torch.uint8)
    file = io.BytesIO()
    Image.fromarray(grey.numpy()).save(file, format="PNG")
    explorer = Network(model=model, row=ROW, column=COLUMN, without_2=[1], filter=2)
    picture = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    explorer.provide("slice/0", {"number": 0, "png": picture})
    (explorer_site / "explorers" / "network-strange.html").write_text(own_page(explorer))
    x = (grey.double() / 255)[None, None]
    y = course.blurring()(x.float())
    noise = gaussian_noise(y, course.NOISE_LEVEL, torch.Generator().manual_seed(0))
    return model.double(), x, (y + noise).double()


def answer(model: SimpleCNN, y: torch.Tensor, *off: tuple[int, int]) -> dict[str, torch.Tensor]:
    """The network written out, a filter that is off answering zero."""
    h1 = conv2d(y, model.conv1.weight, model.conv1.bias, padding="same").relu()
    h1 = h1 * torch.tensor([(1, k) not in off for k in range(6)])[None, :, None, None]
    h2 = conv2d(h1, model.conv2.weight, model.conv2.bias, padding="same").relu()
    h2 = h2 * torch.tensor([(2, k) not in off for k in range(6)])[None, :, None, None]
    z = conv2d(h2, model.conv3.weight, model.conv3.bias, padding="same")
    return {"h1": h1, "h2": h2, "z": z, "x_hat": y + torch.tanh(z)}


def decibel(x_hat: torch.Tensor, x: torch.Tensor) -> float:
    return -10 * math.log10((x_hat - x).square().mean().item())


def values(page: Page, selector: str) -> list[float]:
    return page.eval_on_selector_all(selector, "all => all.map((e) => Number(e.dataset.value))")


def window(page: Page, label: str) -> torch.Tensor:
    cells = values(page, f'table[aria-label^="{label}"] td')
    return torch.tensor(cells, dtype=torch.float64).view(math.isqrt(len(cells)), -1)


def text(page: Page, selector: str) -> str:
    return page.locator(selector).first.inner_text()


def test_a_pixel_is_made_of_what_autograd_says(visit, strange):
    model, _, y = strange
    y = y.clone().requires_grad_()
    z = answer(model, y, (2, 1))["z"][0, 0, ROW, COLUMN]
    (gradient,) = torch.autograd.grad(z, y)
    there = (0, 0, slice(ROW - 3, ROW + 4), slice(COLUMN - 3, COLUMN + 4))
    with visit("network-strange") as seen:
        page = seen.page
        y, gradient = y.detach(), gradient.detach()
        torch.testing.assert_close(window(page, "Pixels"), y[there], atol=1e-5, rtol=0)
        torch.testing.assert_close(window(page, "Gradient"), gradient[there], atol=1e-5, rtol=0)
        parts = window(page, "Contribution")
        torch.testing.assert_close(parts, (gradient * y)[there], atol=1e-5, rtol=0)
        sums = page.eval_on_selector(".sum[data-value]", "e => ({...e.dataset})")
        assert float(sums["value"]) == pytest.approx(z.item(), abs=1e-5)
        constant = (z - (gradient * y).sum()).item()
        assert float(sums["constant"]) == pytest.approx(constant, abs=1e-5)
        total = parts.sum().item() + float(sums["constant"])
        assert total == pytest.approx(float(sums["value"]), abs=1e-6)
        assert "tanh" in text(page, ".sum") and "plus y_delta" in text(page, ".sum")


def test_what_is_lost_without_a_filter_and_whom_it_listens_to(visit, strange):
    model, x, y = strange
    whole = decibel(answer(model, y, (2, 1))["x_hat"], x)
    with visit("network-strange") as seen, torch.no_grad():
        page = seen.page
        lost = [whole - decibel(answer(model, y, (2, 1), (1, k))["x_hat"], x) for k in range(6)]
        # A difference of two PSNRs, each right to 1e-5 of itself.
        assert values(page, ".map .bar") == pytest.approx(lost, abs=1e-5 * whole)
        shown = f"{round(lost[2], 1) + 0.0:.1f}".replace("-", "−")
        # Some random filters are dead, and say so instead.
        alive = bool(answer(model, y)["h1"][0, 2].max() > 0)
        assert (shown if alive else "black") in text(page, '.map:has(input[value="2"])')
        page.get_by_label("Maps of", exact=True).select_option("layer 2")
        seen.wait()
        assert "off" in text(page, '.map:has(input[value="1"])')
        slab = model.conv2.weight[2][:, None]
        h1 = answer(model, y)["h1"]
        heard = conv2d(h1, slab, padding="same", groups=6).square().mean(dim=(0, 2, 3)).sqrt()
        strongest = heard.argsort(descending=True)[:4]
        told = page.eval_on_selector_all(
            "[data-input]", "all => all.map((e) => [+e.dataset.input, +e.dataset.rms])"
        )
        assert [number for number, _ in told] == strongest.tolist()
        assert [rms for _, rms in told] == pytest.approx(heard[strongest].tolist(), abs=1e-5)
        page.get_by_role("button", name=f"Go to {told[1][0]}", exact=True).click()
        seen.wait()
        assert f"Filter {told[1][0]} of layer 1" in text(page, ".filter .title")
        kernel = torch.tensor(values(page, ".filter .numbers td"), dtype=torch.float64)
        expected = model.conv1.weight[told[1][0], 0].flatten()
        torch.testing.assert_close(kernel, expected, atol=1e-6, rtol=0)


def canvas(page: Page, number: int) -> str:
    return page.evaluate(
        "n => document.querySelectorAll('.pictures canvas')[n].toDataURL()", number
    )


def test_switching_filters_off_and_on(visit):
    with visit("network", over="http", hash=f"#network:weights={SMALL}&filter=0") as seen:
        page = seen.page
        before, most = canvas(page, 1), max(values(page, ".map .bar"))
        strong = values(page, ".map .bar").index(most)
        preview = canvas(page, 2)
        page.locator(f'.map input[value="{strong}"]').check()
        seen.wait()
        assert strong == 0 or canvas(page, 2) != preview
        said = text(page, ".pictures figure:nth-child(3)")
        page.get_by_label(f"Filter {strong} is switched on").uncheck()
        seen.wait()
        assert canvas(page, 1) != before
        damaged = text(page, ".pictures figure:nth-child(2)")
        assert f"1 off: {most:.1f} dB lost" in damaged
        assert re.search(r"[\d.]+ dB", damaged)[0] in said
        page.get_by_role("button", name="Switch all on").click()
        seen.wait()
        assert canvas(page, 1) == before


def test_all_by_keyboard(visit):
    with visit("network", hash=f"#network:weights={SMALL}&filter=0&row=1&column=50") as seen:
        page = seen.page
        assert page.locator('table[aria-label^="Contribution"] td.outside').count() == 2 * 7
        page.locator('.map input[value="0"]').focus()
        page.keyboard.press("ArrowRight")
        seen.wait()
        assert text(page, ".filter .title") == "Filter 1 of layer 1"
        page.keyboard.press("Delete")
        seen.wait()
        assert "off" in text(page, '.map:has(input[value="1"])')
        page.keyboard.press("Delete")
        page.get_by_label("Order", exact=True).select_option("PSNR lost")
        seen.wait()
        lost = values(page, ".map .bar")
        assert lost == sorted(lost, reverse=True) and lost[0] > lost[-1]
        page.locator('canvas[role="application"]').focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+ArrowRight")
        seen.wait()
        assert "x_hat[2, 60]" in text(page, ".sum")
        square = page.get_by_role("grid", name="Contribution of each pixel")
        square.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert page.locator("td.at").count() == 3
        assert "[0, 58]" in text(page, ".windows .sum")


def test_rows_of_maps_and_larger_windows(visit):
    hash = f"#network:weights={LARGER}&filter=3"
    with visit("network", width=PHONE, theme="dark", hash=hash) as seen:
        page = seen.page
        assert window(page, "Gradient").shape == (13, 13)
        assert "Sum of 169 contributions" in text(page, ".sum")
        assert seen.too_wide() == []
        first = page.locator('.map input[value="0"]')
        first.focus()
        page.keyboard.press("ArrowDown")
        seen.wait()
        top = page.eval_on_selector_all(".map", "all => all.map((e) => e.offsetTop)")
        number = page.locator(".map input:checked").get_attribute("value")
        assert int(number) == top.count(top[0])  # straight below


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (PHONE, "dark")])
def test_accessible_and_not_too_wide(visit, width, theme):
    hash = f"#network:weights={SMALL}&layer=2&without_2=1"
    with visit("network", width=width, theme=theme, hash=hash) as seen:
        assert seen.axe() == []
        assert seen.too_wide() == []
        assert "black" in text(seen.page, ".maps") or "dB" in text(seen.page, ".maps")


def test_reset_and_a_wrong_address(visit):
    with visit("network", hash=f"#network:weights={SMALL}&row=999&filter=-1&layer=3") as seen:
        page = seen.page
        assert "x_hat[128, 70]" in text(page, ".sum")
        page.get_by_label("Column of the pixel").fill("10")
        seen.wait()
        assert "x_hat[128, 10]" in text(page, ".sum")
        page.get_by_role("button", name="New noise").click()
        page.get_by_role("button", name="Reset").click()
        seen.wait()
        assert "x_hat[128, 70]" in text(page, ".sum")
