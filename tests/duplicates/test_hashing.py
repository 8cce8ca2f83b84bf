"""The hash of a fundus, and the search that never compares all pairs."""

import cv2
import numpy as np
import pytest

from drkit.duplicates.hashing import (
    RADIUS,
    even_contrast,
    find_candidates,
    find_neighbours,
    hamming_distance,
    hash_photograph,
    mask_retina,
)


def planted(generator, flipped, count=300):
    """Random hashes, and for each a second one that differs in `flipped` bits."""
    bits = generator.integers(0, 2, (count, 256), dtype=np.uint8)
    others = bits.copy()
    for row in others:
        row[generator.choice(256, flipped, replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64), np.packbits(others, axis=1).view(np.uint64)


def brute_force(index, probes, radius):
    distance = np.bitwise_count(index[:, None] ^ probes[None]).sum(-1)
    return np.argwhere(distance <= radius)


@pytest.mark.parametrize("flipped", [0, 1, 12, 31])
def test_neighbours_within_31_bits_are_all_found(flipped):
    index, probes = planted(np.random.default_rng(flipped), flipped)
    assert np.array_equal(find_neighbours(index, probes, 31), brute_force(index, probes, 31))


def test_at_the_radius_nearly_all_are_found():
    index, probes = planted(np.random.default_rng(9), RADIUS)
    assert len(find_neighbours(index, probes)) > 0.93 * len(index)


def test_nothing_beyond_the_radius_is_returned():
    index, probes = planted(np.random.default_rng(5), 20)
    assert len(find_neighbours(index, probes, 19)) == 0


def test_hashes_that_crowd_one_bucket_are_searched_in_blocks(monkeypatch):
    monkeypatch.setattr("drkit.duplicates.hashing._BLOCK", 50)
    same = np.zeros((20, 1, 4), np.uint64)
    assert find_candidates(same).tolist() == [[i, j] for i in range(20) for j in range(i + 1, 20)]


def test_candidates_meet_through_a_shift_from_either_side():
    generator = np.random.default_rng(0)
    variants = generator.integers(0, 2**63, (3, 3, 4)).astype(np.uint64)
    variants[2, 1] = variants[0, 0]
    assert find_candidates(variants).tolist() == [[0, 2]]
    assert find_candidates(variants[::-1]).tolist() == [[0, 2]]


def test_no_hash_and_one_hash_have_no_candidates():
    assert find_candidates(np.zeros((0, 3, 4), np.uint64)).shape == (0, 2)
    assert find_candidates(np.zeros((1, 3, 4), np.uint64)).shape == (0, 2)


def test_hamming_distance_of_planted_bits():
    index, probes = planted(np.random.default_rng(1), 17)
    assert (hamming_distance(index, probes) == 17).all()


def test_different_fundi_differ_in_about_half_of_the_bits(fundus):
    hashes = np.stack([hash_photograph(fundus(seed))[0] for seed in range(12)])
    distances = hamming_distance(hashes[:, None], hashes[None])[np.triu_indices(12, 1)]
    assert distances.min() > RADIUS
    assert 110 < distances.mean() < 146


def test_brightness_and_contrast_hardly_change_the_hash(fundus):
    darker = (0.6 * fundus(1)).astype(np.uint8)
    assert hamming_distance(hash_photograph(fundus(1))[0], hash_photograph(darker)[0]) < 15


def test_a_shift_inside_the_frame_is_made_good_by_the_shifted_hashes(fundus):
    retina = fundus(2)[80:240, 80:240]  # no edge of the disc is visible
    moved = fundus(2)[80:240, 75:235]
    plain, other = hash_photograph(np.ascontiguousarray(retina)), hash_photograph(np.ascontiguousarray(moved))
    assert hamming_distance(plain[1], other[0]) < hamming_distance(plain[0], other[0])


def test_uneven_lighting_is_removed(fundus):
    channel = cv2.resize(fundus(3)[..., 1], (64, 64))
    lit = np.clip(channel + np.linspace(0, 40, 64)[None], 0, 255).astype(np.uint8)
    before, after = (even_contrast(each, np.ones((64, 64), np.float32), blur=4, floor=1.5) for each in (channel, lit))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9


def test_a_disc_that_the_frame_cuts_is_masked_at_its_cuts_and_a_whole_one_is_not(fundus):
    whole = cv2.resize(fundus(0), (64, 64), interpolation=cv2.INTER_AREA)
    cut = whole.copy()
    cut[:10], cut[-6:] = 0, 0
    rows = mask_retina(cut).any(axis=1)
    assert np.flatnonzero(rows)[[0, -1]].tolist() == [11, 56]
    assert mask_retina(whole).any(axis=1).sum() == 58
    assert np.array_equal(mask_retina(cut)[12:50], mask_retina(whole)[12:50])


def test_a_retina_that_fills_the_frame_is_not_masked_away():
    assert mask_retina(np.full((64, 64, 3), 120, np.uint8)).mean() > 0.6


@pytest.mark.parametrize("flipped", [0, 3, 16, 31])
def test_within_one_index_each_pair_is_found_once(flipped):
    hashes = np.concatenate(planted(np.random.default_rng(flipped), flipped, 40))
    pairs = find_neighbours(hashes, None, 31)
    expected = brute_force(hashes, hashes, 31)
    assert pairs.tolist() == expected[expected[:, 0] < expected[:, 1]].tolist()
