"""Strangers judge our operators: scipy's solvers, pylops' dot test, deepinv's Trainer."""

import itertools
import multiprocessing

import deepinv
import numpy as np
import pylops
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
import torch
from deepinv.loss import SupLoss
from deepinv.physics import GaussianNoise
from PIL import Image
from torch.utils.data import DataLoader
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from ippy.adapters import as_deepinv, as_scipy
from ippy.classical import gradient, gradient_adjoint, tikhonov, total_variation
from ippy.data import MayoDataset, load_image
from ippy.metrics import psnr, ssim
from ippy.models import SimpleCNN
from ippy.operators import Blurring, Identity, Operator
from ippy.phantoms import phantom

PADDINGS = ("zeros", "circular", "reflect", "replicate")
SCIPY_MODES = {"zeros": "constant", "circular": "wrap", "reflect": "mirror", "replicate": "nearest"}


class EverySecond(Operator):
    """Not square: the shapes of both sides differ."""

    def __init__(self):
        super().__init__((8, 10), (4, 5))

    def _forward(self, x):
        return x[..., ::2, ::2]

    def _adjoint(self, y):
        x = y.new_zeros(*y.shape[:2], 8, 10)
        x[..., ::2, ::2] = y
        return x


def operators() -> dict[str, Operator]:
    generator = torch.Generator().manual_seed(3)
    lopsided = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    made: dict[str, Operator] = {
        padding: Blurring((12, 9), kernel=lopsided, padding=padding) for padding in PADDINGS
    }
    motion = Blurring((16, 16), kernel_type="motion", kernel_size=9, motion_angle=20)
    made |= {"motion": motion, "twice": motion @ motion, "adjoint": motion.T}
    return made | {"identity": Identity((7, 6)), "not square": EverySecond()}


NAMED = operators()
every = pytest.mark.parametrize("K", NAMED.values(), ids=NAMED.keys())


@every
def test_the_scipy_operator_is_the_matrix(K):
    A = as_scipy(K)
    n = A.shape[1]
    basis = torch.eye(n, dtype=torch.float64).reshape(n, 1, *K.img_shape)
    matrix = K(basis).reshape(n, -1).T.numpy()
    assert np.allclose(A @ np.eye(n), matrix, atol=1e-12)
    assert np.allclose(A.T @ np.eye(A.shape[0]), matrix.T, atol=1e-12)
    assert np.allclose(A.matvec(np.arange(n)), matrix @ np.arange(n), atol=1e-10)


@every
def test_pylops_dot_test_passes(K):
    A = pylops.LinearOperator(as_scipy(K))
    assert pylops.utils.dottest(A, *A.shape, rtol=1e-10, raiseerror=True)


@pytest.mark.parametrize("padding", PADDINGS)
def test_scipy_ndimage_computes_the_same_blur(padding):
    K = NAMED[padding]
    x = np.random.default_rng(0).random(K.img_shape)
    kernel = K.kernel[0, 0].double().numpy()
    expected = scipy.ndimage.convolve(x, kernel, mode=SCIPY_MODES[padding])
    assert np.allclose(as_scipy(K).matvec(x.ravel()).reshape(K.out_shape), expected, atol=1e-6)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel_shape", [(3, 5), (11, 9)])
def test_deepinv_computes_the_same_blur_and_adjoint(kernel_shape, padding):
    generator = torch.Generator().manual_seed(1)
    kernel = torch.rand(1, 1, *kernel_shape, generator=generator, dtype=torch.float64)
    x = torch.rand(2, 1, 16, 18, generator=generator, dtype=torch.float64)
    K = Blurring((16, 18), kernel=kernel, padding=padding)
    name = "constant" if padding == "zeros" else padding
    stranger = deepinv.physics.Blur(filter=kernel, padding=name).double()
    torch.testing.assert_close(K(x), stranger.A(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(K.T(x), stranger.A_adjoint(x), rtol=0, atol=1e-12)


def test_pylops_takes_the_same_differences():
    differences = pylops.Gradient((7, 9), kind="forward", edge=False, dtype="float64")
    x = torch.rand(7, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    g = gradient(x)
    assert np.array_equal(differences @ x.numpy().ravel(), g.numpy().ravel())
    adjoint = gradient_adjoint(g).numpy().ravel()
    assert np.allclose(differences.H @ g.numpy().ravel(), adjoint, atol=1e-14)


@pytest.mark.parametrize("weight", [0.02, 0.2])
def test_deepinv_denoises_by_the_same_total_variation(weight):
    y = torch.rand(1, 1, 12, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = total_variation(y, Identity((12, 11)), weight, iterations=3000, tolerance=1e-8)
    theirs = deepinv.optim.TVPrior(n_it_max=2000).prox(y, gamma=weight)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_complex_vector_is_refused():
    A = as_scipy(Identity((2, 3)))
    for apply in (A.matvec, A.rmatvec):
        with pytest.raises(TypeError, match=r"x must be real, got complex128; use x\.real"):
            apply(1j * np.ones(6))


def test_weights_in_an_operator_do_not_hinder():
    class Scaled(Operator):
        factor = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def _forward(self, x):
            return self.factor * x

        _adjoint = _forward

    assert np.array_equal(as_scipy(Scaled((2, 3))) @ np.ones(6), 2 * np.ones(6))


def test_tikhonov_by_lsqr_is_the_normal_equations_solution():
    x = torch.as_tensor(phantom(3, 32), dtype=torch.float64)
    K = Blurring((32, 32), kernel_type="motion", kernel_size=9, motion_angle=20)
    y, weight = K(x).numpy().ravel(), 0.01
    solver = {"damp": weight**0.5, "atol": 1e-12, "btol": 1e-12, "iter_lim": 2000}
    found = scipy.sparse.linalg.lsqr(as_scipy(K), y, **solver)[0]
    dense = as_scipy(K) @ np.eye(1024)
    exact = np.linalg.solve(dense.T @ dense + weight * np.eye(1024), dense.T @ y)
    assert np.abs(found - exact).max() < 1e-8


def test_scipy_and_we_find_the_same_smooth_slice():
    """Our `tikhonov`, which penalises differences of neighbours, by a stacked least squares."""
    x = torch.as_tensor(phantom(3, 32), dtype=torch.float64)
    K = Blurring((32, 32), kernel_type="motion", kernel_size=9, motion_angle=20)
    y, weight = K(x), 0.01
    step = scipy.sparse.diags([-1.0, 1.0], [0, 1], shape=(31, 32))
    slopes = scipy.sparse.vstack(
        [scipy.sparse.kron(step, np.eye(32)), scipy.sparse.kron(np.eye(32), step)]
    ).toarray()
    stacked = np.vstack([as_scipy(K) @ np.eye(1024), weight**0.5 * slopes])
    right = np.concatenate([y.numpy().ravel(), np.zeros(len(slopes))])
    expected = np.linalg.lstsq(stacked, right, rcond=None)[0]
    ours = tikhonov(y, K, weight, iterations=2000, tolerance=1e-10)
    assert np.abs(ours.numpy().ravel() - expected).max() < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_numbers_have_the_wanted_type(dtype):
    A = as_scipy(NAMED["motion"], dtype)
    assert A.matvec(np.ones(A.shape[1])).dtype == dtype
    assert A.rmatvec(np.ones(A.shape[0], dtype=np.float32)).dtype == dtype


@every
def test_deepinv_finds_the_adjoint_right_and_the_map_linear(K):
    physics = as_deepinv(K, channels=2)
    assert float(physics.adjointness_test(num_samples=4, dtype=torch.float64)) < 1e-12
    generator = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 1, 2, *K.img_shape, generator=generator, dtype=torch.float64)
    left, right = physics.A(2 * u - 3 * v), 2 * physics.A(u) - 3 * physics.A(v)
    assert torch.allclose(left, right, atol=1e-12)


def test_deepinv_and_we_find_the_same_largest_factor():
    K = Blurring((32, 32), kernel_type="motion", kernel_size=9, padding="circular")
    x = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    norm = as_deepinv(K).compute_sqnorm(x, max_iter=300, tol=1e-8, verbose=False)
    assert float(norm) == pytest.approx(1.0, abs=1e-3)  # the mean passes a blur unchanged


def test_deepinvs_proximal_step_is_the_exact_one():
    K = NAMED["motion"]
    generator = torch.Generator().manual_seed(0)
    z, y = torch.rand(2, 1, 1, 16, 16, generator=generator, dtype=torch.float64)
    physics = as_deepinv(K, max_iter=500, tol=1e-12)
    found = physics.prox_l2(z, y, gamma=3.0).numpy().ravel()
    dense = as_scipy(K) @ np.eye(256)
    right = 3 * dense.T @ y.numpy().ravel() + z.numpy().ravel()
    exact = np.linalg.solve(3 * dense.T @ dense + np.eye(256), right)
    assert np.abs(found - exact).max() < 1e-5  # where deepinv's solver stops


class Ours(torch.nn.Module):
    """deepinv hands the physics over as well, which SimpleCNN has no use for."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, y, physics=None, **_):
        return self.net(y)


def test_deepinvs_trainer_trains_our_network_on_our_operator_and_dataset(tmp_path):
    for seed in range(8):
        path = tmp_path / "slices" / "P0" / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((255 * phantom(seed, 32)).round().astype("uint8")).save(path)
    dataset = MayoDataset(tmp_path / "slices", 32, cache=False)
    x = torch.stack([dataset[i] for i in range(8)])  # (8, 1, 32, 32)
    K = Blurring((32, 32), kernel_type="motion", kernel_size=5, motion_angle=20)
    torch.manual_seed(0)
    model = SimpleCNN(1, 1, 8)
    before = (model(K(x)) - x).square().mean().item()
    trainer = deepinv.Trainer(
        model=Ours(model),
        physics=as_deepinv(K, noise_model=GaussianNoise(sigma=0.005)),
        optimizer=torch.optim.Adam(model.parameters(), lr=3e-3),
        train_dataloader=DataLoader(dataset, batch_size=4, shuffle=True),
        losses=SupLoss(),
        epochs=15,
        online_measurements=True,
        save_path=tmp_path,
        show_progress_bar=False,
        verbose=False,
        device="cpu",
        non_blocking_transfers=False,
    )
    trainer.train()
    after = (model(K(x)) - x).square().mean().item()
    assert after < before / 5


@pytest.mark.filterwarnings("ignore:.*pin_memory")  # it has nothing to pin without a card
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_torchs_loader_reads_our_dataset_however_its_workers_start(tmp_path, monkeypatch, method):
    """With pinned memory, in two epochs by the same workers: decoded, then from the cache."""
    monkeypatch.setenv("IPPY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "slices" / "P0").mkdir(parents=True)
    for seed in range(5):
        path = tmp_path / "slices" / "P0" / f"{seed}.png"
        Image.fromarray((255 * phantom(seed, 32)).round().astype("uint8")).save(path)
    expected = [load_image(path, 16) for path in sorted((tmp_path / "slices" / "P0").iterdir())]
    loader = DataLoader(
        MayoDataset(tmp_path / "slices", 16),
        batch_size=2,
        num_workers=1,
        pin_memory=True,
        persistent_workers=True,
        multiprocessing_context=method,
    )
    for _ in range(2):
        assert torch.equal(torch.cat(list(loader)), torch.stack(expected))
    entries = [path for path in (tmp_path / "cache" / "slices").glob("*/*") if path.is_file()]
    assert len(entries) == 5


def test_torchmetrics_gives_our_scores():
    """Picture by picture; over a batch it would pool the pixels, which is another number."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 1, 24, 20, generator=generator)
    x_hat = x + torch.tensor([0.01, 0.1, 0.5])[:, None, None, None] * (x - 0.5)
    theirs = PeakSignalNoiseRatio(data_range=1.0), StructuralSimilarityIndexMeasure(data_range=1.0)
    # Their SSIM also counts windows that reach into a mirror image beyond the border.
    for ours, metric, within in zip((psnr, ssim), theirs, (1e-5, 1e-3), strict=True):
        expected = [metric(x_hat[i : i + 1], x[i : i + 1]) for i in range(3)]
        assert torch.allclose(ours(x_hat, x), torch.stack(expected), atol=within)


@pytest.mark.parametrize("call", [as_scipy, as_deepinv])
def test_what_is_no_operator_is_refused(call):
    for wrong in (None, torch.eye(3), lambda x: x):
        with pytest.raises(TypeError, match="K must be an ippy Operator, got"):
            call(wrong)


def test_a_wrong_type_of_numbers_is_refused():
    for dtype, name in itertools.product((np.int64, np.complex128), ("motion",)):
        with pytest.raises(TypeError, match="dtype must be float32 or float64, got"):
            as_scipy(NAMED[name], dtype)
