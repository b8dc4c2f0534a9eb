"""What all explorers share, touched in a real browser: controls, pictures, addresses, files."""

import io
import json
import re
import struct
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ippy.course import blurring, datasets, load_model
from ippy.export import to_safetensors
from ippy.metrics import psnr
from ippy.models import SimpleCNN
from ippy.noise import gaussian_noise

WAYS = ("http", "file")


def shown(visited, name: str) -> str:
    """The number that stands beside a name in the readout."""
    pair = visited.page.locator(".readout div", has=visited.page.get_by_text(name, exact=True))
    return pair.locator("dd").inner_text()


def pixels(visited, label: str) -> bytes:
    """What a canvas shows, to tell whether it has changed."""
    return visited.page.locator(f'canvas[aria-label^="{label}"]').screenshot()


@pytest.mark.parametrize("over", WAYS)
def test_a_page_of_its_own_shows_the_chapters_numbers(visit, over):
    x = datasets()[1][0][None]
    y = blurring()(x)
    y_delta = y + gaussian_noise(y, 0.01, torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = psnr(load_model("CNN")(y_delta), x).item()
    with visit("demo", over=over) as visited:
        assert shown(visited, "PSNR") == f"{expected:.2f} dB"
        assert not any(url.startswith("https:") for url in visited.requests)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_accessible_and_within_the_window(visit, theme, width):
    with visit("demo", width=width, theme=theme) as visited:
        assert visited.axe() == []
        assert visited.too_wide() == []


def test_every_control_changes_what_is_drawn(visit):
    with visit("demo") as visited:
        page = visited.page
        before = pixels(visited, "Measurement y")
        for label, change in {
            "Angle": lambda c: c.fill("90"),
            "Length": lambda c: c.fill("15"),
            "Noise": lambda c: c.fill("-1"),
            "Padding": lambda c: c.select_option("circular"),
            "Without noise": lambda c: c.check(),
            "Slice": lambda c: c.fill("3"),
        }.items():
            change(page.get_by_label(label, exact=True))
            visited.wait()
            now = pixels(visited, "Measurement y")
            assert now != before, label
            before = now
        score = shown(visited, "PSNR")
        page.get_by_label("Another").check()
        visited.wait()
        assert shown(visited, "PSNR") != score


def test_keys_alone_reach_and_move_everything(visit):
    with visit("demo") as visited:
        page = visited.page
        page.keyboard.press("Tab")
        focused = """document.activeElement.labels?.[0]?.textContent
                     ?? document.activeElement.tagName"""
        reached = []
        for _ in range(40):
            reached.append(page.evaluate(focused).strip())
            page.keyboard.press("Tab")
        for label in (
            "Angle",
            "Padding",
            "Without noise",
            "The book's",
            "Zoom",
            "Before and after",
        ):
            assert label in reached
        assert "CANVAS" in reached
        page.get_by_label("Angle").focus()
        page.keyboard.press("ArrowRight")
        visited.wait()
        assert page.get_by_label("Angle").get_attribute("aria-valuetext") == "21°"


def test_a_pixel_is_picked_by_mouse_and_by_keys(visit):
    with visit("demo") as visited:
        canvas = visited.page.locator('canvas[aria-label="Slice x"]')
        box = canvas.bounding_box()
        canvas.click(position={"x": box["width"] / 4, "y": box["height"] / 2})
        assert shown(visited, "Pixel") == "128, 64"
        visited.page.keyboard.press("ArrowUp")
        visited.page.keyboard.press("Shift+ArrowRight")
        assert shown(visited, "Pixel") == "127, 74"
        for _ in range(30):
            visited.page.keyboard.press("Shift+ArrowDown")
        assert shown(visited, "Pixel") == "255, 74"


def test_a_picture_is_dragged_by_mouse_and_by_keys(visit):
    with visit("demo") as visited:
        page = visited.page
        canvas = page.locator('canvas[aria-label="Signed error"]')
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 20 + box["width"] / 4, box["y"] + 20, steps=5)
        page.mouse.up()
        rows, columns = map(int, shown(visited, "Moved").replace("−", "-").split(","))
        assert rows == 0
        assert abs(columns - 64) <= 1
        canvas.focus()
        page.keyboard.press("ArrowDown")
        assert shown(visited, "Moved") == f"1, {columns}"


def test_pictures_of_a_group_zoom_together(visit):
    with visit("demo") as visited:
        page = visited.page
        labels = ("Slice x", "Measurement y", "Error")
        before = [pixels(visited, label) for label in labels]
        signed = pixels(visited, "Signed error")
        page.get_by_label("Zoom").fill("2")
        after = [pixels(visited, label) for label in labels]
        assert all(one != other for one, other in zip(before, after, strict=True))
        assert pixels(visited, "Signed error") == signed
        page.locator('canvas[aria-label="Slice x"]').focus()
        page.keyboard.press("0")
        page.get_by_label("Angle").focus()
        assert pixels(visited, "Error") == before[2]
        canvas = page.locator('canvas[aria-label^="Measurement y"]')
        canvas.hover()
        page.keyboard.down("Control")
        page.mouse.wheel(0, -200)
        page.keyboard.up("Control")
        assert page.locator("output", has_text="2.7×").count() == 1


def test_the_curtain_moves(visit):
    with visit("demo") as visited:
        before = pixels(visited, "Measurement; Reconstruction")
        visited.page.get_by_label("Before and after").fill("90")
        assert pixels(visited, "Measurement; Reconstruction") != before


def test_results_are_announced_politely(visit):
    with visit("demo") as visited:
        live = visited.page.locator("[aria-live=polite]")
        visited.page.wait_for_function(
            "() => document.querySelector('[aria-live]').textContent.startsWith('PSNR')"
        )
        before = live.inner_text()
        visited.page.get_by_label("Length").fill("21")
        visited.page.wait_for_function(
            "(old) => document.querySelector('[aria-live]').textContent !== old", arg=before
        )


@pytest.mark.parametrize("over", WAYS)
def test_a_view_has_an_address(visit, over):
    with visit("demo", over=over) as visited:
        page = visited.page
        page.get_by_label("Angle").fill("77")
        page.get_by_label("Padding").select_option("reflect")
        page.get_by_label("Without noise").check()
        visited.wait()
        seen = pixels(visited, "Measurement y")
        page.get_by_role("button", name="Link to this view").click()
        page.wait_for_function("() => location.hash !== ''")
        address = page.evaluate("location.hash")
        assert address == "#demo:angle=77&padding=reflect&clean=1"
    with visit("demo", over=over, hash=address) as visited:
        assert visited.page.get_by_label("Angle").input_value() == "77"
        assert pixels(visited, "Measurement y") == seen
        visited.page.get_by_role("button", name="Reset").click()
        visited.wait()
        assert visited.page.get_by_label("Angle").input_value() == "20"
        visited.page.evaluate("location.hash = '#demo:angle=3'")
        visited.wait()
        assert visited.page.get_by_label("Angle").input_value() == "3"


HOSTILE = (
    "#demo:angle=1e999&length=8.5&padding=none&clean=yes&slice=-1",
    "#demo:angle=<img src=x onerror=alert(1)>&__proto__=1&constructor=2&padding=toString",
    "#demo:angle=%E0%A4%A&length=%&taps=1,2,3,4,5&weights=own",
    "#demo:" + "angle=30&" * 2000,
    "#demo:angle=NaN&taps=" + "1," * 900,
    "#other:angle=30",
    "#demo",
    "#demo:angle=0x10&length= 9 &slice=8",
)


def test_hostile_addresses_change_nothing(visit):
    with visit("demo", hash=HOSTILE[1]) as visited:
        page = visited.page
        for hash in HOSTILE:
            page.evaluate("(hash) => (location.hash = hash)", hash)
            visited.wait()
            for label, value in {"Angle": "20", "Length": "9", "Slice": "0"}.items():
                assert page.get_by_label(label, exact=True).input_value() == value, hash
            assert page.get_by_label("Padding").locator("option:checked").inner_text() == "zeros"
            assert not page.get_by_label("Without noise").is_checked()
            assert not page.locator(".ippy-problem").is_visible()
        assert page.evaluate("({}).angle") is None


def drop(visited, name: str, content: bytes) -> None:
    chooser = visited.page.get_by_label("Your picture or weights")
    chooser.set_input_files({"name": name, "mimeType": "", "buffer": content})
    visited.wait()


def picture_file(array: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=kind)
    return file.getvalue()


def test_a_picture_of_ones_own_becomes_that_of_load_image(visit, tmp_path):
    from ippy.data import load_image

    generator = np.random.default_rng()
    for shape in ((256, 256), (300, 411), (90, 70, 3)):
        content = picture_file(generator.integers(0, 256, shape, dtype=np.uint8))
        path = tmp_path / "picture.png"
        path.write_bytes(content)
        expected = load_image(path, 256)[0]
        with visit("demo") as visited:
            found = visited.page.evaluate(
                """async (raw) => {
                     const file = new File([Uint8Array.from(raw)], "picture.png");
                     return Array.from((await ippy.readPicture(file)).data);
                   }""",
                list(content),
            )
        assert (torch.tensor(found).reshape(256, 256) - expected).abs().max() < 1e-5


def test_pictures_of_other_formats(visit):
    grey = np.tile(np.arange(200, dtype=np.uint8), (180, 1))
    with visit("demo") as visited:
        for kind in ("JPEG", "WEBP", "GIF", "BMP", "PNG"):
            before = pixels(visited, "Slice x")
            grey = np.rot90(grey).copy()
            drop(visited, f"mine.{kind}", picture_file(grey, kind))
            assert not visited.page.locator(".ippy-problem").is_visible(), kind
            assert pixels(visited, "Slice x") != before, kind


def huge_png() -> bytes:
    """A few bytes that claim to be 30,000 × 30,000 pixels."""
    content = bytearray(picture_file(np.zeros((8, 8), dtype=np.uint8)))
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    return bytes(content)


def header(entries: dict, body: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(shape: list, offsets: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def other_shapes(first: int, second: int, third: int) -> bytes:
    """A file whose layers do not fit each other, or have nothing in them."""
    shapes = {1: [first, 1, 3, 3], 2: [third, second, 3, 3], 3: [1, third, 3, 3]}
    entries, at = {}, 0
    for layer, shape in shapes.items():
        for name, size in (("weight", shape), ("bias", shape[:1])):
            end = at + 4 * int(np.prod(size))
            entries[f"conv{layer}.{name}"] = tensor(size, [at, end])
            at = end
    return header(entries, bytes(at))


def with_nan() -> bytes:
    content = bytearray(to_safetensors(SimpleCNN(1, 1, 4)))
    content[-4:] = struct.pack("<f", float("nan"))
    return bytes(content)


WRONG_FILES = [
    ("empty.png", b"", "no picture that can be read"),
    ("text.png", b"hello, I am a picture, am I not? " * 3, "no picture that can be read"),
    ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that can be read"),
    ("huge.png", huge_png(), r"30000×30000 pixels; the limit is"),
    ("short.png", picture_file(np.zeros((64, 64), np.uint8))[:60], "damaged"),
    ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x04ab", "no picture that can be read"),
    ("0.png", huge_png()[:16] + bytes(8) + huge_png()[24:], "damaged: its size is 0×0"),
    ("short.safetensors", b"\x01", "too short"),
    ("long.safetensors", struct.pack("<Q", 2**60) + b"{}" * 9, "header does not fit"),
    ("text.safetensors", b"hello, these are my weights", "header does not fit"),
    ("json.safetensors", struct.pack("<Q", 4) + b"nope" + bytes(9), "not JSON"),
    ("utf.safetensors", struct.pack("<Q", 4) + b"\xff\xfe{}" + bytes(9), "not JSON"),
    ("list.safetensors", header([1, 2, 3]) + bytes(9), "does not name tensors"),
    ("null.safetensors", header({"conv1.weight": None}), "must hold float32"),
    ("type.safetensors", header({"a": tensor([1], [0, 8], "F64")}, bytes(8)), "not F64"),
    ("far.safetensors", header({"a": tensor([9], [0, 36])}, bytes(8)), "cut short"),
    ("minus.safetensors", header({"a": tensor([-1], [0, 4])}, bytes(8)), "no shape"),
    ("size.safetensors", header({"a": tensor([1], [0, 8])}, bytes(8)), "not lie inside"),
    ("big.safetensors", header({"a": tensor([2**30, 2**30], [0, 4])}, bytes(8)), "not lie"),
    ("proto.safetensors", header({"__proto__": tensor([1], [0, 4])}, bytes(4)), "no SimpleCNN"),
    ("other.safetensors", header({"a": tensor([1], [0, 4])}, bytes(4)), "no SimpleCNN"),
    ("colour.safetensors", to_safetensors(SimpleCNN(3, 3, 4)), "1 channel, not 3 and 3"),
    ("fit.safetensors", other_shapes(4, 5, 4), "do not fit together"),
    ("none.safetensors", other_shapes(0, 0, 0), "conv1 has no filters"),
    ("even.safetensors", to_safetensors(SimpleCNN(1, 1, 2, kernel_size=17)), "1 to 15 pixels"),
    ("many.safetensors", to_safetensors(SimpleCNN(1, 1, 257, kernel_size=1)), "256 filters"),
    ("nan.safetensors", with_nan(), "not finite"),
]


def test_wrong_files_are_told_in_a_sentence(visit):
    with visit("demo") as visited:
        told = visited.page.locator(".ippy-problem")
        for number, (name, content, sentence) in enumerate(WRONG_FILES):
            drop(visited, name, content)
            assert re.search(sentence, told.inner_text()), (name, told.inner_text())
            # and the explorer goes on
            before = pixels(visited, "Measurement y")
            visited.page.get_by_label("Angle").fill(str(90 + number))
            visited.wait()
            assert pixels(visited, "Measurement y") != before, name
            assert not told.is_visible(), name


def test_metadata_of_weights_is_checked(visit):
    with visit("demo") as visited:

        def problem(architecture: str) -> str:
            text = json.dumps({"__metadata__": {"architecture": architecture}}).encode()
            return visited.page.evaluate(
                """(raw) => { try { ippy.readNetwork(Uint8Array.from(raw).buffer); }
                             catch (error) { return error.message; } }""",
                list(struct.pack("<Q", len(text)) + text),
            )

        assert "not JSON" in problem("{")
        assert "final activation" in problem('{"final_activation": "eval"}')
        assert "padding mode" in problem('{"padding_mode": "__proto__"}')
        assert "residual" in problem('{"residual": 1}')
        assert "no SimpleCNN" in problem("null")


MOTION = {"kernel_type": "motion", "kernel_size": 9, "motion_angle": 20.0}
FIT = [{"blur": MOTION, "noise_level": 0}, {"blur": {"kernel": [[0.5, 0.5]]}, "noise_level": 0.1}]
DAMAGED: list[Any] = [
    [],
    "motion",
    {"blur": MOTION},
    {"blur": MOTION, "noise_level": "0.01"},
    {"blur": MOTION, "noise_level": -1},
    {"blur": {**MOTION, "kernel_type": "<script>"}, "noise_level": 0},
    {"blur": {**MOTION, "kernel_size": 8}, "noise_level": 0},
    {"blur": {**MOTION, "kernel_size": 2**31 + 1}, "noise_level": 0},
    {"blur": {**MOTION, "motion_angle": None}, "noise_level": 0},
    {"blur": {**MOTION, "padding": "toString"}, "noise_level": 0},
    {"blur": {"kernel_type": "gaussian", "kernel_variance": 0}, "noise_level": 0},
    {"blur": {"kernel": []}, "noise_level": 0},
    {"blur": {"kernel": "abc"}, "noise_level": 0},
    {"blur": {"kernel": [[1, 2], [3]]}, "noise_level": 0},
    {"blur": {"kernel": [["1"]]}, "noise_level": 0},
]


def test_what_a_file_says_of_its_training_is_checked(visit):
    model = SimpleCNN(1, 1, 2)
    read = """(raw) => { try { return ippy.readNetwork(Uint8Array.from(raw).buffer).training; }
                         catch (error) { return error.message; } }"""
    with visit("demo") as visited:
        assert visited.page.evaluate(read, list(to_safetensors(model))) is None
        for known in FIT:
            found = visited.page.evaluate(read, list(to_safetensors(model, known)))
            assert found["noise_level"] == known["noise_level"]
            assert found["blur"].items() >= known["blur"].items()
            assert found["blur"]["padding"] == "zeros"
        for wrong in DAMAGED:
            found = visited.page.evaluate(read, list(to_safetensors(model, wrong)))
            assert "training is damaged" in found, wrong


def test_weights_of_ones_own_are_read(visit):
    model = SimpleCNN(1, 1, 6, kernel_size=5, final_activation="tanh", padding_mode="reflect")
    with visit("demo") as visited:
        drop(visited, "mine.safetensors", to_safetensors(model))
        assert shown(visited, "Pixel") == "6 filters"


def test_dropped_on_the_page(visit):
    content = picture_file(np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    with visit("demo") as visited:
        before = pixels(visited, "Slice x")
        visited.page.evaluate(
            """(raw) => {
                 const data = new DataTransfer();
                 data.items.add(new File([Uint8Array.from(raw)], "mine.png"));
                 const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true });
                 document.querySelector(".ippy-body").dispatchEvent(drop);
               }""",
            list(content),
        )
        visited.wait()
        assert pixels(visited, "Slice x") != before


def test_without_javascript_there_is_a_picture(visit):
    with visit("demo", java_script_enabled=False) as visited:
        image = visited.page.get_by_role("img", name='A slice, its blur and its "repair"')
        assert image.is_visible()
        assert image.bounding_box()["width"] > 200


def test_on_paper_there_is_a_picture(visit):
    with visit("demo") as visited:
        assert not visited.page.locator(".ippy-fallback").is_visible()
        visited.page.emulate_media(media="print")
        assert visited.page.locator(".ippy-fallback").is_visible()
        assert not visited.page.locator(".ippy-body").is_visible()


def test_the_page_follows_a_change_of_theme(visit):
    with visit("demo") as visited:
        canvas = visited.page.locator('canvas[aria-label="Signed error"]')

        def drawn() -> str:
            return canvas.evaluate("(canvas) => canvas.toDataURL()")

        signed = drawn()
        visited.page.emulate_media(color_scheme="dark")
        visited.page.wait_for_selector('.ippy-explorer[data-theme="dark"]')
        assert drawn() != signed
        visited.page.evaluate("document.documentElement.dataset.theme = 'light'")
        visited.page.wait_for_selector('.ippy-explorer[data-theme="light"]')
        assert drawn() == signed


def test_the_page_stays_alive_while_it_computes(visit):
    """Frames go on while a large network runs in plain JavaScript."""
    with visit("demo") as visited:
        longest, whole = visited.page.evaluate(
            """async () => {
                 const start = performance.now();
                 let last = start, longest = 0, going = true;
                 const frame = () => {
                   const now = performance.now();
                   longest = Math.max(longest, now - last);
                   last = now;
                   if (going) requestAnimationFrame(frame);
                 };
                 requestAnimationFrame(frame);
                 const slow = ippy.createEngine([]);
                 const net = ippy.readNetwork(await weights());
                 const y = ippy.image(256, 256);
                 await Promise.all([slow.network(net, y), slow.network(net, y)]);
                 going = false;
                 return [longest, performance.now() - start];
                 async function weights() {
                   const n = 64, entries = {}; let at = 0;
                   for (const [key, shape] of [["conv1.weight", [n, 1, 3, 3]], ["conv1.bias", [n]],
                       ["conv2.weight", [n, n, 3, 3]], ["conv2.bias", [n]],
                       ["conv3.weight", [1, n, 3, 3]], ["conv3.bias", [1]]]) {
                     const size = 4 * shape.reduce((a, b) => a * b);
                     entries[key] = { dtype: "F32", shape, data_offsets: [at, at + size] };
                     at += size;
                   }
                   const text = new TextEncoder().encode(JSON.stringify(entries));
                   const file = new Uint8Array(8 + text.length + at);
                   new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
                   file.set(text, 8);
                   return file.buffer;
                 }
               }"""
        )
        assert longest < whole / 4, f"{longest} of {whole} ms without a frame"


def test_many_changes_cost_few_runs_and_end_with_the_last(visit):
    with visit("demo") as visited:
        visited.page.evaluate(
            """async () => {
                 window.runs = 0;
                 const seen = new MutationObserver(() => (window.runs += 1));
                 const caption = document.querySelectorAll("figcaption .caption")[1];
                 seen.observe(caption, { childList: true });
                 const slider = document.querySelector('[data-key="angle"] input');
                 for (let n = 0; n <= 100; n++) {
                   slider.value = n;
                   slider.dispatchEvent(new Event("input", { bubbles: true }));
                   if (n % 2) await new Promise((resolve) => setTimeout(resolve, 1));
                 }
               }"""
        )
        visited.wait()
        assert visited.page.evaluate("window.runs") < 25, "one run at a time, not one a change"
        assert "at 100°" in visited.page.locator("figcaption .caption").nth(1).inner_text()


def test_it_works_where_workers_are_forbidden(visit):
    with visit("demo") as visited:
        found = visited.page.evaluate(
            """async () => {
                 const { Worker } = window;
                 window.Worker = class { constructor() { throw new Error("forbidden"); } };
                 const engine = ippy.createEngine();
                 const x = ippy.image(16, 16, new Float32Array(256).fill(1));
                 const y = await engine.blur(x, { kernel_type: "motion", kernel_size: 3 });
                 window.Worker = Worker;
                 return y.data[100];
               }"""
        )
        assert found == pytest.approx(1, abs=1e-6)


def test_a_missing_file_is_told(visit, explorer_site):
    from demo import other

    path = explorer_site / "_static" / "explorers" / "weights" / f"{other()}.js"
    content = path.read_text()
    visited = visit("demo")
    try:
        path.unlink()
        visited.page.get_by_label("Another").check()
        visited.wait()
        told = visited.page.locator(".ippy-problem").inner_text()
        assert f"missing: weights/{other()}.js" in told
    finally:
        path.write_text(content)
        visited.context.close()


def test_the_page_forbids_itself_the_network(visit):
    visited = visit("demo")
    blocked = visited.page.evaluate(
        """async () => {
             try { await fetch("https://example.org/"); return "reached"; }
             catch { return "blocked"; }
           }"""
    )
    policy = visited.page.locator('meta[http-equiv="Content-Security-Policy"]')
    content = policy.get_attribute("content")
    visited.context.close()
    assert blocked == "blocked"
    assert not any("example.org" in url for url in visited.requests)
    assert "connect-src 'none'" in content
    assert "unsafe-eval'" not in content.replace("'wasm-unsafe-eval'", "")


def test_a_page_in_a_frame_of_another_site(browser, addresses):
    from browser import Visit

    with Visit(browser, addresses["http"], 800, "light") as visited:
        visited.page.goto(addresses["http"] + "explorers/")
        visited.page.set_content(
            f'<iframe src="{addresses["http"]}explorers/demo.html" sandbox="allow-scripts" '
            'width="700" height="900" title="demo"></iframe>'
        )
        frame = visited.page.frame_locator("iframe")
        frame.get_by_text(re.compile(r"\d\d\.\d\d dB")).wait_for(timeout=20_000)
