"""The explorer of the final activations, in a real browser, against torch."""

import base64
import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import PHONE
from PIL import Image
from playwright.sync_api import Page

from ippy import course
from ippy.explorers import assets
from ippy.explorers.activations import Activations, air_of, histories
from ippy.explorers.pages import own_page, write_pages
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise
from ippy.weights import HEADS

LEVEL, SEED = 0.04, 11


@pytest.fixture(scope="module")
def strange(explorer_site: Path) -> tuple[dict[str, SimpleCNN], torch.Tensor, torch.Tensor]:
    """A page with random weights of every head and a random picture, some of it air."""
    write_pages(explorer_site, ["activations"])
    torch.manual_seed(int.from_bytes(np.random.default_rng().bytes(4), "little"))
    grey = torch.randint(0, 256, (256, 256), dtype=torch.uint8)
    grey[:, :90] = torch.randint(0, 5, (256, 90), dtype=torch.uint8)
    file = io.BytesIO()
    Image.fromarray(grey.numpy()).save(file, format="PNG")
    explorer = Activations(noise_level=LEVEL, seed=SEED, run=1)
    picture = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    explorer.provide("slice/0", {"number": 0, "png": picture})
    models = {}
    for head in histories()["heads"]:
        models[head["name"]] = SimpleCNN(1, 1, 5, **HEADS[head["name"]]).eval()
        with torch.no_grad():
            models[head["name"]].conv3.weight *= 20  # so that some of them saturate
        asset = assets.network_asset(models[head["name"]])
        explorer.provide(f"weights/{head['runs'][1]['name']}", asset)
    (explorer_site / "explorers" / "activations-strange.html").write_text(own_page(explorer))
    x = grey[None, None] / 255
    y = course.blurring()(x)
    y_delta = y + gaussian_noise(y, LEVEL, torch.Generator().manual_seed(SEED))
    return models, x.double(), y_delta.double()


def numbers(page: Page, head: str) -> dict[str, float]:
    """The exact numbers of one head by their names."""
    return page.evaluate(
        """head => Object.fromEntries([...document.querySelectorAll(`[data-head="${head}"] dt`)]
             .map((dt) => [dt.textContent, Number(dt.nextSibling.dataset.value)]))""",
        head,
    )


def test_the_numbers_are_torchs(visit, strange):
    models, x, y_delta = strange
    air = air_of(x)
    with visit("activations-strange") as seen:
        for head, model in models.items():
            model.double()
            with torch.no_grad():
                z = model.conv3(model.conv2(model.conv1(y_delta).relu()).relu())
                x_hat = model(y_delta)
            z.requires_grad_()
            (slope,) = torch.autograd.grad(model.final_activation(z).sum(), z)
            error, slope = x_hat - x, slope.abs()
            found = numbers(seen.page, head)
            expected = {
                "PSNR": -10 * math.log10(error.square().mean()),
                "Air error": error[air].square().mean().sqrt().item(),
                "Air veil": error[air].mean().item(),
            }
            for name, number in expected.items():
                assert found[name] == pytest.approx(number, rel=1e-5, abs=1e-5), (head, name)

            # A share counts pixels; one that is within 1e-5 of the edge may fall on either side.
            def share(pixels: torch.Tensor) -> float:
                return pixels.double().mean().item()

            def outside(margin: float, x_hat: torch.Tensor = x_hat) -> float:
                return share((x_hat < -margin) | (x_hat > 1 + margin))

            for name, where in (("Air shut", air), ("Body shut", ~air)):
                low, high = (share(slope[where] < edge) for edge in (0.05 - 1e-5, 0.05 + 1e-5))
                assert low <= found[name] <= high, (head, name)
            assert outside(1e-5) <= found["Off range"] <= outside(-1e-5), head


def pictures(page: Page) -> list[str]:
    return page.eval_on_selector_all(".head canvas", "all => all.map((e) => e.toDataURL())")


def test_controls_change_what_is_drawn(visit):
    with visit("activations", over="http") as seen:
        page, shown = seen.page, [pictures(seen.page)]
        page.get_by_label("0 to 0.06, the air").check()
        seen.wait()
        shown.append(pictures(page))
        page.get_by_role("button", name="New noise").click()
        seen.wait()
        shown.append(pictures(page))
        before = numbers(page, "none")["PSNR"]
        page.get_by_label("Noise level").fill("0.05")
        seen.wait()
        shown.append(pictures(page))
        assert numbers(page, "none")["PSNR"] < before - 1
        page.get_by_label("Slice", exact=True).fill("3")
        seen.wait()
        shown.append(pictures(page))
        for old, new in itertools.pairwise(shown):
            assert all(a != b for a, b in zip(old, new, strict=True))
        page.get_by_role("button", name="Reset").click()
        seen.wait()
        assert pictures(page) == shown[0]


def test_runs_that_failed_are_marked(visit):
    heads = histories()["heads"]
    dead = [(head["name"], run) for head in heads for run in head["runs"] if run["failed"]]
    with visit("activations") as seen:
        page = seen.page
        assert page.locator(".run:is(polyline)").count() == sum(len(h["runs"]) for h in heads)
        assert page.locator("path.run").count() == len(dead)
        assert page.locator("td.dead").count() == len(dead)
        label = page.locator(".plot svg").get_attribute("aria-label")
        assert all(f"{name} {run['seed']}" in label for name, run in dead)
        for name, run in dead[:1]:
            page.get_by_label(str(run["seed"]), exact=True).check()
            seen.wait()
            title = page.locator(f'[data-head="{name}"] .title').inner_text()
            assert title == f"{name}: failed"
            assert numbers(page, name)["PSNR"] < 20
        page.get_by_label("Histories", exact=True).select_option("tanh in front")
        seen.wait()
        faded = sum(len(h["runs"]) for h in heads if h["name"] != "tanh")
        assert page.locator("polyline.run.faded").count() == faded
        assert page.locator("polyline.run.chosen").count() == len(heads)


def test_a_run_by_arrow_keys(visit):
    with visit("activations") as seen:
        page = seen.page
        page.get_by_label("0", exact=True).focus()
        page.keyboard.press("ArrowRight")
        seen.wait()
        assert page.get_by_label("1", exact=True).is_checked()
        assert page.locator("th.chosen").inner_text() == "seed 1"


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (PHONE, "light")])
def test_accessible_and_not_too_wide(visit, width, theme):
    with visit("activations", width=width, theme=theme) as seen:
        assert seen.axe() == []
        assert seen.too_wide() == []
