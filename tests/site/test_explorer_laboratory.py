"""The reconstruction laboratory in a real browser: its controls, its numbers, its manners."""

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import DESKTOP, PHONE, Visit
from PIL import Image
from playwright.sync_api import Page
from safetensors.torch import save

from ippy.classical import wiener
from ippy.evaluation import measure
from ippy.explorers.laboratory import Laboratory
from ippy.explorers.pages import write_pages
from ippy.export import to_safetensors
from ippy.metrics import psnr, ssim
from ippy.models import SimpleCNN
from ippy.operators import Blurring

NAME = "laboratory"


@pytest.fixture(scope="module")
def laboratory(browser, explorer_site: Path, addresses: dict[str, str]) -> Iterator[Visit]:
    """One visit for the whole file, from disk; its faults are counted at the end."""
    write_pages(explorer_site, [NAME])
    with Visit(browser, addresses["file"], DESKTOP, "light") as visited:
        visited.open(f"{addresses['file']}explorers/{NAME}.html")
        yield visited


@pytest.fixture
def page(laboratory: Visit) -> Page:
    laboratory.page.get_by_role("button", name="Reset").click()
    laboratory.wait()
    return laboratory.page


def put(page: Page, **values: str | float) -> None:
    """Move controls as a reader's mouse would: the input changes and says so."""
    for key, value in values.items():
        page.evaluate(
            """([key, value]) => {
                const control = document.querySelector(`.lab-top [data-key="${key}"]`);
                const inputs = [...control.querySelectorAll("input, select")];
                if (inputs[0].type === "radio") return inputs[value].click();
                inputs[0].value = value;
                for (const type of ["input", "change"])
                    inputs[0].dispatchEvent(new Event(type, { bubbles: true }));
            }""",
            [key, value],
        )
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_timeout(20)
    page.wait_for_function(
        "() => document.querySelector('.ippy-explorer').dataset.busy === '0'", timeout=60_000
    )


def numbers(page: Page) -> dict[str, list[float]]:
    """{"y_delta": [PSNR, SSIM], "wiener": …, "network": …} to all digits."""
    return page.evaluate(
        """() => {
            const values = (row) => [...row.querySelectorAll("[data-value]")]
                .map((cell) => +cell.dataset.value);
            const rows = [...document.querySelectorAll("tr[data-row]")];
            return Object.fromEntries(rows.map((row) => [row.dataset.row, values(row)]));
        }"""
    )


def drawing(page: Page) -> list[str]:
    """What is on each canvas."""
    return page.evaluate(
        "() => [...document.querySelectorAll('canvas')].map((c) => c.toDataURL().slice(-4000))"
    )


def sentences(page: Page) -> str:
    return " ".join(page.locator(".lab-note").all_text_contents())


def problem(page: Page) -> str:
    line = page.locator(".ippy-problem")
    return line.text_content() or "" if line.is_visible() else ""


def load(page: Page, label: str, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.get_by_label(re.compile(label)).set_input_files(file)  # type: ignore[arg-type]
    page.wait_for_timeout(250)
    settle(page)


def png(grey: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(grey).save(file, format="PNG")
    return file.getvalue()


def random_picture(side: int, seed: int) -> tuple[torch.Tensor, bytes]:
    """Smooth random grey values (1, 1, side, side), 8 bits, and their file."""
    coarse = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)
    grey = (smooth[0, 0] * 255).round().to(torch.uint8).numpy()
    return torch.from_numpy(grey / 255).float()[None, None], png(grey)


def random_network(seed: int, **built: object) -> SimpleCNN:
    torch.manual_seed(seed)
    return SimpleCNN(1, 1, **built).eval()  # type: ignore[arg-type]


def scores(x: torch.Tensor, **pictures: torch.Tensor) -> dict[str, list[float]]:
    return {
        name: [psnr(picture.double(), x.double()).item(), ssim(picture.double(), x.double()).item()]
        for name, picture in pictures.items()
    }


def compare(shown: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    assert shown.keys() == expected.keys()
    for name, values in expected.items():
        assert shown[name] == pytest.approx(values, rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ({}, {"slice": 3}),
        ({}, {"brightness": 0.5}),
        ({}, {"kernel_type": 1}),
        ({}, {"length": 5}),
        ({}, {"angle": 75}),
        ({"kernel_type": 1}, {"variance": 9}),
        ({}, {"padding": 1}),
        ({}, {"noise_level": 0.05}),
        ({}, {"weights": 1}),
        ({}, {"constant": -4}),
        ({}, {"world": 1}),
        ({"world": 2}, {"angle_off": 30}),
        ({"world": 2}, {"length_off": 6}),
        ({"world": 2, "kernel_type": 1}, {"variance_off": 3}),
    ],
    ids=lambda pair: next(iter(pair), ""),
)
def test_each_control_changes_pictures_and_numbers(page: Page, first: dict, change: dict):
    put(page, **first)
    before = drawing(page), numbers(page)
    put(page, **change)
    assert drawing(page) != before[0]
    assert numbers(page) != before[1]
    assert problem(page) == ""


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_curtain_shows_what_is_chosen(page: Page, side: str):
    before = drawing(page)
    put(page, **{side: 2})
    assert drawing(page)[0] != before[0]
    assert drawing(page)[1:] == before[1:]
    assert page.locator(".curtain .bar-numbers").text_content() == (
        "Wiener filterNetwork" if side == "left" else "MeasurementWiener filter"
    )


def test_new_noise_is_new(page: Page):
    seen = [numbers(page)]
    for _ in range(2):
        page.locator(".lab-panels").get_by_role("button", name="New noise").click()
        settle(page)
        seen.append(numbers(page))
    assert seen[0] != seen[1] != seen[2]


def test_the_book_s_own_view_has_the_chapter_s_numbers(page: Page):
    pictures = Laboratory().pictures()
    compare(numbers(page), scores(pictures.pop("x"), **pictures))


def test_finer_pixels_agree_with_torch(page: Page):
    put(page, world=1, slice=2, angle=70)
    pictures = Laboratory(world="finer", slice=2, angle=70).pictures()
    compare(numbers(page), scores(pictures.pop("x"), **pictures))


@pytest.mark.parametrize(
    ("built", "settings", "blur"),
    [
        (
            {"n_filters": 12, "kernel_size": 5, "final_activation": "sigmoid"},
            {"angle": 133, "length": 13, "padding": 2},
            {"kernel_type": "motion", "kernel_size": 13, "motion_angle": 133, "padding": "reflect"},
        ),
        (
            {"n_filters": 7, "final_activation": "tanh", "residual": True},
            {"kernel_type": 1, "length": 7, "variance": 3.1, "padding": 1},
            {"kernel_type": "gaussian", "kernel_size": 7, "kernel_variance": 3.1}
            | {"padding": "circular"},
        ),
    ],
    ids=["motion", "Gaussian"],
)
def test_random_weights_and_a_random_picture_agree_with_torch(
    page: Page, built: dict, settings: dict, blur: dict
):
    model, (x, file) = random_network(5, **built), random_picture(256, seed=7)
    load(page, "Weights of your own", "mine.safetensors", to_safetensors(model))
    load(page, "A picture of your own", "mine.png", file)
    put(page, noise_level=0.03, constant=-3, **settings)
    assert "mine.png is shown" in page.locator(".lab-panels").inner_text()
    assert page.get_by_text("Your picture x").is_visible()
    K = Blurring((256, 256), **blur)
    y = measure(x, K, 0.03, seed=0)
    with torch.no_grad():
        expected = scores(x, y_delta=y, wiener=wiener(y, K, 1e-3), network=model(y))
    compare(numbers(page), expected)
    assert "Nothing says for which blur" in sentences(page)


def test_finer_and_wrong_worlds_of_a_picture_of_one_s_own_agree_with_torch(page: Page):
    x_fine, file = random_picture(512, seed=8)
    load(page, "A picture of your own", "mine.png", file)
    put(page, world=1, noise_level=0)
    halve = torch.nn.AvgPool2d(2)
    x = halve(x_fine)
    y = halve(Blurring((512, 512), kernel_type="motion", kernel_size=17, motion_angle=20)(x_fine))
    K = Laboratory().K
    assert numbers(page)["y_delta"] == pytest.approx(scores(x, y=y)["y"], rel=1e-5)
    assert numbers(page)["wiener"] == pytest.approx(scores(x, w=wiener(y, K, 0.01))["w"], rel=1e-5)

    x, file = random_picture(256, seed=9)
    load(page, "A picture of your own", "mine.png", file)
    put(page, world=2, angle_off=-5, length_off=4)
    other = {"kernel_type": "motion", "kernel_size": 13, "motion_angle": 15.0}
    y = Blurring((256, 256), **other)(x)
    assert numbers(page)["y_delta"] == pytest.approx(scores(x, y=y)["y"], rel=1e-5)
    assert numbers(page)["wiener"] == pytest.approx(scores(x, w=wiener(y, K, 0.01))["w"], rel=1e-5)


def test_the_best_constant_is_the_best(page: Page):
    page.get_by_role("button", name="Find the best constant").click()
    page.get_by_text("Best for this picture").wait_for(timeout=60_000)
    settle(page)
    explorer = Laboratory()
    x, y = (explorer.pictures()[name] for name in ("x", "y_delta"))
    every = [psnr(wiener(y, explorer.K, 10**e), x).item() for e in np.linspace(-8, 0, 81)]
    assert max(every) - 0.02 < numbers(page)["wiener"][0] < max(every) + 0.02


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "The network was trained for a motion of 9 pixels at 20°, with 1 % noise."),
        ({}, "the inverse crime"),
        ({"angle": 30}, "You measure with a motion of 9 pixels at 30°"),
        ({"kernel_type": 1}, "You measure with a Gaussian blur of variance 2.0"),
        ({"noise_level": 0.05}, "You add 5 % noise, more than it has ever seen."),
        ({"noise_level": 0.025}, "You add 2.5 % noise, more than it has ever seen."),
        ({"brightness": 0.5}, "at full brightness"),
        ({"world": 1}, "pixels half the size"),
        (
            {"world": 2},
            "at 22°; the Wiener filter believes the sliders, a motion of 9 pixels at 20°",
        ),
        ({"world": 2, "angle_off": 0}, "The offsets are zero"),
    ],
    ids=str,
)
def test_a_sentence_says_where_measurement_and_training_differ(
    page: Page, change: dict, words: str
):
    put(page, **change)
    assert words in sentences(page)
    differs = page.locator(".lab-note.differs").count() == 1
    assert differs == (change not in ({}, {"world": 1}, {"world": 2, "angle_off": 0}))


def test_worse_than_doing_nothing_is_called_worse(page: Page):
    page.get_by_role("button", name="Set it up").first.click()
    settle(page)
    assert "worse" in page.locator("tr[data-row=network]").inner_text()
    assert "+" in page.locator("tr[data-row=wiener]").inner_text()


def test_the_tasks_show_what_their_answers_say(page: Page):
    """Each task, set up, gives what its folded answer claims."""
    shown = []
    for name in ("Set it up", "Turn the dial"):
        buttons = page.locator(".lab-tasks").get_by_role("button", name=name)
        for n in range(buttons.count()):
            buttons.nth(n).click()
            settle(page)
            shown.append({row: values[0] for row, values in numbers(page).items()})
    turned, dimmed, noisy, crime, dial = shown
    assert turned["network"] < turned["y_delta"] < turned["wiener"]
    assert dimmed["network"] < dimmed["y_delta"]
    assert noisy["network"] < noisy["y_delta"]
    assert crime["wiener"] > 55
    assert dial["wiener"] < dial["y_delta"]


def test_a_view_can_be_shared(page: Page, visit: Callable[..., Visit]):
    put(page, angle=63, noise_level=0.02, world=2, constant=-2.6)
    page.get_by_role("button", name="Link to this view").click()
    hash = page.evaluate("location.hash")
    page.evaluate("history.replaceState(null, '', location.pathname)")
    assert "angle=63" in hash and "world=wrong" in hash
    with visit(NAME, over="http", hash=hash) as there:
        assert numbers(there.page) == numbers(page)


def test_reset_brings_the_first_view_back(page: Page):
    first = drawing(page), numbers(page)
    load(page, "A picture of your own", "mine.png", random_picture(256, seed=1)[1])
    put(page, angle=63, weights=2, left=0)
    assert numbers(page) != first[1]
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert (drawing(page), numbers(page)) == first


@pytest.mark.parametrize(
    "hash",
    [
        "#laboratory:angle=1e9&length=-3&noise_level=nan&constant=-1&seed=1.5",
        "#laboratory:weights=<script>alert(1)</script>&world=evil&slice=99&left=%E0%A4%A",
        "#laboratory:" + "x" * 100_000,
    ],
    ids=["numbers", "words", "long"],
)
def test_a_hostile_address_is_ignored(page: Page, visit: Callable[..., Visit], hash: str):
    with visit(NAME, hash=hash) as there:
        assert numbers(there.page) == numbers(page)


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def endless_png() -> bytes:
    """A small file that claims 60,000 × 60,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


@pytest.mark.parametrize(
    ("label", "name", "content", "words"),
    [
        ("A picture", "letter.png", lambda: b"Dear reader, " * 50, "no picture"),
        ("A picture", "half.png", lambda: truncated(random_picture(256, 0)[1])[:60], "damaged"),
        ("A picture", "endless.png", endless_png, "limit is 64 million"),
        ("A picture", "empty.png", lambda: b"", "no picture"),
        (
            "A picture",
            "vast.png",
            lambda: vast_png(),
            "20000×20000 pixels; the limit is 64 million",
        ),
        ("Weights", "letter.safetensors", lambda: b"Dear reader, " * 50, "no intact"),
        ("Weights", "half.safetensors", lambda: truncated(own_weights()), "cut short"),
        ("Weights", "mine.pth", lambda: b"PK", "ippy export"),
        ("Weights", "rgb.safetensors", lambda: rgb_weights(), "1 channel"),
        ("Weights", "nan.safetensors", lambda: own_weights()[:-4] + b"\0\0\xc0\x7f", "not finite"),
        ("Weights", "other.safetensors", lambda: save({"a": torch.ones(2)}), "no SimpleCNN"),
    ],
    ids=lambda value: value if str(value).endswith((".png", ".safetensors", ".pth")) else "",
)
def test_a_bad_file_gets_a_sentence_and_the_laboratory_goes_on(
    page: Page, label: str, name: str, content: Callable[[], bytes], words: str
):
    before = numbers(page)
    load(page, f"{label}.* of your own", name, content())
    page.locator(".ippy-problem").wait_for(state="visible")
    assert words in problem(page)
    assert numbers(page) == before
    put(page, angle=80)
    assert problem(page) == "" and numbers(page) != before


def vast_png() -> bytes:
    """20,000 × 20,000 black pixels, a whole picture in 50 kB."""
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, format="PNG")
    return file.getvalue()


def own_weights() -> bytes:
    return to_safetensors(random_network(3, n_filters=4))


def rgb_weights() -> bytes:
    torch.manual_seed(0)
    return to_safetensors(SimpleCNN(3, 3, 4))


@pytest.mark.parametrize(
    ("blur", "level", "told", "warned"),
    [
        ({"kernel_type": "motion", "kernel_size": 9, "motion_angle": 20.0}, 0.01, "20°", ""),
        ({"kernel_type": "motion", "kernel_size": 9, "motion_angle": 200.0}, 0.01, "20°", ""),
        (
            {"kernel_type": "motion", "kernel_size": 13, "motion_angle": 75.0},
            0,
            "a motion of 13 pixels at 75°, without noise.",
            "You measure with a motion of 9 pixels at 20°. The network cannot know",
        ),
        ({"kernel": [[0.5, 0.5]]}, 0.02, "a kernel of its own, 1×2 pixels, with 2 % noise.", "You"),
        (
            {"kernel_type": "motion", "kernel_size": 9, "motion_angle": 20, "padding": "reflect"},
            0.01,
            "20°",
            "Beyond the border it has learnt its mirror image; you measure with black.",
        ),
    ],
    ids=["same", "half turn", "other motion", "table", "border"],
)
def test_a_file_tells_what_its_network_was_trained_for(
    page: Page, blur: dict, level: float, told: str, warned: str
):
    file = to_safetensors(random_network(3, n_filters=4), {"blur": blur, "noise_level": level})
    load(page, "Weights of your own", "mine.safetensors", file)
    assert "The network was trained for" in sentences(page) and told in sentences(page)
    assert warned in sentences(page)
    if not warned:
        assert page.locator(".lab-note.differs").count() == 0
        put(page, angle=21)
    assert "The network cannot know" in sentences(page) or "border" in warned
    assert page.locator(".lab-note.differs").count() == 1


@pytest.mark.parametrize(
    ("side", "world", "words"),
    [
        (90, 0, "mine.png is shown. It has only 90×90 pixels and was enlarged to 256×256"),
        (256, 0, "mine.png is shown, at 256×256 pixels."),
        (256, 1, "It has only 256×256 pixels and was enlarged to 512×512"),
        (600, 1, "mine.png is shown, at 512×512 pixels."),
    ],
)
def test_a_small_picture_is_said_to_be_enlarged(page: Page, side: int, world: int, words: str):
    load(page, "A picture of your own", "mine.png", png(np.full((side, side), 90, np.uint8)))
    put(page, world=world)
    assert words in page.locator(".lab-panels").inner_text()


def test_a_picture_that_is_no_square_is_cut(page: Page):
    load(page, "A picture of your own", "mine.png", png(np.full((300, 500), 90, np.uint8)))
    words = "The middle of mine.png is shown, a square, at 256×256 pixels."
    assert words in page.locator(".lab-panels").inner_text()


def test_weights_that_were_never_loaded_are_asked_for(page: Page, visit: Callable[..., Visit]):
    with visit(NAME, hash="#laboratory:weights=file") as there:
        assert "No weight file is loaded yet" in problem(there.page)
        load(there.page, "Weights of your own", "mine.safetensors", own_weights())
        assert problem(there.page) == "" and numbers(there.page)["network"][0] > 0


def test_files_are_taken_by_dropping_them(page: Page):
    before = numbers(page)
    drop = """([name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name));
        const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
        document.querySelector(".curtain canvas").dispatchEvent(event);
    }"""
    page.evaluate(drop, ["mine.safetensors", list(own_weights())])
    page.wait_for_timeout(300)
    settle(page)
    now = numbers(page)
    assert now["y_delta"] == before["y_delta"] and now["network"] != before["network"]
    page.evaluate(drop, ["mine.png", list(random_picture(256, 4)[1])])
    page.wait_for_timeout(300)
    settle(page)
    assert numbers(page)["y_delta"] != now["y_delta"]


def test_the_keyboard_moves_sliders_curtain_and_zoom(page: Page):
    angle = page.locator(".lab-panels [data-key=angle] input")
    angle.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.locator(".lab-panels [data-key=angle] output").text_content() == "21°"
    before = drawing(page)
    page.get_by_label("Move the curtain").focus()
    page.keyboard.press("PageDown")
    assert drawing(page)[0] != before[0] and drawing(page)[1:] == before[1:]
    before = drawing(page)
    page.locator(".lab-gallery canvas").first.focus()
    page.keyboard.press("+")
    after = drawing(page)
    kernel = 2  # the curtain, the slice, the kernel, …: all but the kernel zoom together
    changed = [a != b for a, b in zip(after, before, strict=True)]
    colour_bars = page.evaluate(
        "() => [...document.querySelectorAll('canvas')].map((c) => c.className === 'bar-colours')"
    )
    expected = [not bar and n != kernel for n, bar in enumerate(colour_bars)]
    assert changed == expected
    page.keyboard.press("0")
    assert drawing(page) == before


def test_results_are_announced_once_they_are_there(page: Page):
    put(page, angle=50)
    page.wait_for_timeout(700)
    spoken = page.locator("[aria-live=polite]").text_content()
    assert re.search(r"Network \d+\.\d decibel", spoken or "")


@pytest.mark.parametrize("hash", ["", "#laboratory:compact=1", "#laboratory:world=wrong&angle=110"])
def test_a_phone_in_the_dark_reads_everything(visit: Callable[..., Visit], hash: str):
    with visit(NAME, width=PHONE, theme="dark", hash=hash) as there:
        assert there.too_wide() == []
        assert there.axe() == []


def test_a_desktop_in_the_light_is_accessible(page: Page, laboratory: Visit):
    page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert laboratory.axe() == []
    assert laboratory.too_wide() == []


def test_compact_keeps_the_essentials(visit: Callable[..., Visit]):
    with visit(NAME, hash="#laboratory:compact=1") as there:
        page = there.page
        assert page.locator("canvas:visible").count() == 1
        visible = page.locator("input:visible, select:visible")
        assert visible.count() == 3  # curtain, angle, noise level
        before = numbers(page)
        page.locator("[data-key=angle]:visible input").press("ArrowRight")
        settle(page)
        assert numbers(page) != before


def test_a_host_written_by_hand_can_be_compact(visit: Callable[..., Visit]):
    with visit(NAME) as there:
        there.page.evaluate(
            """() => {
                const host = ippy.h("div", { class: "ippy-explorer", "data-compact": "" });
                host.dataset.explorer = "laboratory";
                document.querySelector("main").append(host);
                ippy.mountAll();
            }"""
        )
        there.wait()
        assert there.page.locator("[data-compact] canvas:visible").count() == 1
        assert there.page.locator("[data-compact] tr[data-row]").count() == 3


def test_a_picture_of_one_s_own_is_nothing_the_network_has_seen(page: Page):
    load(page, "A picture of your own", "mine.png", random_picture(300, seed=2)[1])
    assert "never a picture like yours" in sentences(page)
    page.get_by_role("button", name="Back to the slices").click()
    settle(page)
    assert "never a picture like yours" not in sentences(page)


def test_no_picture_leaves_the_page(laboratory: Visit, page: Page):
    asked = len(laboratory.requests)
    load(page, "A picture of your own", "mine.png", random_picture(300, seed=2)[1])
    assert [r for r in laboratory.requests[asked:] if not r.startswith("blob:")] == []
