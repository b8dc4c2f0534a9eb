"""Scores are those of the noise that belongs to each slice, whoever reconstructs."""

import pytest
import torch
from torch import nn

from ippy.evaluation import evaluate, measure
from ippy.metrics import psnr, ssim
from ippy.noise import gaussian_noise
from ippy.operators import Blurring, Identity

LEVEL = 0.02


def slices(count=3):
    generator = torch.Generator().manual_seed(2)
    return [torch.rand(1, 24, 24, generator=generator) for _ in range(count)]


def blur():
    return Blurring((24, 24), kernel_type="gaussian", kernel_size=5)


class Slices(list):
    """Tensors that come from files, as in a MayoDataset."""

    def __init__(self, tensors, paths):
        super().__init__(tensors)
        self.paths = paths


def test_measure_adds_noise_of_the_level_to_the_blurred_picture():
    x = torch.stack(slices())
    y = blur()(x)
    e = measure(x, blur(), LEVEL, seed=3) - y
    ratios = e.flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)
    assert torch.allclose(ratios, torch.full((3,), LEVEL), rtol=1e-4)
    assert torch.allclose(e, gaussian_noise(y, LEVEL, torch.Generator().manual_seed(3)), atol=1e-6)


def test_measure_is_a_function_of_its_seed_alone():
    x = slices()[0]
    first = measure(x, blur(), LEVEL, seed=3)
    before = torch.get_rng_state()
    assert torch.equal(measure(x, blur(), LEVEL, seed=3), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(measure(x, blur(), LEVEL, seed=4), first)


@pytest.mark.parametrize("numbers", [None, [7, 0, 40]])
def test_each_slice_has_the_noise_of_its_number(numbers):
    data = slices() if numbers is None else Slices(slices(), [f"P/{n}.png" for n in numbers])
    scores = evaluate(lambda y: y, blur(), data, LEVEL)
    for index, x in enumerate(slices()):
        seed = index if numbers is None else numbers[index]
        y_delta = measure(x[None], blur(), LEVEL, seed=seed)
        assert scores.psnr[index] == pytest.approx(float(psnr(y_delta, x[None])), abs=1e-4)
        assert scores.ssim[index] == pytest.approx(float(ssim(y_delta, x[None])), abs=1e-5)
    assert scores.names == [str(n) for n in (numbers or range(3))]


def test_a_file_without_a_number_gets_its_place():
    names = ["first", "1e3", "12345678901234567890123"]
    scores = evaluate(lambda y: y, blur(), Slices(slices(), [f"P/{n}.png" for n in names]), LEVEL)
    plain = evaluate(lambda y: y, blur(), slices(), LEVEL)
    assert torch.equal(scores.psnr[:2], plain.psnr[:2])
    assert scores.names == names


def test_a_method_gets_one_measurement_at_a_time_and_no_gradients():
    seen = []

    def reconstruct(y_delta):
        seen.append((tuple(y_delta.shape), torch.is_grad_enabled()))
        return y_delta

    evaluate(reconstruct, blur(), slices(), LEVEL)
    assert seen == [((1, 1, 24, 24), False)] * 3


def test_a_perfect_method_scores_best():
    scores = evaluate(lambda y: y, Identity((24, 24)), slices(), 0.0)
    assert scores.ssim.allclose(torch.ones(3))
    assert (scores.psnr > 100).all()


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_scored_in_eval_mode_and_left_as_it_was(training):
    model = nn.Sequential(nn.Dropout(0.9), nn.Identity()).train(training)
    scores = evaluate(model, blur(), slices(), LEVEL)
    assert torch.equal(scores.psnr, evaluate(lambda y: y, blur(), slices(), LEVEL).psnr)
    assert model.training is training


def test_a_frozen_layer_stays_frozen():
    model = nn.Sequential(nn.BatchNorm2d(1).eval(), nn.Conv2d(1, 1, 3, padding=1)).train()
    model[0].eval()
    evaluate(model, blur(), slices(1), LEVEL)
    assert [part.training for part in model] == [False, True]


def test_scores_read_well():
    scores = evaluate(lambda y: y, blur(), slices(), LEVEL)
    assert scores.psnr.shape == scores.ssim.shape == (3,)
    assert scores.mean_psnr == pytest.approx(float(scores.psnr.mean()))
    assert scores.mean_ssim == pytest.approx(float(scores.ssim.mean()))
    spread = float(scores.psnr.double().var(correction=0) ** 0.5)
    assert str(scores).startswith(f"PSNR {scores.mean_psnr:.2f} ± {spread:.2f} dB, SSIM")
    assert f"{scores.mean_ssim:.3f} ±" in str(scores)
    assert str(scores).endswith("(3 slices)")
    assert str(evaluate(lambda y: y, blur(), slices(1), LEVEL)).endswith("± 0.000 (1 slice)")


def test_no_slices_is_an_error():
    with pytest.raises(ValueError, match="dataset must hold at least one slice, got none"):
        evaluate(lambda y: y, blur(), [], LEVEL)
