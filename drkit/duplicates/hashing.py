"""A 256-bit hash of the fundus, and the neighbours among many hashes without comparing all pairs."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from drkit.images.disc import square_about_disc
from drkit.images.files import Photograph

Hashes = NDArray[np.uint64]  # (..., 4): 256 bits each
Pairs = NDArray[np.int64]  # (P, 2) rows
Plane = NDArray[np.float32]  # (S, S): one channel, contrast evened out, 0 outside the disc

NUM_BITS = 256
RADIUS = 45  # bits that copies of one photograph may differ in; docs/auditing.md tells how it was chosen
CHUNK_BITS = 16  # hashes meet where one of 16 chunks is equal but for one bit: within 31 bits they always do

_SIDE = 64
_SHIFT = 2  # of _SIDE
_BLUR = 4.0  # of _SIDE: what is wider than this is lighting, not fundus
_DISC = 0.46  # of a side: radius inside which the fundus lies, whatever the camera's mask
_LIT = 20  # grey levels by which retina differs from the surround
_MIN_LIT = 0.3  # of a row inside the disc, for it to show retina
_MARGIN = 0.02  # of a side: where a cut's edge is still felt
_LOWEST = 3.0  # of the cosine frequencies: below it all fundi look alike
_BLOCK = 250_000  # candidate pairs compared at a time: bounds the memory, and stays in the cache


def hash_photograph(photograph: Photograph, *, round_disc: bool = False) -> Hashes:
    """Hash the fundus: signs of 256 low frequencies of the contrast-evened green channel about the disc.

    The same but for a few bits after re-encoding, resizing, and turns of a degree; about half of the bits
    differ between two fundi. Where the disc's edge is not seen, a shift stays a shift: hence the other hashes.

    Args:
        photograph: uint8 (H, W, 3) RGB.
        round_disc: Undo the squashing of a disc that is an ellipse: then a photograph and its copy of another aspect
            ratio have one hash, too.

    Returns:
        uint64 (3, 4): as it is, shifted to the right, and shifted down, each by 3 % of the disc.
    """
    square = square_about_disc(_shrink(photograph), _SIDE, round_disc=round_disc)
    plane = even_contrast(square[..., 1], mask_retina(square), blur=_BLUR, floor=1.5)
    shifted = [np.roll(plane, shift, axis) for shift, axis in ((0, 0), (_SHIFT, 1), (_SHIFT, 0))]
    frequencies = np.stack([cv2.dct(each)[: _SIDE // 2, : _SIDE // 2].ravel()[_FREQUENCIES] for each in shifted])
    return np.packbits(frequencies > 0, axis=1).view(np.uint64)


def _shrink(photograph: Photograph) -> Photograph:
    """No larger than the hash needs: the disc is found faster."""
    scale = 2 * _SIDE / min(photograph.shape[:2])
    if scale >= 1:
        return photograph
    smaller = cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return smaller.astype(np.uint8, copy=False)


def even_contrast(channel: NDArray[np.uint8], mask: Plane, *, blur: float, floor: float) -> Plane:
    """Take away the lighting and divide by the local contrast, where the retina is.

    Args:
        channel: uint8 (S, S).
        mask: float32 (S, S), 1 where the retina is, 0 elsewhere.
        blur: Width in pixels of what counts as lighting.
        floor: Grey levels added to the contrast, so that noise in the dark is not blown up.
    """
    grey = channel.astype(np.float32)
    share = cv2.GaussianBlur(mask, (0, 0), blur) + 1e-6
    detail = (grey - cv2.GaussianBlur(grey * mask, (0, 0), blur) / share) * mask
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), blur) / share) + floor
    return np.clip(detail / contrast, -3, 3).astype(np.float32)


def mask_retina(square: Photograph) -> Plane:
    """Where a square about the disc (S, S, 3) shows retina: float32 (S, S), 1 there and 0 elsewhere.

    A disc that the camera's frame cuts off leaves bands without retina; their straight edges stay where they are
    when the eye is shifted, and must not count.
    """
    disc = _mask_disc(len(square))
    outside = square[_mask_disc(len(square), 0.5) == 0]
    lit = (np.abs(square - np.median(outside, axis=0)).max(axis=2) > _LIT) * disc
    rows, columns = (_mask_cuts(lit.sum(axis=axis), disc.sum(axis=axis)) for axis in (1, 0))
    mask = disc * rows[:, None] * columns[None]
    return mask if mask.sum() > 0.5 * disc.sum() else disc  # no surround to tell the retina from


def _mask_disc(side: int, radius: float = _DISC) -> Plane:
    offset = np.arange(side, dtype=np.float32) - (side - 1) / 2
    return (np.hypot(offset[:, None], offset[None]) < radius * side).astype(np.float32)


def _mask_cuts(lit: Plane, inside: Plane) -> Plane:
    """Of rows (or columns), 1 between the first and last that are lit, less a margin where the disc goes on."""
    within = np.flatnonzero(inside)
    seen = np.flatnonzero(lit > _MIN_LIT * inside)
    mask = np.zeros_like(inside)
    if len(seen):
        margin = max(1, round(_MARGIN * len(inside)))
        first = seen[0] + margin * (seen[0] > within[0])
        last = seen[-1] - margin * (seen[-1] < within[-1])
        mask[first : last + 1] = 1
    return mask


def hamming_distance(first: Hashes, second: Hashes) -> NDArray[np.int64]:
    """Number of differing bits of hashes (..., 4)."""
    return _count_ones(first ^ second).sum(axis=-1, dtype=np.int64)


def _count_ones(words: Hashes) -> NDArray[np.uint8]:
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.bitwise_count(words)
    return _ONES[words.view(np.uint16)]


def find_candidates(variants: Hashes, radius: int = RADIUS) -> Pairs:
    """Pairs of photographs whose hashes are at most `radius` bits apart, one of the two as it is or shifted.

    Args:
        variants: uint64 (N, V, 4), as `hash_photograph` gives.
        radius: Bits.

    Returns:
        (P, 2) rows i < j in rising order, each pair once.
    """
    index = variants[:, 0]
    neighbours = [find_neighbours(index, variants[:, shifted], radius) for shifted in range(variants.shape[1])]
    pairs = np.sort(np.concatenate(neighbours), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def find_neighbours(index: Hashes, probes: Hashes, radius: int = RADIUS) -> Pairs:
    """Rows of `index` and `probes` at most `radius` bits apart, by an index on each chunk (multi-index hashing).

    Those within 31 bits are always found; beyond, nearly always (at 45 random bits 97 of 100).

    Args:
        index: uint64 (N, 4).
        probes: uint64 (M, 4).
        radius: Bits.

    Returns:
        (P, 2), row of `index` and row of `probes`, each pair once.

    Source: Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.
    """
    near_pairs = [np.empty((0, 2), np.int64)]
    for pairs in _meetings(_chunks(index), _chunks(probes)):
        near = hamming_distance(index[pairs[:, 0]], probes[pairs[:, 1]]) <= radius
        near_pairs.append(pairs[near])
    return np.unique(np.concatenate(near_pairs), axis=0)


def _chunks(hashes: Hashes) -> NDArray[np.int64]:
    """(16, N): each hash cut into numbers below 2 ** 16, the bits shuffled first."""
    bits = np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8), axis=1)[:, _SHUFFLED]
    halves = np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u2")  # (N, 16)
    return np.ascontiguousarray(halves.T).astype(np.int64)


def _meetings(index: NDArray[np.int64], probes: NDArray[np.int64]) -> Iterator[Pairs]:
    """Rows with a chunk in common but for at most one bit, in blocks; pairs may come again."""
    flips = (0, *(1 << bit for bit in range(CHUNK_BITS)))
    for keys, probe_keys in zip(index, probes, strict=True):
        order = np.argsort(keys, kind="stable")
        counts = np.bincount(keys, minlength=1 << CHUNK_BITS)
        starts = np.cumsum(counts) - counts
        for flipped in flips:
            yield from _join(order, starts[probe_keys ^ flipped], counts[probe_keys ^ flipped])


def _join(order: NDArray[np.int64], start: NDArray[np.int64], count: NDArray[np.int64]) -> Iterator[Pairs]:
    """Of every probe the `count` rows that `order` holds from `start` on."""
    for block in _split_by_sum(count, _BLOCK):
        counts = count[block]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        yield np.stack([order[np.repeat(start[block], counts) + within], np.repeat(block, counts)], axis=1)


def _split_by_sum(counts: NDArray[np.int64], limit: int) -> Iterator[NDArray[np.int64]]:
    """Indices of non-zero counts, in runs whose counts add up to about `limit` or less."""
    some = np.flatnonzero(counts)
    turns = np.flatnonzero(np.diff(np.cumsum(counts[some]) // limit)) + 1
    yield from (run for run in np.split(some, turns) if len(run))


def _lowest_frequencies() -> NDArray[np.int64]:
    """Flat indices, into the lower quarter of the cosine transform, of the frequencies that make the hash."""
    axis = np.arange(_SIDE // 2)
    height = np.hypot(axis[:, None], axis[None]).ravel()
    rising = np.argsort(height, kind="stable")
    return rising[height[rising] >= _LOWEST][:NUM_BITS]


_FREQUENCIES = _lowest_frequencies()
_SHUFFLED = np.random.default_rng(0).permutation(NUM_BITS)  # neighbouring frequencies err together
_ONES = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)
