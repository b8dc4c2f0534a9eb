"""The checks on the PSNR and on an evaluation function."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from cases import Case, ask, standard
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from ippy.checks import judging
from ippy.metrics import psnr


def mse(x_hat, x):
    return (x_hat - x).square().flatten(1).mean(dim=1)


def formula(x_hat, x, data_range):
    return 10 * torch.log10(data_range**2 / mse(x_hat, x))


def by_logarithms(x_hat, x, data_range):
    return 20 * math.log10(data_range) - 10 * mse(x_hat, x).log() / math.log(10)


def by_root(x_hat, x, data_range):
    return (20 * np.log10(data_range / np.sqrt(mse(x_hat, x).numpy()))).tolist()


def by_skimage(x_hat, x, data_range):
    return [
        peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=data_range)
        for a, b in zip(x, x_hat, strict=True)
    ]


def by_mse_loss(x_hat, x, data_range):
    error = F.mse_loss(x_hat, x, reduction="none").mean(dim=(1, 2, 3))
    return -10 * (error / data_range**2).log10()


def with_axes(x_hat, x, data_range):
    return psnr(x_hat, x, data_range)[None]


class PSNR:
    def __call__(self, x_hat, x, data_range):
        return psnr(x_hat, x, data_range=data_range)


def of_batch(x_hat, x, data_range):
    return 10 * torch.log10(data_range**2 / F.mse_loss(x_hat, x))


def using(error):
    """The formula with another error than the mean square of each image."""
    return lambda x_hat, x, data_range: (
        10 * torch.log10(data_range**2 / error((x_hat - x).flatten(1)))
    )


@torch.no_grad()
def decorated(model, batches):
    before = model.training
    model.eval()
    values = torch.cat([psnr(model(y_delta), x) for y_delta, x in batches])
    model.train(before)
    return values.mean().item()


def running_sum(model, batches):
    before, total, count = model.training, 0.0, 0
    model.train(False)
    with torch.inference_mode():
        for y_delta, x in batches:
            total += psnr(model(y_delta), x).sum().item()
            count += len(x)
    model.train(before)
    return total / count


def slice_by_slice(model, batches):
    before = model.training
    model.eval()
    try:
        values = []
        for y_delta, x in batches:
            for y, z in zip(y_delta, x, strict=True):
                with torch.no_grad():
                    values.append(float(psnr(model(y[None]), z[None])))
        return sum(values) / len(values)
    finally:
        model.train(before)


def all_at_once(model, batches):
    y_delta, x = (torch.cat(parts) for parts in zip(*batches, strict=True))
    modes = {module: module.training for module in model.modules()}
    model.eval()
    with torch.set_grad_enabled(False):
        x_hat = model(y_delta)
    for module, mode in modes.items():
        module.training = mode
    return (-10 * mse(x_hat, x).log10()).mean()


def by_numpy(model, batches):
    mode = model.training
    model.eval()
    with torch.no_grad():
        values = [by_root(model(y), x, 1.0) for y, x in batches]
    model.train(mode)
    return np.concatenate(values).mean()


def of_a_copy(model, batches):
    return decorated(copy.deepcopy(model), batches)


class Evaluation:
    def __call__(self, model, batches):
        return decorated(model, batches)


def evaluating(score, *, eval_=True, no_grad=True, restore=True):
    """An evaluation of `score(list of (x_hat, x))`, from which parts can be left out."""

    def made(model, batches):
        before = model.training
        if eval_:
            model.eval()
        with torch.set_grad_enabled(not no_grad):
            answers = [(model(y_delta), x) for y_delta, x in batches]
        if restore:
            model.train(before)
        return score(answers)

    return made


def mean_psnr(answers):
    return torch.cat([psnr(*pair) for pair in answers]).mean()


def forgotten_eval(model, batches):
    with torch.no_grad():
        return mean_psnr([(model(y_delta), x) for y_delta, x in batches]).item()


def late_eval(model, batches):
    with torch.no_grad():
        value = mean_psnr([(model(y_delta), x) for y_delta, x in batches])
    model.eval()
    return value


def detached(model, batches):
    before = model.training
    model.eval()
    value = mean_psnr([(model(y_delta).detach(), x) for y_delta, x in batches])
    model.train(before)
    return value.item()


def trained_always(model, batches):
    value = decorated(model, batches)
    model.train()
    return value


def pooled(answers):
    x_hat, x = (torch.cat(parts) for parts in zip(*answers, strict=True))
    return psnr(x_hat.reshape(1, 1, -1, 1), x.reshape(1, 1, -1, 1))


def batchwise_pooled(answers):
    return torch.stack([pooled([pair]) for pair in answers]).mean()


def loss_in_decibel(answers):
    loss = nn.MSELoss(reduction="sum")
    total = sum(loss(*pair) for pair in answers) / sum(x.numel() for _, x in answers)
    return -10 * math.log10(float(total))


def mean_of_means(answers):
    return torch.stack([psnr(*pair).mean() for pair in answers]).mean()


def running_means(answers):
    total = 0.0
    for x_hat, x in answers:
        total += psnr(x_hat, x).mean().item()
    return total / len(answers)


def clipped(answers):
    return mean_psnr([(x_hat.clamp(0, 1), x) for x_hat, x in answers])


def double_clipped(answers):
    return mean_psnr([(x_hat.clip(0, 1), x.clip(0, 1)) for x_hat, x in answers])


CASES = [
    Case(
        "psnr",
        right=[formula, by_logarithms, by_root, by_skimage, by_mse_loss, with_axes, PSNR()],
        wrong={
            judging.WHOLE_BATCH: [
                of_batch,
                lambda x_hat, x, r: psnr(x_hat, x, r).mean(),
                lambda x_hat, x, r: of_batch(x_hat, x, r).expand(len(x)),
            ],
            judging.NATURAL_LOGARITHM: [
                lambda x_hat, x, r: 10 * torch.log(r**2 / mse(x_hat, x)),
                lambda x_hat, x, r: 20 * torch.log(r / mse(x_hat, x).sqrt()),
                lambda x_hat, x, r: torch.log(r**2 / mse(x_hat, x)),
                lambda x_hat, x, r: 10 * torch.log(r / mse(x_hat, x).sqrt()),
            ],
            judging.FACTOR: [
                lambda x_hat, x, r: 10 * torch.log10(r / mse(x_hat, x).sqrt()),
                lambda x_hat, x, r: 20 * torch.log10(r**2 / mse(x_hat, x)),
                lambda x_hat, x, r: formula(x_hat, x, r) / 2,
            ],
            judging.DATA_RANGE: [
                lambda x_hat, x, r: formula(x_hat, x, 1.0),
                lambda x_hat, x, r: 10 * torch.log10(r / mse(x_hat, x)),
                lambda x_hat, x, r: formula(x_hat, x, x.max()),
                lambda x_hat, x, r: formula(x_hat, x, x.amax(dim=(1, 2, 3))),
            ],
            judging.SIGN: [
                lambda x_hat, x, r: -formula(x_hat, x, r),
                lambda x_hat, x, r: 10 * torch.log10(mse(x_hat, x) / r**2),
                lambda x_hat, x, r: 20 * torch.log10(mse(x_hat, x).sqrt() / r),
            ],
            judging.NO_MEAN_SQUARE: [
                using(lambda e: e.square().sum(dim=1)),
                using(lambda e: e.abs().mean(dim=1)),
                using(lambda e: e.abs().mean(dim=1) ** 2),
                using(lambda e: e.norm(dim=1) ** 2),
            ],
            judging.CLIPPED: [
                lambda x_hat, x, r: formula(x_hat.clamp(0, r), x, r),
                lambda x_hat, x, r: formula(x_hat.clip(0, 1), x, r),
                lambda x_hat, x, r: by_root(x_hat.clamp(min=0).clamp(max=r), x, r),
            ],
        },
    ),
    Case(
        "evaluation",
        right=[
            decorated,
            running_sum,
            slice_by_slice,
            all_at_once,
            by_numpy,
            of_a_copy,
            Evaluation(),
        ],
        wrong={
            judging.TRAINING_MODE: [
                forgotten_eval,
                late_eval,
                lambda model, batches: forgotten_eval(copy.deepcopy(model), batches),
                evaluating(mean_psnr, eval_=False),
                lambda model, batches: (
                    decorated(model, batches) + 0 * forgotten_eval(model, batches)
                ),
            ],
            judging.NO_GRAD_MISSING_HERE: [
                evaluating(lambda answers: mean_psnr(answers).item(), no_grad=False),
                detached,
                evaluating(mean_psnr, no_grad=False),
            ],
            judging.MODE_NOT_RESTORED: [
                evaluating(mean_psnr, restore=False),
                trained_always,
                lambda model, batches: decorated(model.eval(), batches),
            ],
            judging.POOLED: [
                evaluating(pooled),
                evaluating(batchwise_pooled),
                evaluating(lambda a: sum(len(x) * pooled([(z, x)]) for z, x in a) / 10),
                evaluating(loss_in_decibel),
            ],
            judging.MEAN_OF_MEANS: [
                evaluating(mean_of_means),
                evaluating(running_means),
                evaluating(lambda answers: sum(psnr(*a).mean() / len(answers) for a in answers)),
            ],
            judging.NOT_ALL_BATCHES: [
                evaluating(lambda answers: psnr(*answers[0]).mean()),
                evaluating(lambda answers: psnr(*answers[-1]).mean()),
                evaluating(lambda answers: mean_psnr(answers[:-1])),
            ],
            judging.CLIPPED: [
                evaluating(clipped),
                evaluating(double_clipped),
                evaluating(lambda a: mean_psnr([(z.clamp(0).clamp(max=1), x) for z, x in a])),
            ],
        },
    ),
]

globals().update(standard(CASES, judging))


def test_an_evaluation_needs_the_network():
    verdict = ask("evaluation", lambda model, batches: mean_psnr(batches))
    assert verdict.mistake.name == "network left out"


def test_modes_are_told_by_name():
    assert "came in evaluation mode" in str(ask("evaluation", trained_always))
    assert "came in training mode" in str(ask("evaluation", evaluating(mean_psnr, restore=False)))
