"""Convert values of more than 8 bits, and floats, to 8 bits."""

import numpy as np
from numpy.typing import NDArray

from drkit.images.decoders.base import CannotDecodeError, FileRemark

DEPTHS = (8, 10, 12, 14, 16)  # bits of cameras and scanners, stored in two bytes
_ROUNDING = 0.02  # share of a float's range that resampling may exceed


def as_bytes(
    values: NDArray[np.generic], bits: int, stated: int | None = None
) -> tuple[NDArray[np.uint8], list[FileRemark]]:
    """Convert values of any type to 0-255.

    Integers of more than 8 bits lose their lowest bits. The number of bits in use is what the file states, if its
    values do not exceed it; otherwise it is inferred from the largest value, unless that needs all bits or all values
    are widened 8-bit ones. Without this a 12-bit photograph stored in 16 bits would be nearly black. Floats are from 0
    to 1, or in the range of such integers.

    Args:
        values: Values of any shape and type.
        bits: Number of bits in which a value is stored.
        stated: Number of bits in use, as the file states it; None if it does not.

    Returns:
        Values of the same shape, and a remark if the depth was inferred from the largest value.

    Raises:
        CannotDecodeError: values are negative, infinite or undefined, or floats are larger than 65535.
    """
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255), []
    if values.dtype == np.uint8 and (stated or 8) >= 8:
        return values.astype(np.uint8, copy=False), []
    if not values.size:
        raise CannotDecodeError("holds no pixels: copy or download it again")
    if np.issubdtype(values.dtype, np.floating):
        return _as_bytes_of_floats(values)
    if values.min() < 0:
        raise CannotDecodeError("holds negative values: save it as an 8-bit or 16-bit photograph")
    return _as_bytes_of_integers(values, bits, stated)


def _as_bytes_of_integers(
    values: NDArray[np.generic], bits: int, stated: int | None
) -> tuple[NDArray[np.uint8], list[FileRemark]]:
    largest = int(values.max())
    if stated and stated < bits and largest < 2**stated:
        return _drop_bits(values, stated), []
    depth = next((depth for depth in (*DEPTHS, bits) if largest < 2**depth), bits)
    if depth >= bits or largest == 0 or (bits == 16 and any(not np.mod(values, factor).any() for factor in (256, 257))):
        return _drop_bits(values, bits), []
    return _drop_bits(values, depth), [
        FileRemark(
            "depth-inferred", f"read as {depth}-bit values stored in {bits} bits, because the largest is {largest}"
        )
    ]


def _drop_bits(values: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    if bits < 8:
        return (values.astype(np.uint32) * 255 // (2**bits - 1)).astype(np.uint8)
    return np.right_shift(values, values.dtype.type(bits - 8)).astype(np.uint8)


def _as_bytes_of_floats(values: NDArray[np.generic]) -> tuple[NDArray[np.uint8], list[FileRemark]]:
    low, high = float(values.min()), float(values.max())
    top = next((float(top) for top in (1, *(2**depth - 1 for depth in DEPTHS)) if high <= top * (1 + _ROUNDING)), 0.0)
    if not top or low < -_ROUNDING * top:  # comparisons with NaN are false
        raise CannotDecodeError(
            f"holds fractions from {low:g} to {high:g}: expected 0 to 1, or 0 to 255: save it as an 8-bit or"
            " 16-bit photograph"
        )
    remark = FileRemark("depth-inferred", f"fractions, read as from 0 to {top:g} because the largest is {high:g}")
    scaled = np.asarray(values, np.float64) * (255 / top)
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8), [remark]
