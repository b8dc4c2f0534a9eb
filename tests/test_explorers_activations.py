"""The Python side of the explorer of the final activations."""

import pytest
import scipy.ndimage
import torch
from traitlets import TraitError

from ippy import course
from ippy.evaluation import measure
from ippy.explorers import activations
from ippy.explorers.activations import Activations, air_of, histories, runs
from ippy.metrics import psnr
from ippy.weights import read_manifest


def test_runs_are_those_of_the_manifest():
    found = runs()
    assert list(found) == ["none", "relu", "sigmoid", "tanh", "residual-tanh"]
    for head, names in found.items():
        assert names == {seed: f"head-{head}-{seed}" for seed in range(3)}


def test_names_that_only_begin_alike_are_no_runs(monkeypatch: pytest.MonkeyPatch):
    manifest = {"head-tanh-0": {}, "head-tanh-10": {}, "head-tanh-2": {}, "head-tanh-x": {}}
    monkeypatch.setattr(activations, "read_manifest", lambda: manifest)
    assert runs() == {"tanh": {0: "head-tanh-0", 2: "head-tanh-2", 10: "head-tanh-10"}}
    assert list(runs()["tanh"]) == [0, 2, 10]


def test_histories_tell_what_the_manifest_says():
    told, manifest = histories(), read_manifest()
    test_set = course.datasets()[1]
    black = [
        psnr(torch.zeros(1, 1, 256, 256), test_set[i][None]).item() for i in range(len(test_set))
    ]
    assert told["black"] == pytest.approx(sum(black) / len(black), abs=1e-3)
    for head in told["heads"]:
        model = course.load_model(head["runs"][0]["name"])
        assert model.residual == head["residual"]
        for seed, run in enumerate(head["runs"]):
            entry = manifest[f"head-{head['name']}-{seed}"]
            assert (run["seed"], run["psnr"]) == (seed, entry["scores"]["psnr"])
            assert run["steps"] == [logged["step"] for logged in entry["history"]]
            assert run["loss"] == [logged["loss"] for logged in entry["history"]]
            assert run["failed"] == (run["psnr"] < told["black"] + 1)
    activation = {head["name"]: head["final_activation"] for head in told["heads"]}
    assert activation["none"] is None and activation["residual-tanh"] == "tanh"


def test_a_run_fails_by_what_a_black_picture_reaches(monkeypatch: pytest.MonkeyPatch):
    manifest, black = read_manifest(), histories()["black"]
    for name, above in (("head-none-0", 0.9), ("head-tanh-0", 1.1)):
        manifest[name]["scores"]["psnr"] = black + above
    monkeypatch.setattr(activations, "read_manifest", lambda: manifest)
    failed = {head["name"]: head["runs"][0]["failed"] for head in histories()["heads"]}
    assert failed["none"] and not failed["tanh"]


def test_what_python_reads_is_what_the_page_shows():
    shown = Activations(run=2, slice=1, noise_level=0.05, seed=9)
    x = shown.x
    assert torch.equal(shown.y_delta, measure(x, course.blurring(), 0.05, 9))
    network = course.load_model("head-sigmoid-2")
    with torch.no_grad():
        expected = network(shown.y_delta)
    torch.testing.assert_close(shown.x_hats["sigmoid"], expected)


def air_by_scipy(x: torch.Tensor) -> torch.Tensor:
    mean = scipy.ndimage.uniform_filter(x[0, 0].double().numpy(), 9, mode="constant")
    return torch.from_numpy(mean < 0.02)[None, None]


def test_air_is_what_is_dark_all_around():
    x = Activations(slice=2).x
    assert torch.equal(air_of(x), air_by_scipy(x))
    speck = torch.zeros(1, 1, 20, 20)
    speck[0, 0, 10, 10] = 1  # one pixel of 81 is 0.0123, two are 0.0247
    assert air_of(speck).all()
    speck[0, 0, 10, 11] = 1
    assert int((~air_of(speck)).sum()) == 9 * 8
    assert not air_of(torch.full((1, 1, 9, 9), 0.03))[0, 0, 4, 4]


def test_shares_of_shut_pixels():
    shown = Activations()
    shares, x_hat = shown.shut(), shown.x_hats["sigmoid"]
    air = air_by_scipy(shown.x)
    a = x_hat * (1 - x_hat)  # the slope of a sigmoid, by its value
    for share, where in zip(shares["sigmoid"], (air, ~air), strict=True):
        assert share == pytest.approx((a[where] < 0.05).float().mean().item(), abs=1e-4)
    silent = shown.x_hats["relu"] == 0
    assert shares["relu"][0] == pytest.approx(silent[air].float().mean().item())
    assert shares["none"] == (0, 0)


@pytest.mark.parametrize(
    "wrong", [{"run": 3}, {"noise_level": 0.2}, {"scale": "dark"}, {"shown": "softplus"}]
)
def test_wrong_values(wrong: dict):
    with pytest.raises(TraitError, match=next(iter(wrong))):
        Activations(**wrong)


def test_fallback_and_assets():
    shown = Activations()
    titles = [ax.get_title() for ax in shown.fallback().axes if ax.get_title()]
    assert titles[:2] == ["x", "y_delta"] and len(titles) == 7
    assert shown.assets()["activations/histories"]() == histories()
