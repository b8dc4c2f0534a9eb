"""Crops count every pixel once, carry the right measurement, and come in a reproducible order."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ippy.crops import TrainingCrops, cut, generator_for
from ippy.models import SimpleCNN, receptive_field
from ippy.operators import Blurring

LEVEL = 0.05


def slices(count=3, shape=(40, 34)):
    generator = torch.Generator().manual_seed(5)
    return [torch.rand(1, *shape, generator=generator) * (i + 1) / count for i in range(count)]


def blur(shape=(40, 34), padding="zeros"):
    return Blurring(shape, kernel_type="motion", kernel_size=9, motion_angle=20, padding=padding)


def crops(size=20, reach=3, noise_level=0.0, **settings):
    return TrainingCrops(slices(), blur(), size, reach, noise_level, **settings)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 60), st.integers(0, 5), st.booleans())
def test_every_pixel_has_one_owner_out_of_reach_of_the_cuts(length, size, reach, wraps):
    if size < length and size <= 2 * reach:
        return
    halo = reach if wraps and size < length else 0
    starts, masks = cut(length, size, reach, wraps)
    owners = torch.zeros(length + 2 * halo)
    for start, mask in zip(starts, masks, strict=True):
        owners[start : start + len(mask)] += mask
        sound = torch.ones(len(mask), dtype=torch.bool)
        if start > 0:
            sound[:reach] = False
        if start + len(mask) < len(owners):
            sound[len(mask) - reach :] = False
        assert not mask[~sound].any()
    assert owners[halo : halo + length].eq(1).all()
    assert owners.sum() == length


def test_cut_uses_no_more_windows_than_are_needed():
    assert len(cut(256, 48, 3)[0]) == 6
    assert len(cut(250, 48, 4)[0]) == 7  # 6 windows own at most 6 · 40 + 8 = 248 pixels
    assert cut(256, 300, 3)[1].shape == (1, 256)


def test_cut_refuses_windows_that_own_nothing():
    with pytest.raises(ValueError, match="crops must be larger than 6 pixels, got 6"):
        cut(256, 6, 3)


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize("size", [20, 38, 64, None])
def test_all_crops_together_are_the_whole_pictures(mode, size):
    """The loss over all crops is the loss of the network on the whole slices, borders included."""
    model = SimpleCNN(1, 1, 4, padding_mode=mode).double()
    data = [x.double() for x in slices()]
    K = blur(padding=mode)
    tiles = TrainingCrops(
        data, K, size, receptive_field(model) // 2, 0.0, wraps=mode == "circular", seed=1
    )
    x = torch.stack(data)
    with torch.no_grad():
        whole = ((model(K(x)) - x) ** 2).mean()
        batch = tiles.batch(0, len(tiles))
        errors = (batch.mask * (model(batch.y_delta) - batch.x) ** 2).sum()
    assert batch.mask.sum() == x.numel()
    assert errors / x.numel() == pytest.approx(float(whole), rel=1e-9)
    assert errors / (len(tiles) * tiles.pixels) == pytest.approx(float(whole), rel=1e-6)


@pytest.mark.parametrize("size", [None, 64])
def test_whole_slices_are_neither_cut_nor_continued(size):
    tiles = TrainingCrops(slices(), blur(), size, 3, 0.0, wraps=True)
    assert len(tiles) == 3
    assert tiles.x.shape == tiles.y.shape == (3, 1, 40, 34)
    assert tiles.masks.eq(1).all()
    assert tiles.pixels == 40 * 34


def test_a_crop_of_the_measurement_is_the_measurement_of_the_whole_slice():
    tiles = crops()
    y = blur()(torch.stack(slices()))
    for row in tiles.batch(0, len(tiles)).y_delta:
        windows = y[:, 0].unfold(1, 20, 1).unfold(2, 20, 1)
        assert (windows - row[0]).abs().amax(dim=(-1, -2)).min() < 1e-6


def test_noise_has_the_level_of_the_whole_slice():
    data = slices()
    loud = TrainingCrops(data, blur(), None, 0, LEVEL, seed=3)
    quiet = TrainingCrops(data, blur(), None, 0, 0.0, seed=3)
    y = blur()(torch.stack(data))
    ratios = []
    for step in range(20):
        e = loud.batch(step, 3).y_delta - quiet.batch(step, 3).y_delta
        clean = quiet.batch(step, 3).y_delta
        ratios.append(e.flatten(1).norm(dim=1) / clean.flatten(1).norm(dim=1))
    assert torch.stack(ratios).mean() == pytest.approx(LEVEL, rel=0.01)
    assert torch.stack(ratios).std() < 0.05 * LEVEL
    expected = LEVEL * y.flatten(1).norm(dim=1) / math.sqrt(40 * 34)
    assert torch.allclose(loud.sigma.flatten(), expected)


def test_noise_is_new_at_every_step_and_for_every_crop():
    data = [torch.ones(1, 24, 24)]
    tiles = TrainingCrops(data, Blurring((24, 24), kernel=torch.ones(1, 1)), None, 0, 0.1)
    draws = torch.cat([tiles.batch(step, 2).y_delta for step in range(3)]).flatten(1) - 1
    assert torch.corrcoef(draws).fill_diagonal_(0).abs().max() < 0.2
    assert abs(float(draws.mean())) < 0.01


def test_a_batch_is_a_function_of_seed_and_step():
    one, again, other = crops(noise_level=LEVEL), crops(noise_level=LEVEL), crops(seed=1)
    torch.manual_seed(0)
    first = one.batch(7, 5)
    one.batch(8, 5)
    for mine, theirs in zip(first, again.batch(7, 5), strict=True):
        assert torch.equal(mine, theirs)
    assert not torch.equal(first.x, other.batch(7, 5).x)
    following = torch.cat([one.batch(step, 5).x for step in (7, 8)])
    assert torch.equal(following, one.batch(0, 45).x[35:])


def test_a_share_is_that_part_of_the_batch_bit_for_bit():
    tiles = crops(noise_level=LEVEL)
    whole = tiles.batch(3, 5)
    for share in (range(0, 5, 2), range(1, 5, 2), [4], range(5)):
        for part, all_of_it in zip(tiles.batch(3, 5, share), whole, strict=True):
            assert len(part) == len(share)
            assert torch.equal(part, all_of_it[list(share)])


def test_noise_is_a_function_of_seed_step_and_place_alone():
    one, other = ([torch.full((1, 24, 24), grey)] for grey in (0.5, 1.0))
    K = Blurring((24, 24), kernel=torch.ones(1, 1))

    def noise(data, step, batch_size, place):
        tiles = TrainingCrops(data, K, None, 0, 0.1, seed=8)
        batch = tiles.batch(step, batch_size, [place])
        return (batch.y_delta - batch.x) / tiles.sigma

    expected = torch.randn(1, 24, 24, generator=generator_for(8, 1, 3, 2))
    for data, batch_size in ((one, 3), (other, 3), (one, 7)):
        assert torch.allclose(noise(data, 3, batch_size, 2)[0], expected, atol=1e-5)
    assert not torch.allclose(noise(one, 2, 3, 2)[0], expected, atol=0.1)


def test_noise_depends_on_the_seed():
    one, other = (
        TrainingCrops([torch.ones(1, 40, 34)], blur(), None, 0, LEVEL, seed=seed) for seed in (0, 1)
    )
    assert not torch.equal(one.batch(0, 1).y_delta, other.batch(0, 1).y_delta)


def test_drawing_a_batch_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    crops(noise_level=LEVEL).batch(0, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_all_crops_pass_by_before_one_comes_again():
    tiles = crops()
    total = len(tiles)
    assert total == 3 * len(tiles.tops) * len(tiles.lefts) == 3 * 3 * 2
    order = [tiles._number(position) for position in range(2 * total)]
    assert sorted(order[:total]) == sorted(order[total:]) == list(range(total))
    assert order[:total] != order[total:]
    assert order[:total] != list(range(total))


def test_fingerprint_tells_data_apart():
    other = [x.clone() for x in slices()]
    other[1][0, 3, 3] += 1e-3
    assert crops().fingerprint == crops(size=30).fingerprint
    assert crops().fingerprint != TrainingCrops(other, blur(), 20, 3, 0.0).fingerprint


def test_an_empty_training_set_is_refused():
    with pytest.raises(ValueError, match="training set must hold at least one slice"):
        TrainingCrops([], blur(), 20, 3, 0.0)


def test_generators_differ_by_key():
    keys = [(0, 1), (1, 0), (1, 1), (0, 1, 2), (0, 2, 1), (0, 1)]
    draws = [float(torch.rand(1, generator=generator_for(*key))) for key in keys]
    assert draws[0] == draws[-1]
    assert len(set(draws)) == 5
