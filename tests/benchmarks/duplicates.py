"""Time of the search for near duplicates, and the share of planted copies of real photographs that it finds.

python tests/benchmarks/duplicates.py                     the search among random hashes
python tests/benchmarks/duplicates.py DATA [PHOTOGRAPHS]  planted copies of a data set's photographs, too
"""

import resource
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from timing import build_parser

from drkit.duplicates.hashing import RADIUS, Hashes, find_candidates, find_neighbours, hamming_distance, hash_photograph
from drkit.duplicates.registration import Similarity, compare, prepare
from drkit.duplicates.search import are_copies
from drkit.duplicates.stats import DECODED_SIDE
from drkit.images.files import Photograph, encode_photograph, read_photograph
from drkit.images.reduced import decode_reduced
from drkit.records.layouts import read_dataset

NUM_HASHES = 100_000
FLIPPED = (5, 10, 15, 20, 25, 30, 35, 40, 45)  # bits in which planted neighbours differ
PLANTED_EACH = 200
ALL_PAIRS_PART = 4_000  # hashes of which all pairs are compared


def plant_neighbours(num_hashes: int, generator: np.random.Generator) -> tuple[Hashes, dict[int, np.ndarray]]:
    """Random hashes, with 200 pairs for each number of flipped bits."""
    bits = generator.integers(0, 2, (num_hashes, 256), dtype=np.uint8)
    rows = generator.permutation(num_hashes)[: 2 * PLANTED_EACH * len(FLIPPED)].reshape(len(FLIPPED), PLANTED_EACH, 2)
    for flipped, pairs in zip(FLIPPED, rows, strict=True):
        for first, second in pairs:
            bits[second] = bits[first]
            bits[second, generator.choice(256, flipped, replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64), dict(zip(FLIPPED, np.sort(rows, axis=2), strict=True))


def time_search(num_hashes: int) -> None:
    """Search random hashes, and compare all pairs of a part of them."""
    hashes, planted = plant_neighbours(num_hashes, np.random.default_rng(0))
    before, start = _peak_mib(), time.process_time()
    pairs = find_neighbours(hashes, hashes)
    seconds = time.process_time() - start
    found = set(map(tuple, pairs.tolist()))
    recall = {flipped: np.mean([tuple(pair) in found for pair in rows.tolist()]) for flipped, rows in planted.items()}
    num_pairs = (len(pairs) - num_hashes) // 2  # each pair twice, and each hash with itself
    print(f"{num_hashes} hashes: {seconds:.1f} s of one core, {_peak_mib() - before:.0f} MiB more, {num_pairs} pairs")
    print("(an audit searches three times: as they are, and against those shifted right and down)")
    print("planted neighbours found by bits apart:", {flipped: f"{share:.3f}" for flipped, share in recall.items()})
    all_pairs = time_all_pairs(hashes[:ALL_PAIRS_PART]) * (num_hashes / ALL_PAIRS_PART) ** 2
    print(f"all pairs, from a part of {ALL_PAIRS_PART}: {all_pairs:.0f} s, {all_pairs / seconds:.0f} times as long")


def time_all_pairs(hashes: Hashes) -> float:
    """Seconds to compare all pairs, one row at a time."""
    start = time.process_time()
    for row in range(len(hashes) - 1):
        (hamming_distance(hashes[row + 1 :], hashes[row]) <= RADIUS).nonzero()
    return time.process_time() - start


def shift(photograph: Photograph, right: float, down: float) -> Photograph:
    """Shift by fractions of the sides; uncovered pixels have the colour of the border."""
    height, width = photograph.shape[:2]
    return _warp(photograph, np.array([[1, 0, right * width], [0, 1, down * height]]))


def turn(photograph: Photograph, degrees: float) -> Photograph:
    """Rotate about the centre."""
    height, width = photograph.shape[:2]
    return _warp(photograph, cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1))


def halve(photograph: Photograph) -> Photograph:
    """Reduce to half the size."""
    return cv2.resize(photograph, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _jpeg(photograph: Photograph, quality: int) -> bytes:
    return cv2.imencode(".jpg", photograph[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _warp(photograph: Photograph, matrix: np.ndarray) -> Photograph:
    size = (photograph.shape[1], photograph.shape[0])
    return cv2.warpAffine(photograph, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)


COPIES: Mapping[str, Callable[[Photograph], bytes]] = {
    "re-encoded q50": lambda photograph: _jpeg(photograph, 50),
    "scaled 0.5": lambda photograph: encode_photograph(halve(photograph), ".jpg"),
    "shifted 3 %": lambda photograph: encode_photograph(shift(photograph, 0.03, 0), ".jpg"),
    "shifted -3 %": lambda photograph: encode_photograph(shift(photograph, 0, -0.03), ".jpg"),
    "turned 1 degree": lambda photograph: encode_photograph(turn(photograph, 1), ".jpg"),
    "turned -1 degree": lambda photograph: encode_photograph(turn(photograph, -1), ".jpg"),
    "all at once": lambda photograph: _jpeg(turn(shift(halve(photograph), 0.03, 0.03), 1), 50),
}


def measure_copy(path: Path) -> dict[str, tuple[int, Similarity, bool]]:
    """Number of different bits and correlation of each copy, and whether the index finds the pair."""
    original = _look(path.read_bytes())
    results = {}
    for name, make in COPIES.items():
        copy = _look(make(read_photograph(path)))
        bits = int(min(*hamming_distance(original[0][0], copy[0]), *hamming_distance(original[0], copy[0][0])))
        met = len(find_candidates(np.stack([original[0], copy[0]]))) == 1
        results[name] = (bits, compare(original[1], copy[1]), met)
    return results


def count_planted(data: Path, num_photographs: int) -> None:
    """Recall on planted copies of even patients, on which the thresholds were chosen, and of odd ones."""
    rows = read_dataset(data).rows
    even = rows["patient_id"].astype(int) % 2 == 0
    for whose, part in (("even", rows[even]), ("odd", rows[~even])):
        paths = [Path(path) for path in part["path"].sample(num_photographs, random_state=0)]
        with ThreadPoolExecutor() as pool:
            measured = list(pool.map(measure_copy, paths))
        print(f"{len(paths)} photographs of {whose} patients")
        print("  copy, bits apart (median, 99 %, most), five least correlations, share found")
        for name in COPIES:
            _print_copy(name, [results[name] for results in measured])


def _print_copy(name: str, results: list[tuple[int, Similarity, bool]]) -> None:
    bits = np.array([result[0] for result in results])
    correlations = np.sort([likeness.structure for _, likeness, _ in results])
    found = np.mean([met and are_copies(likeness) for _, likeness, met in results])
    spread = ", ".join(f"{value:.0f}" for value in (np.median(bits), np.percentile(bits, 99), bits.max()))
    lowest = " ".join(f"{correlation:.3f}" for correlation in correlations[:5])
    print(f"  {name:17s} {spread:12s}  {lowest}  {found:.4f}", flush=True)


def _look(content: bytes) -> tuple[Hashes, np.ndarray]:
    photograph = decode_reduced(content, "photograph", DECODED_SIDE)[0].pixels
    return hash_photograph(photograph), prepare(photograph)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Time the search; with a data set, also count the planted copies that it finds."""
    parser = build_parser(__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("photographs", type=int, nargs="?", default=200)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    time_search(ALL_PAIRS_PART if options.quick else NUM_HASHES)
    if options.data:
        count_planted(options.data, options.photographs)


if __name__ == "__main__":
    main()
