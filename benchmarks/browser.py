"""How fast does a page compute? The network and the blur in Chromium, against torch, in one run.

    python benchmarks/browser.py
    python benchmarks/browser.py --rounds 3 --size 64

`SimpleCNN(1, 1, 32)` on one 256×256 picture, one core each: torch on one thread in its default
layout and in channels_last; the page in WebAssembly with and without relaxed SIMD and in plain
JavaScript, in its worker, with the way there and back. All take turns, and the smallest time of
each counts. "ratio" is the time of torch's default layout over the row's: above 1 is faster.
"""

import argparse
import shutil
import time
from collections.abc import Callable

import torch
from machine import machine
from playwright.sync_api import Page, sync_playwright

from ippy.explorers import bundle
from ippy.explorers.assets import network_asset
from ippy.models import SimpleCNN
from ippy.operators import Blurring, motion_kernel

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
PAGES = {
    "page, relaxed SIMD": ["relaxed"],
    "page, SIMD": ["simd"],
    "page, plain JavaScript": [],
}
SETUP = """async ([kinds, asset, x, kernel]) => {
  const network = ippy.readNetwork(
    Uint8Array.from(atob(asset), (letter) => letter.charCodeAt(0)).buffer);
  const square = (numbers) => {
    const side = Math.sqrt(numbers.length);
    return ippy.image(side, side, Float32Array.from(numbers));
  };
  window.given = { network, x: square(x), kernel: square(kernel) };
  window.engines = kinds.map((some) => ippy.createEngine(some));
  return Promise.all(window.engines.map(async (engine) => {
    const { x_hat } = await engine.network(network, given.x);
    return [await engine.kind, Array.from(x_hat.data)];
  }));
}"""
NETWORK = """async (n) => {
  const times = [];
  for (let turn = 0; turn < 3; turn++) {
    const start = performance.now();
    await engines[n].network(given.network, given.x);
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}"""
BLUR = """async (n) => {
  const start = performance.now(); // a clock of 0.1 ms
  for (let times = 0; times < 10; times++) await engines[n].convolve(given.x, given.kernel);
  return (performance.now() - start) / 10;
}"""


def clock(f: Callable[[], object]) -> float:
    """Milliseconds that f takes, the smallest of three times in a row, as for the page."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        f()
        times.append(1000 * (time.perf_counter() - start))
    return min(times)


def best(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The smallest time of each, in turns; once before, unmeasured."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, measure in contestants.items():
            times[name].append(measure())
    return {name: min(found[1:]) for name, found in times.items()}


def table(title: str, times: dict[str, float], errors: dict[str, float]) -> None:
    print(f"\n{title:34s}      ms   ratio   largest difference")
    first = next(iter(times.values()))
    for name, found in times.items():
        error = f"{errors[name]:.0e}" if name in errors else ""
        print(f"{name:34s}{found:8.2f}{first / found:8.2f}   {error}")


@torch.no_grad()
def measure(page: Page, size: int, rounds: int) -> None:
    torch.manual_seed(0)
    model, x, kernel = (
        SimpleCNN(1, 1, 32).eval(),
        torch.rand(1, 1, size, size),
        motion_kernel(9, 20),
    )
    K = Blurring((size, size), kernel=kernel)
    last = {"memory_format": torch.channels_last}
    copy, x_last = SimpleCNN(1, 1, 32).eval(), x.to(**last)
    copy.load_state_dict(model.state_dict())
    copy.to(**last)

    asset = network_asset(model)["safetensors"]
    given = [[*PAGES.values()], asset, x.flatten().tolist(), kernel.flatten().tolist()]
    answers = page.evaluate(SETUP, given)
    expected, errors = model(x).flatten(), {}
    for name, kinds, (kind, x_hat) in zip(PAGES, PAGES.values(), answers, strict=True):
        if [kind] != (kinds or ["js"]):
            raise SystemExit(f"{name} is not to be had in this browser, which took {kind}")
        errors[name] = float((torch.tensor(x_hat) - expected).abs().max())

    def in_page(code: str, number: int) -> Callable[[], float]:
        return lambda: page.evaluate(code, number)

    networks: dict[str, Callable[[], float]] = {
        "torch, default layout": lambda: clock(lambda: model(x)),
        "torch, channels_last": lambda: clock(lambda: copy(x_last)),
    }
    networks |= {name: in_page(NETWORK, n) for n, name in enumerate(PAGES)}
    blurs: dict[str, Callable[[], float]] = {"torch, ippy.Blurring": lambda: clock(lambda: K(x))}
    blurs |= {name: in_page(BLUR, n) for n, name in enumerate(PAGES)}
    table(f"SimpleCNN(1, 1, 32) on {size}×{size}", best(networks, rounds), errors)
    table(f"9×9 blur of {size}×{size}", best(blurs, rounds), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30, help="turns of each contestant")
    parser.add_argument("--size", type=int, default=256, help="side of the picture in pixels")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        raise SystemExit("no Chromium on this machine (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page()
        page.add_script_tag(content=bundle.static_core({}, {}))
        print(f"{machine()}; Chromium {browser.version}")
        measure(page, options.size, options.rounds)
        browser.close()


if __name__ == "__main__":
    main()
