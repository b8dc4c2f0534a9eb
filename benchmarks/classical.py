"""What the classical methods reach, and how long they take.

    python benchmarks/classical.py [--data ROOT] [--kernel FILE] [--slices N]

First table: PSNR and SSIM on the test slices of ROOT (by default the embedded ones), the constants
tuned on the embedded training slices, time a slice, and how many times a Wiener filter's that is.
"inside" is the PSNR without the 16 pixels along the border, which tells how much of the difference
the border makes. Second table: the same minimisers computed by scikit-image and scipy.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, lsqr
from skimage.restoration import denoise_tv_chambolle
from skimage.restoration import wiener as skimage_wiener

from ippy.classical import (
    gradient,
    gradient_adjoint,
    tikhonov,
    total_variation,
    tune,
    wiener,
)
from ippy.cli.shared import blur, read_kernel
from ippy.course import NOISE_LEVEL
from ippy.data import MayoDataset, embedded_data, find_data
from ippy.evaluation import measure
from ippy.metrics import psnr, ssim
from ippy.operators import Blurring, Identity

SIZE = 256
BORDER = 16
METHODS: dict[str, tuple[Callable[..., torch.Tensor], list[float]]] = {
    "measurement": (lambda y, K, constant: y, []),
    "Wiener": (wiener, [10 ** (k / 8) for k in range(-40, 1)]),
    "Tikhonov": (tikhonov, [10 ** (k / 4) for k in range(-16, -3)]),
    "TV": (total_variation, [10 ** (k / 4) for k in range(-18, -9)]),
}


def quality(K: Blurring, test_set: MayoDataset, train_set: MayoDataset, limit: int | None) -> None:
    """The first table."""
    chosen = range(len(test_set))[:limit]
    print(f"{len(chosen)} slices of {test_set.data_path}, constants from {train_set.data_path}\n")
    print("method       constant     PSNR ± std   inside    SSIM   ms a slice    ratio")
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    unit = None
    for name, (method, values) in METHODS.items():
        constant = tune(method, K, train_set, values, NOISE_LEVEL) if values else 0.0
        rows = []
        for index in chosen:
            x = test_set[index][None]
            y_delta = measure(x, K, NOISE_LEVEL, seed=int(test_set.paths[index].stem))
            began = time.perf_counter()
            x_hat = method(y_delta, K, constant)
            seconds = time.perf_counter() - began
            inside = psnr(x_hat[inner], x[inner])
            rows.append([psnr(x_hat, x).item(), inside.item(), ssim(x_hat, x).item(), seconds])
        score, inside, similarity, seconds = np.mean(rows, axis=0)
        unit = seconds if name == "Wiener" else unit
        print(
            f"{name:12} {constant:8.2g} {score:9.3f} ± {np.std(rows, axis=0)[0]:.2f} "
            f"{inside:8.3f} {similarity:8.4f} {1000 * seconds:9.1f} "
            f"{seconds / unit if unit else 0:9.1f}"
        )


def timed(f: Callable[[], np.ndarray], repeat: int = 3) -> tuple[np.ndarray, float]:
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        result = f()
        times.append(time.perf_counter() - began)
    return result, 1000 * min(times)


def peers(K: Blurring, x: torch.Tensor) -> None:
    """The second table: scikit-image's Wiener filter and TV denoising, scipy's LSQR."""
    y = measure(x, K, NOISE_LEVEL, seed=0)[0]  # (H, W)
    weight = 2e-3

    def stacked(v: np.ndarray) -> np.ndarray:
        image = torch.from_numpy(v.reshape(SIZE, SIZE).astype(np.float32))
        rows = [K(image).flatten(), np.sqrt(weight) * gradient(image).flatten()]
        return torch.cat(rows).numpy()

    def stacked_adjoint(v: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(v.astype(np.float32))
        image, g = v[: SIZE**2].reshape(SIZE, SIZE), v[SIZE**2 :].reshape(2, SIZE, SIZE)
        return (K.T(image) + np.sqrt(weight) * gradient_adjoint(g)).flatten().numpy()

    A = LinearOperator((3 * SIZE**2, SIZE**2), stacked, stacked_adjoint, dtype=np.float32)
    b = np.concatenate([y.flatten().numpy(), np.zeros(2 * SIZE**2, np.float32)])
    delta = np.zeros((3, 3))
    delta[1, 1] = 1
    noisy = x[0] + 0.05 * torch.randn(x[0].shape, generator=torch.Generator().manual_seed(0))
    same = Identity((SIZE, SIZE))
    image, kernel = y.double().numpy(), K.kernel[0, 0].double().numpy()
    pairs = {
        "Wiener, scikit-image": (
            lambda: wiener(y, K, 0.01).numpy(),
            lambda: skimage_wiener(image, kernel, 0.01, reg=delta, clip=False),
        ),
        "Tikhonov, scipy lsqr": (
            lambda: tikhonov(y, K, weight).numpy(),
            lambda: lsqr(A, b, atol=1e-6, btol=1e-6, iter_lim=200)[0].reshape(SIZE, SIZE),
        ),
        "TV (K = 1), scikit-image": (
            lambda: total_variation(noisy, same, 0.05).numpy(),
            lambda: denoise_tv_chambolle(noisy.numpy(), 0.05, eps=1e-6, max_num_iter=200),
        ),
    }
    print("\nmethod and peer             ours ms   peer ms    ratio   largest difference")
    for name, (ours, theirs) in pairs.items():
        mine, my_time = timed(ours)
        other, their_time = timed(theirs)
        ratio, difference = their_time / my_time, np.abs(mine - other).max()
        print(f"{name:26}{my_time:9.1f} {their_time:9.1f} {ratio:8.2f} {difference:20.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="root that holds test/")
    parser.add_argument("--kernel", type=Path, help="convolution kernel, .npy or .txt")
    parser.add_argument("--slices", type=int, help="at most so many test slices")
    arguments = parser.parse_args()
    kernel = read_kernel(arguments.kernel) if arguments.kernel else None
    K, name = blur(kernel, f"{arguments.kernel}", SIZE)
    print(f"blur: {name}; noise {NOISE_LEVEL:g}; {torch.get_num_threads()} threads")
    test_set = MayoDataset(find_data(arguments.data) / "test", SIZE)
    quality(K, test_set, MayoDataset(embedded_data() / "train", SIZE), arguments.slices)
    peers(K, test_set[0])


if __name__ == "__main__":
    main()
