"""An explorer in JupyterLab: what Python sets moves in the page, and the other way round."""

from pathlib import Path

import pytest
from lab import Notebook, jupyter_lab

CELLS = [
    "from demo import Demo\ndemo = Demo(length=11)\ndemo",
    "print(demo.angle, demo.padding, demo.K.kernel.shape[-1], demo.K.padding)",
    "demo.angle = 90\ndemo.padding = 'circular'",
    "from ippy.models import SimpleCNN\nDemo(SimpleCNN(1, 1, 4), weights='own')",
    "try:\n    demo.angle = 181\nexcept Exception as error:\n    print(error)",
]


@pytest.mark.slow
def test_a_round_trip_each_way(browser, tmp_path: Path):
    demo = Path(__file__).parent / "demo"
    with jupyter_lab(tmp_path, demo) as address:
        notebook = Notebook(browser, address, tmp_path, CELLS)
        page = notebook.page
        first = notebook.run(0).locator(".ippy-explorer")
        ready = page.locator('.ippy-explorer[data-busy="0"]')
        ready.first.wait_for(timeout=60_000)
        angle = first.get_by_label("Angle")
        assert angle.input_value() == "20"
        assert first.locator(".readout").inner_text().count("dB") == 1

        # from the page to Python, by keys that JupyterLab would take for its own
        angle.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        first.get_by_label("Padding").select_option("reflect")
        page.wait_for_timeout(500)
        assert notebook.run(1).inner_text().strip() == "22.0 reflect 11 reflect"

        # from Python to the page
        notebook.run(2)
        page.wait_for_function(
            "() => document.querySelector('[data-key=angle] input').value === '90'"
        )
        assert first.get_by_label("Padding").locator("option:checked").inner_text() == "circular"
        ready.first.wait_for()
        assert "at 90°" in first.inner_text()
        first.get_by_role("button", name="Reset").click()
        page.wait_for_timeout(500)
        assert notebook.run(1).inner_text().strip() == "20.0 zeros 11 zeros"
        assert "angle must be a number from 0 to 180, got 181" in notebook.run(4).inner_text()

        # a network of one's own, one runtime and one style sheet for both
        second = notebook.run(3).locator(".ippy-explorer")
        ready.nth(1).wait_for(timeout=60_000)
        assert second.get_by_label("Your network").is_checked()
        assert second.locator(".ippy-problem").is_hidden()
        assert page.locator('style[data-ippy="explorers"]').count() == 1
        runtimes = (
            "Object.keys(globalThis).filter((key) => key.startsWith('ippy-explorers-')).length"
        )
        assert page.evaluate(runtimes) == 1
        assert not notebook.elsewhere
        notebook.close()
