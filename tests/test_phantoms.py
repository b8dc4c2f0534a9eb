"""The phantoms: the same pixels everywhere, at any size, like a CT slice, and files as promised."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import wasserstein_distance

from ippy import phantoms
from ippy.anatomy import ANGLES, THICKNESS, Patient, crossing, normal, outline
from ippy.canvas import ALL, Canvas, capsule, ellipse, modes, smooth_union, texture
from ippy.phantoms import phantom, render, write_dataset
from ippy.scene import Slice

HASHES = {
    (0, 256): "635a861bad5abc1d",
    (1, 256): "cd2a3ffb6aa14372",
    (2, 128): "3b7edee4a8eeceb0",
    (3, 512): "571d35b5cf42265f",
    (4, 64): "5245843882bbe50c",
}


def eight_bits(image: np.ndarray) -> np.ndarray:
    return np.rint(image * 255).astype(np.uint8)


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.fixture(scope="module")
def patient() -> Patient:
    return Patient.from_seed(5)


@pytest.fixture(scope="module")
def chest(patient: Patient) -> np.ndarray:
    return render(patient, 0.3) * 255


@pytest.mark.parametrize(("seed", "size"), HASHES)
def test_a_seed_gives_the_same_pixels_on_every_platform(seed: int, size: int) -> None:
    pixels = eight_bits(phantom(seed, size))
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:16] == HASHES[seed, size]


def test_many_patients_are_the_same_on_every_platform() -> None:
    digest = hashlib.sha256()
    for seed in range(30):
        digest.update(eight_bits(phantom(seed, 64)).tobytes())
    assert digest.hexdigest()[:16] == "9561f2a592aa3d39"


def test_no_pixel_is_close_to_being_rounded_the_other_way() -> None:
    distance = np.abs(phantom(0) * 255 % 1 - 0.5)
    assert distance.min() > 1e-9


def test_phantom_is_a_grey_picture() -> None:
    image = phantom(3, 64)
    assert image.shape == (64, 64)
    assert image.dtype == np.float64
    assert 0 <= image.min() < 0.01
    assert 0.4 < image.max() <= 1


def test_seeds_give_different_patients() -> None:
    assert np.abs(phantom(1, 64) - phantom(2, 64)).mean() > 0.01


@pytest.mark.parametrize("seed", [3, 12])
def test_the_scene_is_the_same_at_512(seed: int) -> None:
    fine = phantom(seed, 512).reshape(256, 2, 256, 2).mean(axis=(1, 3))
    difference = fine - phantom(seed, 256)
    assert np.sqrt((difference**2).mean()) * 255 < 2.5
    assert abs(difference.mean()) * 255 < 0.1
    assert np.abs(difference[5:40, 100:150]).mean() * 255 < 0.005


def test_neighbouring_slices_change_smoothly(patient: Patient) -> None:
    here, near, far = (render(patient, z, 128) for z in (0.2, 0.201, 0.3))
    assert np.abs(here - near).mean() * 255 < 2.0
    assert np.abs(here - far).mean() > 3 * np.abs(here - near).mean()


def test_a_slice_looks_like_the_inside_of_a_chest(chest: np.ndarray) -> None:
    shares = [((low <= chest) & (chest < high)).mean() for low, high in
              ((0, 7), (7, 30), (80, 97), (97, 112), (120, 256))]  # fmt: skip
    for share, low, high in zip(
        shares, (0.2, 0.15, 0.04, 0.06, 0.005), (0.6, 0.5, 0.3, 0.3, 0.05), strict=True
    ):
        assert low < share < high, shares


def test_outside_the_field_of_view_there_is_nothing(chest: np.ndarray) -> None:
    assert (chest[0, :10] == 0).all()
    assert (chest[-1, -10:] == 0).all()
    assert 2.5 < chest[5:30, 100:150].mean() < 4.5
    assert 0.4 < chest[5:30, 100:150].std() < 1.2


def test_the_couch_leaves_through_both_sides() -> None:
    for seed in range(4):
        image = render(Patient.from_seed(seed), 0.35) * 255
        for column in (0, -1):
            assert image[150:, column].max() > 45


def test_patients_vary() -> None:
    patients = [Patient.from_seed(seed) for seed in range(400)]
    assert 0.14 < np.mean([p.scale > 1.05 for p in patients]) < 0.26
    assert 0.05 < np.mean([p.arms for p in patients]) < 0.16
    assert 0.4 < np.mean([p.breasts > 0 for p in patients]) < 0.6
    for name, low, high in (
        ("fat", 0.012, 0.06),
        ("sharpness", 0.43, 0.56),
        ("lung", 9, 14),
        ("bone", 0.8, 1.15),
    ):
        values = [getattr(p, name) for p in patients]
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high


def test_arms_lie_beside_the_body(patient: Patient) -> None:
    without = render(replace(patient, arms=False, scale=0.86), 0.3, 64)
    with_arms = render(replace(patient, arms=True, scale=0.86), 0.3, 64)
    changed = np.abs(with_arms - without).max(axis=0) > 0.1
    assert changed[:6].any() and changed[-6:].any()
    assert not changed[20:44].any()


@pytest.mark.parametrize("size", [64, 256])
def test_texture_has_the_asked_for_variance_and_spectrum(size: int) -> None:
    rough = np.stack([texture(modes(generator(n), 0.5, 0.0), size) for n in range(4)])
    smooth = np.stack([texture(modes(generator(n), 0.05, 3.0), size) for n in range(12)])
    assert abs(rough.mean()) < 1e-12
    if size == 256:
        assert 0.55 < rough.var() < 0.65  # a pixel's mean lowers the finest frequencies
        assert 0.8 < smooth.var() < 1.2
    neighbours = (smooth[:, :, 1:] * smooth[:, :, :-1]).mean() / smooth.var()
    assert neighbours > 0.6
    lines = (smooth[:, 1:] * smooth[:, :-1]).mean() / smooth.var()
    assert abs(lines - neighbours) < 0.1


def test_texture_at_512_averages_to_the_one_at_256() -> None:
    c = modes(generator(1), 0.3, 1.0)
    fine = texture(c, 512).reshape(256, 2, 256, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(fine, texture(c, 256), atol=1e-12)


def test_normal_has_mean_0_and_variance_1() -> None:
    draws = normal(generator(0), (20_000,))
    assert abs(draws.mean()) < 0.03
    assert abs(draws.var() - 1) < 0.03


@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_ellipse_is_a_signed_distance(turn: float) -> None:
    t = np.linspace(0, 2 * np.pi, 50)
    for r, sign in ((0.9, -1), (1.0, 0), (1.1, 1)):
        u, v = 0.3 * r * np.cos(t), 0.2 * r * np.sin(t)
        x = 0.5 + np.cos(turn) * u - np.sin(turn) * v
        y = 0.4 + np.sin(turn) * u + np.cos(turn) * v
        d = ellipse(x, y, 0.5, 0.4, 0.3, 0.2, turn)
        if sign:
            assert (np.sign(d) == sign).all()
            assert (np.abs(d) > 0.014).all() and (np.abs(d) < 0.036).all()
        else:
            np.testing.assert_allclose(d, 0, atol=1e-12)


def test_capsule_and_smooth_union_are_distances() -> None:
    x, y = np.array([0.0, 0.5, 0.5, 2.0]), np.array([0.0, 0.0, 0.3, 0.0])
    np.testing.assert_allclose(capsule(x, y, 0, 0, 1, 0, 0.1), [-0.1, -0.1, 0.2, 0.9])
    a, b = np.array([0.0, 0.1, 1.0]), np.array([0.0, 0.5, 0.9])
    np.testing.assert_allclose(smooth_union(a, b, 0.2), [-0.05, 0.1, 0.9 - 0.0125])


def test_canvas_draws_areas_at_any_size() -> None:
    for size in (64, 256, 512):
        canvas = Canvas(size)
        canvas.ellipse(0.4, 0.5, 0.2, 0.1, 100, 0.6)
        assert canvas.grey.sum() / size**2 == pytest.approx(np.pi * 0.02 * 100, rel=0.01)
        assert canvas.grey.max() == pytest.approx(100)
        canvas = Canvas(size)
        canvas.line(0.2, 0.3, 0.7, 0.6, 0.002, 100)
        length = np.hypot(0.5, 0.3)
        assert canvas.grey.sum() / size**2 == pytest.approx(length * 0.2, rel=0.08)
        column = canvas.grey.sum(axis=0)
        centre = (column * canvas.axis).sum() / column.sum()
        assert centre == pytest.approx(0.45, abs=0.002)


def test_bone_has_a_shell() -> None:
    canvas = Canvas(256)
    where = canvas.box(0.3, 0.7, 0.3, 0.7)
    d = ellipse(canvas.x[:, where[1]], canvas.y[where[0]], 0.5, 0.5, 0.1, 0.1)
    canvas.bone(where, d, 200, 120, 0.01)
    middle = canvas.grey[132]
    assert middle[132] == 120
    assert middle.max() == 200
    shell = (middle > 195).sum()
    assert 2 <= shell <= 6


def test_finish_blurs_by_sigma_and_keeps_the_sum() -> None:
    for size in (256, 512):
        canvas = Canvas(size)
        at = canvas.margin + size // 2
        canvas.grey[at, at] = 1.0
        image = canvas.finish(0.6 / 256)
        assert image.shape == (size, size)
        assert image.sum() == pytest.approx(1)
        k = np.arange(size) - size // 2
        for axis in (0, 1):
            variance = (image.sum(axis=axis) * k**2).sum()
            assert variance == pytest.approx((0.6 * size / 256) ** 2, rel=0.02)
    canvas = Canvas(256)
    canvas.paint(ALL, np.ones_like(canvas.grey), 50)
    np.testing.assert_allclose(canvas.finish(0.5 / 256), 50)


def test_outline_and_polar_distance(patient: Patient) -> None:
    circle = outline(0.3, 0.3, 0.3, 2.0, np.zeros((2, 1)))
    np.testing.assert_allclose(circle, 0.3)
    front = outline(0.3, 0.1, 0.2, 2.5, np.zeros((2, 1)))
    assert front[3 * ANGLES // 4] == pytest.approx(0.1)
    assert front[ANGLES // 4] == pytest.approx(0.2)
    assert front[0] == pytest.approx(0.3)
    s = Slice(patient, 0.3, 64)
    np.testing.assert_allclose(s.polar(circle), s.rho - 0.3, atol=1e-12)
    flat = s.polar(front)
    x, y = s.canvas.x - s.cx, s.canvas.y - s.cy
    depth = np.where(y < 0, 0.1, 0.2)
    inside = (np.abs(x) / 0.3) ** 2.5 + (np.abs(y) / depth) ** 2.5 < 1
    assert ((flat < 0) == inside).mean() > 0.998


def test_vessel_trees_branch(patient: Patient) -> None:
    tree = patient.vessels
    one = tree[: len(tree) // 4]
    assert len(one) == 2 * 2048 - 1
    generation = one[:, 7].astype(int)
    for g in (1, 5, 11):
        parents, children = one[generation == g - 1], one[generation == g]
        assert len(children) == 2**g
        np.testing.assert_array_equal(children[:, :3], np.repeat(parents[:, 3:6], 2, axis=0))
        assert children[:, 6].mean() < 0.95 * parents[:, 6].mean()
    ends = one[generation == 11][:, 3:6]
    assert np.ptp(ends, axis=0).min() > 0.2
    assert (ends[:, 0] < patient.centre[0] + 0.02).all()


def test_crossing_keeps_what_lies_in_the_slab() -> None:
    r = 0.001
    tree = np.array(
        [
            [0.1, 0.1, 0.0, 0.1, 0.1, 1.0, r, 0],  # through the slab
            [0.2, 0.2, 0.5, 0.4, 0.2, 0.5, r, 0],  # within it
            [0.3, 0.3, 0.6, 0.3, 0.3, 0.9, r, 0],  # beyond it
            [0.0, 0.5, 0.4, 1.0, 0.5, 0.6, r, 0],  # oblique
        ]
    )
    rows, filled = crossing(tree, 0.5)
    assert len(rows) == 3
    np.testing.assert_allclose(rows[0], [0.1, 0.1, 0.1, 0.1, r])
    np.testing.assert_allclose(rows[1], [0.2, 0.2, 0.4, 0.2, r])
    half = THICKNESS / 2 + r / 2
    np.testing.assert_allclose(rows[2], [0.5 - 5 * half, 0.5, 0.5 + 5 * half, 0.5, r])
    np.testing.assert_allclose(filled, [1, 2 * r / (THICKNESS + r), 1])


def written(root: Path) -> dict[str, np.ndarray]:
    return {str(p.relative_to(root)): np.array(Image.open(p)) for p in root.rglob("*.png")}


SMALL = {"train_patients": 2, "train_slices": 3, "test_patients": 1, "test_slices": 2, "size": 64}


def test_write_dataset_writes_the_layout(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", **SMALL, workers=1, progress=False)
    files = written(root)
    names = {f"{n}.png" for n in range(3)}
    assert set(files) == {
        *(str(Path("train", f"P00{p}", n)) for p in range(2) for n in names),
        *(str(Path("test", "P002", f"{n}.png")) for n in range(2)),
    }
    image = Image.open(root / "train" / "P001" / "2.png")
    assert (image.mode, image.size) == ("L", (64, 64))
    expected = render(Patient.from_seed(10_001), 0.62 * 2.5 / 3, 64)
    np.testing.assert_array_equal(np.array(image), eight_bits(expected))
    flat = [pixels.tobytes() for pixels in files.values()]
    assert len(set(flat)) == len(flat)


def test_write_dataset_is_the_same_in_several_processes(tmp_path: Path) -> None:
    tiny = SMALL | {"train_patients": 1, "train_slices": 2, "test_slices": 1}
    one = written(write_dataset(tmp_path / "1", **tiny, workers=1, progress=False))
    two = written(write_dataset(tmp_path / "2", **tiny, workers=2, progress=False))
    assert one.keys() == two.keys()
    for name, pixels in one.items():
        np.testing.assert_array_equal(two[name], pixels)


def test_write_dataset_draws_alone_where_processes_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise PermissionError("no processes here")

    monkeypatch.setattr(phantoms, "ProcessPoolExecutor", forbidden)
    assert len(written(write_dataset(tmp_path, **SMALL, workers=2, progress=False))) == 8


def test_write_dataset_starts_no_more_processes_than_windows_can_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def forbidden(workers: int, **kwargs: object) -> None:
        asked.append(workers)
        raise PermissionError("no processes here")

    monkeypatch.setattr(phantoms, "ProcessPoolExecutor", forbidden)
    monkeypatch.setattr(phantoms.os, "cpu_count", lambda: 128)
    write_dataset(tmp_path, **SMALL, progress=False)
    assert asked == [61]


def test_another_seed_gives_other_patients(tmp_path: Path) -> None:
    tiny = {
        "train_patients": 1,
        "train_slices": 1,
        "test_patients": 0,
        "size": 32,
        "progress": False,
    }
    a = written(write_dataset(tmp_path / "a", **tiny, workers=1))
    b = written(write_dataset(tmp_path / "b", **tiny, workers=1, seed=1))
    assert a.keys() == b.keys()
    assert all((a[name] != b[name]).mean() > 0.2 for name in a)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda path: phantom(-1), ValueError, "seed must be at least 0, got -1"),
        (lambda path: phantom(1.5), TypeError, "seed must be an integer, got 1.5"),
        (lambda path: phantom(1, 16), ValueError, "size must be at least 32, got 16"),
        (lambda path: phantom(1, True), TypeError, "size must be an integer"),
        (lambda path: write_dataset(path, train_slices=0), ValueError, "train_slices"),
        (lambda path: write_dataset(path, test_patients=-1), ValueError, "test_patients"),
        (lambda path: write_dataset(path, workers=0), ValueError, "workers"),
        (lambda path: write_dataset(path, seed=-1), ValueError, "seed"),
        (lambda path: write_dataset(path, size=20), ValueError, "size"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, call, error, message: str) -> None:
    with pytest.raises(error, match=message):
        call(tmp_path)
    assert not list(tmp_path.iterdir())


def test_grey_values_and_edges_are_those_of_real_slices(real_slices: Path) -> None:
    files = sorted(real_slices.rglob("*.png"))[::8]
    real = np.stack([np.array(Image.open(f).convert("L").resize((256, 256))) for f in files])
    ours = np.stack([eight_bits(render(Patient.from_seed(n), 0.06 + 0.07 * n)) for n in range(6)])
    assert wasserstein_distance(real.ravel(), ours.ravel()) < 6
    steps = [np.log1p(np.abs(np.diff(images.astype(float)))).ravel() for images in (real, ours)]
    assert wasserstein_distance(*steps) < 0.3
