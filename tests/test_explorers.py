"""What the explorers share on Python's side: parameters, assets, what a page is made of."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load
from traitlets import TraitError

import ippy.explorers
from ippy import course
from ippy.explorers import assets, bundle, explorer_class, names
from ippy.explorers.base import Explorer
from ippy.explorers.pages import own_page, write_pages
from ippy.models import SimpleCNN
from ippy.operators import motion_kernel

sys.path.insert(0, str(Path(__file__).parent / "site" / "demo"))

from demo import Demo

CORE = Path(ippy.explorers.__file__).parent / "core"
# Of the files that `python ippy/explorers/build_wasm.py` makes from this core.c.
SOURCE = "b5718663182252b5b90c80ee9f4b2db45182b876633b080dc7e5c3211f3566cc"
BUILT = {
    "core.wasm": "101c6cbe0585c42a88ed0000674acfd5e03f3bfde1336ea41db92dc33ca61d52",
    "core-relaxed.wasm": "b099b155bd4e6b83d6d9e0caf01ffa05ad5a1ba35e06a527eb484ea8f7f98b16",
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_webassembly_is_what_was_built_from_the_source():
    assert sha256(CORE / "core.c") == SOURCE, (
        "core.c has changed: run `python ippy/explorers/build_wasm.py` and write the new checksums "
        "of core.c, core.wasm and core-relaxed.wasm here"
    )
    assert {name: sha256(CORE / name) for name in BUILT} == BUILT


def test_importing_the_package_loads_no_explorer():
    code = (
        "import sys, ippy, ippy.explorers; "
        "print([m for m in ('anywidget', 'ipywidgets', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_explorers_are_found_by_name():
    assert "laboratory" in names()
    for name in names():
        kind = explorer_class(name)
        assert issubclass(kind, Explorer)
        assert kind.name() == name
        assert getattr(ippy.explorers, kind.__name__) is kind
        assert kind.__name__ in dir(ippy.explorers)
        assert kind.script().is_file()
    with pytest.raises(ValueError, match=r"name must be one of the explorers .*laboratory"):
        explorer_class("observatory")
    with pytest.raises(AttributeError, match="Observatory"):
        _ = ippy.explorers.Observatory


@pytest.mark.parametrize("name", names())
def test_every_explorer_states_what_a_page_needs(name):
    kind = explorer_class(name)
    explorer = kind()
    assert len(kind.title) > 5
    assert len(kind.alt) > 20
    for key, told in explorer._parameters.items():
        assert told["label"], f"{key} has no label"
        assert told["initial"] == getattr(explorer, key)
    html = explorer.html()
    assert f'data-explorer="{name}"' in html
    assert len(html) < 200_000, "a page of the book stays under a megabyte"
    assert re.search(r'<img src="data:image/webp;base64,[^"]+" alt="[^"]{20,}" width="\d+"', html)
    assert explorer.html() == html, "a stored output does not change from run to run"


def test_setting_parameters():
    demo = Demo(angle=45, length=5, padding="circular", clean=True, taps=(1, 2.5))
    assert (demo.angle, demo.length, demo.padding, demo.clean) == (45.0, 5, "circular", True)
    assert demo.taps == [1.0, 2.5]
    assert torch.equal(demo.K.kernel[0, 0], motion_kernel(5, 45))
    assert demo.K.padding == "circular"
    demo.length = 7.0  # a page has one kind of number
    assert demo.length == 7
    assert isinstance(demo.length, int)
    assert isinstance(demo.angle, float)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("angle", 181, "angle must be a number from 0 to 180, got 181"),
        ("angle", -0.1, "angle must be"),
        ("angle", float("nan"), "angle must be a number"),
        ("angle", "45", "angle must be a number"),
        ("angle", True, "angle must be a number"),
        ("angle", None, "angle must be a number"),
        ("length", 8.5, "length must be an integer from 1 to 31, got 8.5"),
        ("length", 33, "length must be an integer"),
        ("length", float("inf"), "length must be an integer"),
        ("padding", "mirror", "padding must be one of 'zeros', 'circular', 'reflect', 'replicate'"),
        ("padding", ["zeros"], "padding must be one of"),
        ("weights", "own", "weights must be one of 'CNN', "),
        ("clean", 1, "clean must be True or False, got 1"),
        ("taps", [1, 2, 3, 4, 5], "taps must be a list of at most 4 numbers from -5 to 5"),
        ("taps", [6], "taps must be a list"),
        ("taps", [float("nan")], "taps must be a list"),
        ("taps", ["1"], "taps must be a list"),
        ("taps", 3, "taps must be a list"),
    ],
)
def test_wrong_values_are_refused_in_a_sentence(key, value, sentence):
    demo = Demo()
    before = getattr(demo, key)
    with pytest.raises(TraitError, match=re.escape(sentence)):
        setattr(demo, key, value)
    assert getattr(demo, key) == before
    with pytest.raises(TraitError, match=re.escape(sentence)):
        Demo(**{key: value})


def test_an_unknown_keyword_is_refused():
    with pytest.raises(TypeError, match="Demo has no parameter 'angel'; its parameters are angle,"):
        Demo(angel=3)


def test_defaults_are_those_of_the_course_when_it_is_made(monkeypatch):
    monkeypatch.setitem(course.BLUR, "motion_angle", 100.0)
    demo = Demo()
    assert demo.angle == 100
    assert demo._parameters["angle"]["initial"] == 100
    assert Demo(angle=3).angle == 3


def test_the_page_is_told_everything():
    told = Demo(length=11)._parameters
    assert list(told)[:4] == ["angle", "length", "noise_level", "padding"]
    assert told["length"] == {
        "kind": "whole",
        "label": "Length",
        "initial": 11,
        "low": 1,
        "high": 31,
        "step": 2,
        "unit": "pixels",
    }
    assert told["noise_level"]["scale"] == "log"
    assert told["weights"]["choices"][0] == ["CNN", "The book's"]
    assert told["taps"]["length"] == 4
    json.dumps(told)


def test_a_network_of_ones_own_is_a_choice_and_an_asset():
    model = SimpleCNN(1, 1, 4, final_activation="tanh")
    demo = Demo(model, weights="own")
    assert ["own", "Your network"] in demo._parameters["weights"]["choices"]
    state = json.loads(re.search(r'class="ippy-state">(.*?)</script>', demo.html(), re.S)[1])
    found = load(base64.b64decode(state["assets"]["weights/own"]["safetensors"]))
    assert torch.equal(found["conv2.weight"], model.conv2.weight)


def sent(demo: Demo, content: object) -> list[dict]:
    """What the explorer sends when the page sends `content`."""
    messages: list[dict] = []
    demo.send = messages.append  # type: ignore[method-assign]
    demo._handle_custom_msg(content, [])
    return messages


def test_assets_are_sent_when_the_page_asks():
    demo = Demo()
    (answer,) = sent(demo, {"type": "asset", "name": "slice/0"})
    assert (answer["type"], answer["name"]) == ("asset", "slice/0")
    assert answer["value"]["png"].startswith("data:image/png;base64,")
    (answer,) = sent(demo, {"type": "asset", "name": "weights/none"})
    assert "weights/none" in answer["problem"]
    assert sent(demo, "hello") == []
    assert sent(demo, {"type": "other"}) == []


def test_slices_are_those_of_the_dataset(tmp_path):
    test_set = course.datasets()[1]
    settings = assets.course_settings()
    for index in range(settings["slices"]):
        found = assets.slice_picture(index)
        path = tmp_path / "slice.png"
        path.write_bytes(base64.b64decode(found["png"].partition(",")[2]))
        picture = torch.tensor(np.array(Image.open(path))) / 255
        assert (picture - test_set[found["number"]][0]).abs().max() <= 0.5 / 255 + 1e-6
    assert [assets.slice_picture(index)["number"] for index in (0, 1)] == [0, 3]


def test_slices_show_seven_patients_at_all_heights():
    test_set, numbers = course.datasets()[1], assets.slice_numbers()
    places = [test_set.paths[number] for number in numbers]
    assert len(places) == 8
    assert len({path.parent for path in places}) == 7
    assert {int(path.stem) for path in places} == {0, 1, 2, 3, 4}, "from the shoulders to the liver"


@pytest.fixture
def few_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's own small set: three slices."""
    for split, count in (("train", 2), ("test", 3)):
        (tmp_path / split / "A").mkdir(parents=True)
        for n in range(count):
            grey = np.full((256, 256), 40 * n, dtype=np.uint8)
            Image.fromarray(grey).save(tmp_path / split / "A" / f"{n}.png")
    monkeypatch.setenv("IPPY_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", [n for n in names() if n != "window"])
def test_a_small_set_of_slices_is_enough(few_slices, name):
    explorer = explorer_class(name)(slice=2)
    assert explorer._parameters["slice"]["high"] == 2
    with pytest.raises(TraitError, match="slice must be an integer from 0 to 2, got 7"):
        explorer.slice = 7
    assert assets.course_settings()["slices"] == 3
    assert "slice/2" in assets.catalogue() and "slice/3" not in assets.catalogue()


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 10, 41, 500])
def test_slices_are_chosen_from_any_number(monkeypatch, count):
    monkeypatch.setattr(assets, "_test_set", lambda root: range(count))
    numbers = assets.slice_numbers()
    assert numbers == sorted(set(numbers)) and numbers[0] == 0 and numbers[-1] == count - 1
    assert min(count, 7) <= len(numbers) <= 8


def test_shipped_weights_and_the_course_reach_the_page():
    settings = assets.course_settings()
    assert settings["blur"] == course.BLUR
    assert settings["noise_level"] == course.NOISE_LEVEL
    assert settings["networks"]["CNN"]["scores"]["psnr"] > 30
    catalogue = assets.catalogue()
    assert {f"weights/{name}" for name in settings["networks"]} <= set(catalogue)
    name = max(settings["networks"])
    found = load(base64.b64decode(catalogue[f"weights/{name}"]()["safetensors"]))
    assert torch.equal(found["conv1.weight"], course.load_model(name).conv1.weight)


def test_in_a_notebook_it_is_a_widget_a_text_and_a_host():
    data, _ = Demo()._repr_mimebundle_()
    assert data["text/plain"] == 'A blur & its repair: A slice, its blur and its "repair"'
    assert "application/vnd.jupyter.widget-view+json" in data
    assert 'alt="A slice, its blur and its &quot;repair&quot;"' in data["text/html"]
    other, _ = Demo()._repr_mimebundle_()
    assert other["text/html"] == data["text/html"]
    assert other["text/plain"] == data["text/plain"]


def test_words_tell_what_the_picture_shows():
    demo = Demo()
    assert demo.description() == Demo.alt
    demo.padding, demo.length = "circular", 5
    assert demo.description() == "A blur & its repair. Length: 5; Padding: circular."
    assert 'alt="A blur &amp; its repair. Length: 5; Padding: circular."' in demo.html()


def test_the_stored_state_is_the_present_one():
    demo = Demo()
    demo.angle = 33
    state = json.loads(re.search(r'class="ippy-state">(.*?)</script>', demo.html(), re.S)[1])
    assert state["parameters"]["angle"]["initial"] == 33


def test_text_in_scripts_cannot_end_them():
    assert "</" not in bundle.as_script({"a": "</script><b>"})
    assert json.loads(bundle.as_script({"a": "</script>"})) == {"a": "</script>"}


def test_one_bundle_for_live_and_static():
    module = Demo()._esm
    assert bundle.runtime() in module
    assert bundle.runtime() in bundle.static_core({}, {})
    assert 'export default ippy.widget("demo")' in module
    for text in (module, bundle.static_core({}, {})):
        assert "eval(" not in text
        assert "new Function" not in text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text


def test_pages_are_written_whole(tmp_path: Path):
    (page,) = write_pages(tmp_path, [Demo])
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "explorers" / "demo.html"
    for script in re.findall(r'src="([^"]+\.js)"', text):
        assert (page.parent / script).is_file()
    core = (tmp_path / "_static" / "explorers" / "core.js").read_text(encoding="utf-8")
    versions = json.loads(re.search(r"^ippy.versions = (.*);$", core, re.M)[1])
    assert set(versions) == set(assets.catalogue()) - {"course"}
    for name, version in versions.items():
        content = (tmp_path / "_static" / "explorers" / f"{name}.js").read_bytes()
        assert hashlib.sha256(content).hexdigest().startswith(version)
    assert "A blur &amp; its repair" in text
    assert "connect-src 'none'" in own_page(Demo())


def test_pages_written_later_leave_the_others_whole(tmp_path: Path):
    versions = []
    for name in ("activations", "window"):
        write_pages(tmp_path, [name])
        scripts = [tmp_path / "_static" / "explorers" / f"{n}.js" for n in ("core", "activations")]
        versions.append(
            [re.findall(r"ippy.versions.*;$", s.read_text(encoding="utf-8"), re.M) for s in scripts]
        )
    assert versions[0] == versions[1]
    assert '"activations/histories": "' in versions[0][1][0]


def test_the_blur_of_the_course_reaches_a_page(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(course.BLUR, "motion_angle", 75.0)
    (page,) = write_pages(tmp_path, [Demo])
    core = (tmp_path / "_static" / "explorers" / "core.js").read_text(encoding="utf-8")
    assert '"motion_angle": 75.0' in core
    assert '"initial": 75.0' in page.read_text(encoding="utf-8")
    assert '"initial": 75.0' in (tmp_path / "_static" / "explorers" / "demo.js").read_text(
        encoding="utf-8"
    )


def test_the_command_writes_pages(tmp_path: Path):
    command = [sys.executable, "-m", "ippy.explorers", str(tmp_path), names()[0]]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith(f"explorers/{names()[0]}.html")
    assert (tmp_path / "explorers" / f"{names()[0]}.html").is_file()
    nothing = subprocess.run([*command[:3], "--help"], capture_output=True, text=True)
    assert "FOLDER" in nothing.stdout
