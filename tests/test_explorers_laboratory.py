"""The laboratory's Python side: its K, its pictures, the networks it offers, the finer slices."""

import json

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from traitlets import TraitError

from ippy import course
from ippy.classical import wiener
from ippy.explorers import laboratory as module
from ippy.explorers.assets import chosen_slice
from ippy.explorers.laboratory import Laboratory, fine_slice, networks
from ippy.metrics import psnr
from ippy.models import SimpleCNN
from ippy.operators import Blurring, gaussian_kernel, motion_kernel


def first_slice() -> torch.Tensor:
    return course.datasets()[1][0][None]


def test_it_opens_with_the_course_s_own_setting():
    explorer = Laboratory()
    assert torch.equal(explorer.K.kernel, course.blurring().kernel)
    assert explorer.noise_level == course.NOISE_LEVEL
    assert explorer.weights == "CNN"
    assert torch.equal(explorer.pictures()["x"], first_slice())


@pytest.mark.parametrize(
    ("settings", "kernel"),
    [
        ({"angle": 70, "length": 5}, motion_kernel(5, 70)),
        ({"kernel_type": "gaussian", "variance": 3.0}, gaussian_kernel(9, 3.0)),
    ],
    ids=["motion", "Gaussian"],
)
def test_k_is_the_blur_of_the_sliders(settings: dict, kernel: torch.Tensor):
    explorer = Laboratory()
    for name, value in settings.items():
        setattr(explorer, name, value)
    explorer.padding = "reflect"
    assert torch.allclose(explorer.K.kernel[0, 0], kernel)
    assert explorer.K.padding == "reflect"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("length", 8, "odd"),
        ("length_off", 3, "even"),
        ("angle", 181, "from 0 to 180"),
        ("constant", 0.0, "from 1e-08 to 1"),
        ("weights", "own", "one of"),
        ("world", "real", "one of"),
    ],
)
def test_what_is_not_allowed_is_refused_and_changes_nothing(name: str, value: object, words: str):
    explorer = Laboratory()
    before = getattr(explorer, name)
    with pytest.raises(TraitError, match=words):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


def test_the_pictures_are_those_of_the_chapter():
    explorer = Laboratory(noise_level=0.02, seed=3, constant=0.02, brightness=0.5)
    shown = explorer.pictures()
    x, K = 0.5 * first_slice(), course.blurring()
    n = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    y_delta = K(x) + 0.02 * K(x).norm() * n / n.norm()
    with torch.no_grad():
        expected = {
            "x": x,
            "y_delta": y_delta,
            "wiener": wiener(y_delta, K, 0.02),
            "network": course.load_model("CNN")(y_delta),
        }
    for name, picture in expected.items():
        torch.testing.assert_close(shown[name], picture, msg=name)


def test_a_wrong_blur_measures_but_does_not_invert():
    explorer = Laboratory(world="wrong", angle_off=10, length_off=4, noise_level=0)
    shown = explorer.pictures()
    angle = course.BLUR["motion_angle"] + 10
    true = Blurring((256, 256), kernel_type="motion", kernel_size=13, motion_angle=angle)
    torch.testing.assert_close(shown["y_delta"], true(first_slice()))
    torch.testing.assert_close(shown["wiener"], wiener(shown["y_delta"], course.blurring(), 0.01))

    explorer = Laboratory(kernel_type="gaussian", world="wrong", variance_off=-1, noise_level=0)
    narrow = Blurring((256, 256), kernel_type="gaussian", kernel_size=9, kernel_variance=1.0)
    torch.testing.assert_close(explorer.pictures()["y_delta"], narrow(first_slice()))


def test_a_blur_cannot_be_wrong_beyond_what_a_blur_can_be():
    explorer = Laboratory(world="wrong", length=3, length_off=-8, noise_level=0)
    assert torch.allclose(explorer.pictures()["y_delta"], explorer.pictures()["x"])
    explorer = Laboratory(kernel_type="gaussian", variance=1, variance_off=-4, world="wrong")
    assert explorer.pictures()["y_delta"].isfinite().all()


@pytest.mark.parametrize(
    ("kind", "fine"),
    [
        ("motion", {"kernel_type": "motion", "kernel_size": 17, "motion_angle": 20.0}),
        ("gaussian", {"kernel_type": "gaussian", "kernel_size": 17, "kernel_variance": 8.0}),
    ],
)
def test_finer_pixels_are_blurred_and_then_averaged(kind: str, fine: dict):
    explorer = Laboratory(kernel_type=kind, world="finer", angle=20, noise_level=0)
    shown = explorer.pictures()
    x_fine = fine_slice(0)[None]
    torch.testing.assert_close(shown["x"], F.avg_pool2d(x_fine, 2))
    torch.testing.assert_close(
        shown["y_delta"], F.avg_pool2d(Blurring((512, 512), **fine)(x_fine), 2)
    )
    # The same path: what is new is small beside what the blur itself does.
    same = explorer.K(shown["x"])
    assert (shown["y_delta"] - same).norm() < 0.3 * (same - shown["x"]).norm()


@pytest.mark.parametrize("index", [0, 3])
def test_a_finer_slice_is_the_embedded_one_drawn_larger(index: int, monkeypatch):
    x = chosen_slice(index)[0]
    fine = fine_slice(index)
    assert fine.shape == (1, 512, 512) and (fine * 255).round().div(255).allclose(fine)
    assert psnr(F.avg_pool2d(fine[None], 2), x[None]) > 38
    # Drawn at the slice's own size by the same rule, it is that slice to the last grey value.
    monkeypatch.setattr(module, "FINE", 256)
    assert torch.equal(fine_slice(index), x)


def test_other_data_are_read_in_the_finer_size(tmp_path, monkeypatch):
    folder = tmp_path / "test" / "A"
    folder.mkdir(parents=True)
    grey = torch.randint(256, (512, 512), generator=torch.Generator().manual_seed(0))
    Image.fromarray(grey.to(torch.uint8).numpy()).save(folder / "1.png")
    monkeypatch.setenv("IPPY_DATA", str(tmp_path))
    assert torch.equal(fine_slice(0)[0], grey / 255)
    assert list(Laboratory.assets()) == ["laboratory/fine-0"]  # there is one slice only


def test_assets_are_the_finer_slices():
    assets = Laboratory.assets()
    assert sorted(assets) == [f"laboratory/fine-{n}" for n in range(8)]
    assert assets["laboratory/fine-0"]()["png"].startswith("data:image/png;base64,iVBOR")


def test_it_may_be_called_in_small_letters():
    from ippy.explorers import laboratory

    model = SimpleCNN(1, 1, 4)
    explorer = laboratory(model, angle=33)
    assert isinstance(explorer, Laboratory)
    assert explorer.model is model and explorer.angle == 33
    assert laboratory().weights == "CNN"


def test_a_model_of_one_s_own_is_shown_first():
    torch.manual_seed(0)
    model = SimpleCNN(1, 1, 4, final_activation="sigmoid")
    explorer = Laboratory(model, noise_level=0)
    assert explorer.weights == "own" and explorer.model is model
    with torch.no_grad():
        torch.testing.assert_close(
            explorer.pictures()["network"], model(explorer.pictures()["y_delta"])
        )
    assert "weights/own" in explorer._provided
    assert ["own", "the model given from Python"] in explorer._parameters["weights"]["choices"]
    assert Laboratory(model, weights="CNN").weights == "CNN"


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (torch.nn.Conv2d(1, 1, 3), TypeError, "SimpleCNN"),
        (SimpleCNN(3, 3, 4), ValueError, "1 channel, got 3 and 3"),
    ],
)
def test_what_is_no_network_for_slices_is_refused(model, error: type, words: str):
    with pytest.raises(error, match=words):
        Laboratory(model)


def test_weights_loaded_in_the_page_stay_in_the_page():
    explorer = Laboratory(weights="file")
    with pytest.raises(ValueError, match=r"Laboratory\(model\)"):
        explorer.model  # noqa: B018


def test_of_networks_that_differ_in_their_seed_only_one_is_offered(monkeypatch):
    def entry(seed: int = 0, noise_level: float = 0.01, **built: object) -> dict:
        architecture = {"in_ch": 1, "out_ch": 1, "n_filters": 32, **built}
        return {"architecture": architecture, "recipe": {"noise_level": noise_level, "seed": seed}}

    manifest = {
        "CNN": entry(noise_level=0.02),
        "noise-0-0": entry(0, 0.0),
        "noise-0-1": entry(1, 0.0),
        "circular-0": entry(0, padding_mode="circular"),
        "circular-1": entry(1, padding_mode="circular"),
        "filters-8": entry(n_filters=8),
        "kernel-7-0": entry(0, 0.05, kernel_size=7),
        "kernel-7-1": entry(1, 0.05, kernel_size=7),
        "head-tanh-0": entry(final_activation="tanh", residual=True),
    }
    monkeypatch.setattr(module, "read_manifest", lambda: manifest)
    assert networks() == {
        "CNN": "CNN: 32 filters, 2 % noise",
        "noise-0-0": "noise-0: 32 filters, no noise",
        "circular-0": "circular: 32 filters, 1 % noise, circular padding",
        "filters-8": "filters-8: 8 filters, 1 % noise",
        "kernel-7-0": "kernel-7: 32 filters, 5 % noise, kernels 7×7",
        "head-tanh-0": "head-tanh-0: 32 filters, 1 % noise, tanh at the end, adds its input",
    }


def test_every_shipped_family_can_be_chosen():
    manifest = module.read_manifest()
    assert next(iter(networks())) == "CNN" and set(networks()) <= set(manifest)
    widths = {manifest[name]["architecture"]["n_filters"] for name in networks()}
    levels = {manifest[name]["recipe"]["noise_level"] for name in networks()}
    assert {8, 16, 32, 64} <= widths and {0.0, 0.01, 0.05} <= levels


def test_the_fallback_shows_three_pictures_with_their_psnr():
    figure = Laboratory(angle=45).fallback()
    titles = [axes.get_title() for axes in figure.axes]
    pictures = Laboratory(angle=45).pictures()
    expected = psnr(pictures["network"], pictures["x"]).item()
    assert f"network, {expected:.1f} dB" in titles and "slice x" in titles


def test_compact_keeps_less_room_free():
    assert Laboratory().heights == Laboratory.heights
    assert all(
        a < b for a, b in zip(Laboratory(compact=True).heights, Laboratory.heights, strict=True)
    )
    state = Laboratory(compact=True).html().partition('class="ippy-state">')[2].partition("<")[0]
    assert json.loads(state)["parameters"]["compact"]["initial"] is True
