"""The checks on making measurements: right answers of many kinds, and planted mistakes."""

import numpy as np
import torch
import torch.nn.functional as F
from cases import Case, ask, standard
from torch import nn

from ippy.checks import training
from ippy.noise import gaussian_noise


def norms(z):
    return z.flatten(1).norm(dim=1).view(-1, *[1] * (z.ndim - 1))


def draw(y, generator):
    return torch.randn(y.shape, generator=generator)


def by_broadcasting(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * norms(y) * n / norms(n)


def by_loop(y, noise_level, generator):
    parts = []
    for image in y:
        n = torch.randn(image.shape, generator=generator)
        parts.append(n * noise_level * image.norm() / n.norm())
    return torch.stack(parts)


def by_numpy(y, noise_level, generator):
    rng = np.random.default_rng(torch.randint(2**31, (1,), generator=generator).item())
    n = rng.standard_normal(tuple(y.shape))
    axes = (1, 2, 3)
    root = np.sqrt((y.numpy() ** 2).sum(axes, keepdims=True) / (n**2).sum(axes, keepdims=True))
    return noise_level * root * n


def by_normalize(y, noise_level, generator):
    directions = F.normalize(draw(y, generator).flatten(1), dim=1)
    return (
        (noise_level * y.flatten(1).norm(dim=1, keepdim=True) * directions).view(y.shape).tolist()
    )


def by_box_muller(y, noise_level, generator):
    u, v = torch.rand((2, *y.shape), generator=generator, dtype=torch.float64)
    n = torch.sqrt(-2 * torch.log(1 - u)) * torch.cos(2 * torch.pi * v)
    return noise_level * norms(y) * n / norms(n)


class Noise:
    def __call__(self, y, noise_level, generator):
        return gaussian_noise(y, noise_level, generator)


def of_the_batch(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * y.norm() * n / n.norm()


def norm_of_the_batch(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * y.norm() * n / norms(n)


def noise_norm_of_the_batch(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * norms(y) * n / n.norm()


def by_max(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * y.amax(dim=(1, 2, 3), keepdim=True) * n / norms(n)


def by_both_max(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * y.max() * n / n.abs().max()


def std_of_max(y, noise_level, generator):
    return noise_level * y.max() * draw(y, generator)


def same_pattern(y, noise_level, generator):
    n = torch.randn(y.shape[1:], generator=generator)
    return noise_level * norms(y) * n / n.norm()


def same_pattern_expanded(y, noise_level, generator):
    n = torch.randn((1, *y.shape[1:]), generator=generator).expand(y.shape)
    return noise_level * norms(y) * n / norms(n)


def same_pattern_repeated(y, noise_level, generator):
    n = by_broadcasting(y[:1], 1.0, generator) / norms(y[:1])
    return noise_level * torch.cat([n * image.norm() for image in y])


def level_of(noise):
    """The loop's way to noise, with another distribution or another source of numbers."""

    def scaled(y, noise_level, generator):
        n = noise(y, generator)
        return noise_level * norms(y) * n / norms(n)

    return scaled


def norms_of_rows(y, noise_level, generator):
    n = draw(y, generator)
    return noise_level * y.norm(dim=-1, keepdim=True) * n / n.norm(dim=-1, keepdim=True)


def seeded_inside(y, noise_level, generator):
    return by_loop(y, noise_level, torch.Generator().manual_seed(0))


def reseeded(y, noise_level, generator):
    return by_loop(y, noise_level, generator.manual_seed(42))


STORED = torch.randn(8, 1, 64, 64, generator=torch.Generator().manual_seed(3))


def measure(K, x, noise_level, generator):
    with torch.no_grad():
        y = K(x)
        return y + gaussian_noise(y, noise_level, generator)


def loss_of_the_loop(model, K, x, noise_level, generator):
    return nn.MSELoss()(model(measure(K, x, noise_level, generator)), x)


def detached(model, K, x, noise_level, generator):
    y = K(x)
    y_delta = (y + gaussian_noise(y, noise_level, generator)).detach()
    return (model(y_delta) - x).pow(2).mean()


def matrix_product(model, K, x, noise_level, generator):
    y = (K @ x).detach()
    return F.mse_loss(model(y + by_broadcasting(y, noise_level, generator)), x)


def one_by_one(model, K, x, noise_level, generator):
    losses = []
    for image in x:
        y_delta = measure(K, image[None], noise_level, generator)
        losses.append(F.mse_loss(model(y_delta), image[None]))
    return sum(losses) / len(losses)


def pixel_sums(model, K, x, noise_level, generator):
    x_hat = model(measure(K, x, noise_level, generator))
    return (x_hat - x).flatten(1).square().mean(dim=1).mean()


class Loss:
    def __call__(self, model, K, x, noise_level, generator):
        with torch.set_grad_enabled(False):
            y = K(x)
            y = y + by_loop(y, noise_level, generator)
        return torch.linalg.vector_norm(model(y) - x) ** 2 / x.numel()


def with_measurement(make):
    """A training loss whose measurement is `make(K, x, noise_level, generator)`."""

    def loss(model, K, x, noise_level, generator):
        with torch.no_grad():
            y_delta = make(K, x, noise_level, generator)
        return F.mse_loss(model(y_delta), x)

    return loss


def with_comparison(compare):
    """A training loss that ends in `compare(model, y_delta, x)`."""

    def loss(model, K, x, noise_level, generator):
        return compare(model, measure(K, x, noise_level, generator), x)

    return loss


def graph_through_K(model, K, x, noise_level, generator):
    y = K(x)
    return F.mse_loss(model(y + gaussian_noise(y, noise_level, generator)), x)


def no_grad_for_the_noise_alone(model, K, x, noise_level, generator):
    y = K(x)
    with torch.no_grad():
        e = gaussian_noise(y, noise_level, generator)
    return F.mse_loss(model(y + e), x)


def required(model, K, x, noise_level, generator):
    y_delta = measure(K, x, noise_level, generator).requires_grad_()
    return F.mse_loss(model(y_delta), x)


def all_without_gradient(model, K, x, noise_level, generator):
    with torch.no_grad():
        return loss_of_the_loop(model, K, x, noise_level, generator)


def network_without_gradient(model, y_delta, x):
    with torch.no_grad():
        x_hat = model(y_delta)
    return F.mse_loss(x_hat, x)


def blur_after_noise(K, x, noise_level, generator):
    return K(x + gaussian_noise(x, noise_level, generator))


def noise_on_both_sides(K, x, noise_level, generator):
    y = K(x + gaussian_noise(x, noise_level, generator))
    return y + gaussian_noise(y, noise_level, generator)


def noisy_slice(K, x, noise_level, generator):
    noisy = x + gaussian_noise(K(x), noise_level, generator)
    return K @ noisy


def once(K, x, noise_level, generator):
    y = K(x)
    return y + noise_level * norms(y) * STORED[: len(x), :, :16, :16] / norms(
        STORED[: len(x), :, :16, :16]
    )


def once_by_seed(K, x, noise_level, generator):
    y = K(x)
    return y + gaussian_noise(y, noise_level, torch.Generator().manual_seed(0))


def once_by_reset(K, x, noise_level, generator):
    y = K(x)
    return y + gaussian_noise(y, noise_level, generator.manual_seed(1))


def scaled(factor):
    def make(K, x, noise_level, generator):
        y = K(x)
        return y + factor * gaussian_noise(y, noise_level, generator)

    return make


def level_of_the_slice(K, x, noise_level, generator):
    return K(x) + gaussian_noise(x, noise_level, generator)


def level_of_all(K, x, noise_level, generator):
    y = K(x)
    return y + of_the_batch(y, noise_level, generator)


def sum_a_slice(model, y_delta, x):
    return (model(y_delta) - x).square().sum() / len(x)


CASES = [
    Case(
        "noise",
        right=[by_broadcasting, by_loop, by_numpy, by_normalize, by_box_muller, Noise()],
        wrong={
            training.OF_THE_BATCH: [of_the_batch, norm_of_the_batch, noise_norm_of_the_batch],
            training.NOT_NORMALISED: [
                lambda y, level, g: level * draw(y, g),
                lambda y, level, g: level * norms(y) * draw(y, g),
                lambda y, level, g: level * norms(y) * draw(y, g) / y[0].numel() ** 0.5,
            ],
            training.LEVEL_SQUARED: [
                lambda y, level, g: by_loop(y, level**2, g),
                lambda y, level, g: level * by_broadcasting(y, level, g),
                lambda y, level, g: by_broadcasting(y, level**0.5, g),
            ],
            training.RELATIVE_TO_MAX: [by_max, by_both_max, std_of_max],
            training.SAME_FOR_ALL: [same_pattern, same_pattern_expanded, same_pattern_repeated],
            training.GENERATOR_IGNORED: [
                level_of(lambda y, g: torch.randn_like(y)),
                level_of(
                    lambda y, g: torch.as_tensor(np.random.default_rng().normal(size=y.shape))
                ),
                level_of(lambda y, g: torch.normal(0.0, 1.0, tuple(y.shape))),
            ],
            training.SAME_EVERY_TIME: [
                seeded_inside,
                reseeded,
                level_of(lambda y, g: STORED[: len(y)]),
            ],
            training.ADDED_ALREADY: [
                lambda y, level, g: y + by_loop(y, level, g),
                lambda y, level, g: by_broadcasting(y, level, g) + y,
                lambda y, level, g: (y + gaussian_noise(y, level, g)).numpy(),
            ],
            training.FOLLOWS_THE_PICTURE: [
                level_of(lambda y, g: y * draw(y, g)),
                level_of(lambda y, g: y.sqrt() * draw(y, g)),
                norms_of_rows,
            ],
            training.NOT_GAUSSIAN: [
                level_of(lambda y, g: torch.rand(y.shape, generator=g)),
                level_of(lambda y, g: 2 * torch.rand(y.shape, generator=g) - 1),
                level_of(lambda y, g: draw(y, g).abs()),
                level_of(lambda y, g: draw(y, g).sign()),
            ],
        },
    ),
    Case(
        "training_loss",
        right=[loss_of_the_loop, detached, matrix_product, one_by_one, pixel_sums, Loss()],
        wrong={
            training.NO_GRAD_MISSING: [graph_through_K, no_grad_for_the_noise_alone, required],
            training.NOISE_ONCE: [
                with_measurement(once),
                with_measurement(once_by_seed),
                with_measurement(once_by_reset),
            ],
            training.NOISE_BEFORE_BLUR: [
                with_measurement(blur_after_noise),
                with_measurement(noise_on_both_sides),
                with_measurement(noisy_slice),
            ],
            training.NO_NOISE: [
                with_measurement(lambda K, x, level, g: K(x)),
                with_measurement(lambda K, x, level, g: measure(K, x, 0.0, g)),
                with_measurement(lambda K, x, level, g: (gaussian_noise(x, level, g), K(x))[1]),
            ],
            training.NOT_BLURRED: [
                with_measurement(lambda K, x, level, g: x),
                with_measurement(lambda K, x, level, g: x + gaussian_noise(x, level, g)),
                with_measurement(lambda K, x, level, g: x + gaussian_noise(K(x), level, g)),
            ],
            training.OTHER_LEVEL: [
                with_measurement(scaled(2)),
                with_measurement(level_of_the_slice),
                with_measurement(level_of_all),
            ],
            training.WRONG_TARGET: [
                with_comparison(lambda model, y_delta, x: F.mse_loss(model(y_delta), y_delta)),
                with_comparison(lambda model, y_delta, x: (y_delta - model(y_delta)).pow(2).mean()),
                lambda model, K, x, level, g: F.mse_loss(
                    model(measure(K, x, level, g)), (K @ x).detach()
                ),
            ],
            training.SUM_OF_SQUARES: [
                with_comparison(sum_a_slice),
                with_comparison(lambda model, y, x: nn.MSELoss(reduction="sum")(model(y), x)),
                with_comparison(lambda model, y, x: sum_a_slice(model, y, x).sqrt() ** 2),
            ],
            training.NETWORK_LEFT_OUT: [
                with_comparison(lambda model, y_delta, x: F.mse_loss(y_delta, x)),
                with_comparison(lambda model, y_delta, x: (y_delta - x).square().mean()),
                lambda model, K, x, level, g: F.mse_loss(K(x), x),
            ],
            training.GRADIENT_CUT: [
                all_without_gradient,
                with_comparison(network_without_gradient),
                with_comparison(lambda model, y, x: F.mse_loss(model(y), x).item()),
                with_comparison(lambda model, y, x: F.mse_loss(model(y).detach(), x)),
            ],
            training.GENERATOR_IGNORED: [
                with_measurement(lambda K, x, level, g: measure(K, x, level, None)),
                with_measurement(
                    lambda K, x, level, g: measure(
                        K, x, level, torch.Generator().manual_seed(int(torch.randint(2**40, (1,))))
                    )
                ),
                with_measurement(lambda K, x, level, g: K(x) + by_broadcasting(K(x), level, None)),
            ],
        },
    ),
]

globals().update(standard(CASES, training))


def test_levels_are_told_in_numbers():
    assert "3.1 %" in str(ask("noise", of_the_batch)) or "%" in str(ask("noise", of_the_batch))


def test_a_loss_that_went_backward_already_is_no_mistake():
    def loss(model, K, x, noise_level, generator):
        value = loss_of_the_loop(model, K, x, noise_level, generator)
        value.backward()
        return value

    assert ask("training_loss", loss)
