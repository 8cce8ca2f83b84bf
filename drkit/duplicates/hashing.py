"""A 256-bit perceptual hash of the fundus, and the search for similar hashes without comparing all pairs."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph

Hashes = NDArray[np.uint64]  # (..., 4): 256 bits each
Pairs = NDArray[np.int64]  # (P, 2) row numbers
Plane = NDArray[np.float32]  # (S, S): one channel with evened contrast, 0 outside the disc

NUM_BITS = 256
RADIUS = 45  # bits by which copies may differ; docs/auditing.md explains the choice
CHUNK_BITS = 16  # candidates have a chunk of 16 bits that differs by at most one bit, as all within 31 bits do

_SIDE = 64  # pixels of the square about the disc
_SHIFT = 2  # pixels
_BLUR = 4.0  # pixels; wider structures are lighting
_DISC = 0.46  # share of a side: radius that is inside the fundus with every camera's mask
_LIT = 20  # grey levels by which retina differs from the surround
_MIN_LIT = 0.3  # share of a row inside the disc that is lit if the row shows retina
_MARGIN = 0.02  # share of a side at a cut's edge that is masked
_LOWEST = 3.0  # cosine frequency; lower ones are alike in all fundi
_BLOCK = 250_000  # candidate pairs compared at a time, which limits memory and fits the cache


def hash_photograph(photograph: Photograph, *, round_disc: bool = False) -> Hashes:
    """Hash the fundus: the signs of 256 low frequencies of the green channel about the disc, with evened contrast.

    Re-encoding, resizing and rotation by a degree change only a few bits; two different fundi differ in about half of
    the bits. The hashes of shifted photographs find copies in which the disc's edge is not visible.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        round_disc: Whether to scale a disc that is an ellipse to a circle, so that a copy with another aspect ratio has
            the same hash.

    Returns:
        uint64 (3, 4): the hashes of the photograph unchanged, shifted to the right, and shifted down, by 3 % of the
        disc.
    """
    square = square_about_disc(_shrink(photograph), _SIDE, round_disc=round_disc)
    plane = even_contrast(square[..., 1], mask_retina(square), blur=_BLUR, floor=1.5)
    shifted = [np.roll(plane, shift, axis) for shift, axis in ((0, 0), (_SHIFT, 1), (_SHIFT, 0))]
    frequencies = np.stack([cv2.dct(each)[: _SIDE // 2, : _SIDE // 2].ravel()[_FREQUENCIES] for each in shifted])
    return np.packbits(frequencies > 0, axis=1).view(np.uint64)


def _shrink(photograph: Photograph) -> Photograph:
    """Shrink a photograph to the size that the hash needs, which makes the search for the disc faster."""
    scale = 2 * _SIDE / min(photograph.shape[:2])
    if scale >= 1:
        return photograph
    smaller = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return smaller.astype(np.uint8, copy=False)


def even_contrast(channel: NDArray[np.uint8], mask: Plane, *, blur: float, floor: float) -> Plane:
    """Subtract the lighting and divide by the local contrast.

    Args:
        channel: uint8 (S, S).
        mask: float32 (S, S), 1 on the retina, 0 elsewhere.
        blur: Sigma in pixels of the Gaussian that estimates the lighting.
        floor: Grey levels added to the contrast, so that noise in dark areas is not amplified.
    """
    grey = channel.astype(np.float32)
    share = cv2.GaussianBlur(mask, (0, 0), blur) + 1e-6
    detail = (grey - cv2.GaussianBlur(grey * mask, (0, 0), blur) / share) * mask
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), blur) / share) + floor
    return np.clip(detail / contrast, -3, 3).astype(np.float32)


def mask_retina(square: Photograph) -> Plane:
    """The mask float32 (S, S), 1 on the retina and 0 elsewhere, of a square about the disc (S, S, 3).

    If the camera's frame cuts the disc, bands without retina and their straight edges are masked, because the edges do
    not move with the eye.
    """
    disc = _mask_disc(len(square))
    outside = square[_mask_disc(len(square), 0.5) == 0]
    lit = (np.abs(square - np.median(outside, axis=0)).max(axis=2) > _LIT) * disc
    rows, columns = (_mask_cuts(lit.sum(axis=axis), disc.sum(axis=axis)) for axis in (1, 0))
    mask = disc * rows[:, None] * columns[None]
    return mask if mask.sum() > 0.5 * disc.sum() else disc  # the photograph has no surround


def _mask_disc(side: int, radius: float = _DISC) -> Plane:
    offset = np.arange(side, dtype=np.float32) - (side - 1) / 2
    return (np.hypot(offset[:, None], offset[None]) < radius * side).astype(np.float32)


def _mask_cuts(lit: Plane, inside: Plane) -> Plane:
    """1 for the rows (or columns) from the first to the last lit one, without a margin at a cut edge; else 0."""
    of_disc = np.flatnonzero(inside)
    of_retina = np.flatnonzero(lit > _MIN_LIT * inside)
    mask = np.zeros_like(inside)
    if len(of_retina):
        margin = max(1, round(_MARGIN * len(inside)))
        first = of_retina[0] + margin * (of_retina[0] > of_disc[0])
        last = of_retina[-1] - margin * (of_retina[-1] < of_disc[-1])
        mask[first : last + 1] = 1
    return mask


def hamming_distance(first: Hashes, second: Hashes) -> NDArray[np.int64]:
    """Number of differing bits of hashes (..., 4)."""
    return np.bitwise_count(first ^ second).sum(axis=-1, dtype=np.int64)


def find_candidates(variants: Hashes, radius: int = RADIUS) -> Pairs:
    """Find pairs of photographs whose hashes differ by at most `radius` bits, one of them unchanged or shifted.

    Args:
        variants: uint64 (N, V, 4), the results of `hash_photograph`.
        radius: Number of bits.

    Returns:
        (P, 2) row numbers i < j in ascending order, each pair once.
    """
    index = variants[:, 0]
    neighbours = [find_neighbours(index, None, radius)]
    neighbours += [find_neighbours(index, variants[:, shifted], radius) for shifted in range(1, variants.shape[1])]
    pairs = np.sort(np.concatenate(neighbours), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def find_neighbours(index: Hashes, probes: Hashes | None, radius: int = RADIUS) -> Pairs:
    """Find pairs of hashes that differ by at most `radius` bits, with an index of each chunk (multi-index hashing).

    All pairs within 31 bits are found, and nearly all others (97 % of those that differ in 45 random bits).

    Args:
        index: uint64 (N, 4), the indexed hashes.
        probes: uint64 (M, 4), the hashes to look up; None looks the index up in itself and returns pairs i < j.
        radius: Number of bits.

    Returns:
        (P, 2), row numbers of `index` and of `probes`, each pair once.

    Source: Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.
    """
    others = index if probes is None else probes
    pairs = np.empty(0, np.int64)  # row number in the index * M + row number in the probes
    for keys, other_keys in zip(_chunks(index), _chunks(others), strict=True):
        own, other = _Buckets.sort(index, keys), _Buckets.sort(others, other_keys)
        near = [pairs]
        for first, second in _pairs_sharing_a_chunk(own, other, is_same=probes is None):
            is_near = _are_near(own.words, other.words, first, second, radius)
            rows, other_rows = own.rows[first[is_near]], other.rows[second[is_near]]
            if probes is None:
                rows, other_rows = np.minimum(rows, other_rows), np.maximum(rows, other_rows)
            near.append(rows * len(others) + other_rows)
        pairs = np.unique(np.concatenate(near))
    return np.stack(np.divmod(pairs, max(len(others), 1)), axis=1)


@dataclass(frozen=True)
class _Buckets:
    """Hashes sorted by one of their chunks, so that those of a bucket are adjacent in memory.

    Args:
        keys: (N,) chunk of each hash, ascending.
        rows: (N,) row numbers of the hashes.
        words: uint64 (4, N), the hashes.
    """

    keys: NDArray[np.int64]
    rows: NDArray[np.int64]
    words: Hashes

    @classmethod
    def sort(cls, hashes: Hashes, keys: NDArray[np.int64]) -> "_Buckets":
        """Sort hashes (N, 4) by their chunks (N,)."""
        rows = np.argsort(keys, kind="stable")
        return cls(keys[rows], rows, np.ascontiguousarray(hashes[rows].T))


def _are_near(
    words: Hashes, other_words: Hashes, first: NDArray[np.int64], second: NDArray[np.int64], radius: int
) -> NDArray[np.int64]:
    """Indices of those of P pairs that differ by at most `radius` bits; half of the bits rules most pairs out."""
    distance = np.bitwise_count(words[0][first] ^ other_words[0][second])
    distance += np.bitwise_count(words[1][first] ^ other_words[1][second])
    left = np.flatnonzero(distance <= radius)
    rest = sum(np.bitwise_count(words[part][first[left]] ^ other_words[part][second[left]]) for part in (2, 3))
    return left[distance[left].astype(np.int64) + rest <= radius]


def _chunks(hashes: Hashes) -> NDArray[np.int64]:
    """The 16 chunks (16, N) of each hash, numbers below 2 ** 16, after its bits are shuffled."""
    bits = np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8), axis=1)[:, _SHUFFLED]
    halves = np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u2")  # (N, 16)
    return np.ascontiguousarray(halves.T).astype(np.int64)


def _pairs_sharing_a_chunk(
    index: _Buckets, probes: _Buckets, *, is_same: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Positions in `index` and `probes` of hashes whose chunks differ by at most one bit, in blocks; each pair once.

    Args:
        index: The indexed hashes.
        probes: The hashes to look up.
        is_same: Whether both are the same; then each pair of two hashes is given in one order.
    """
    counts = np.bincount(index.keys, minlength=1 << CHUNK_BITS)
    starts = np.cumsum(counts) - counts
    start, count = starts[probes.keys], counts[probes.keys]
    if is_same:
        later = np.arange(1, len(probes.keys) + 1)
        start, count = later, start + count - later
    yield from _list_pairs(start, count)
    for bit in range(CHUNK_BITS):
        flipped = probes.keys ^ (1 << bit)
        count = counts[flipped]
        if is_same:
            count[flipped > probes.keys] = 0
        yield from _list_pairs(starts[flipped], count)


def _list_pairs(
    start: NDArray[np.int64], count: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pair each probe with the `count` positions of the index from `start` on; yield the pairs in blocks."""
    for block in _split_by_sum(count, _BLOCK):
        counts = count[block]
        shift = start[block] - (np.cumsum(counts) - counts)
        yield np.arange(counts.sum()) + np.repeat(shift, counts), np.repeat(block, counts)


def _split_by_sum(counts: NDArray[np.int64], limit: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of non-zero counts in blocks whose counts add up to about `limit` or less."""
    nonzero = np.flatnonzero(counts)
    ends = np.flatnonzero(np.diff(np.cumsum(counts[nonzero]) // limit)) + 1
    yield from (block for block in np.split(nonzero, ends) if len(block))


def _lowest_frequencies() -> NDArray[np.int64]:
    """Flat indices, in the lower quarter of the cosine transform, of the frequencies of the hash."""
    axis = np.arange(_SIDE // 2)
    frequency = np.hypot(axis[:, None], axis[None]).ravel()
    ascending = np.argsort(frequency, kind="stable")
    return ascending[frequency[ascending] >= _LOWEST][:NUM_BITS]


_FREQUENCIES = _lowest_frequencies()
_SHUFFLED = np.random.default_rng(0).permutation(NUM_BITS)  # because errors of neighbouring frequencies correlate
