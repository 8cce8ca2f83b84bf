"""Time of the bootstrap over patients, compared with a loop over scikit-learn's kappa."""

import time

import numpy as np
from sklearn.metrics import cohen_kappa_score
from timing import build_parser

from drkit.intervals import PatientBootstrap, interval
from drkit.metrics import quadratic_weighted_kappa

RESAMPLES = 2000
LOOPED = 200  # resamples of the loop, which would take too long for all


def draw_photographs(num_patients: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference grade, predicted grade and patient of four photographs per patient, as of a good run."""
    generator = np.random.default_rng(0)
    reference = np.repeat(generator.choice(5, num_patients, p=(0.3, 0.2, 0.2, 0.2, 0.1)), 4)
    error = generator.choice((-1, 0, 1), len(reference), p=(0.15, 0.7, 0.15))
    return reference, np.clip(reference + error, 0, 4), np.repeat(np.arange(num_patients), 4)


def bootstrap(reference: np.ndarray, predicted: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Resampled kappas, computed from counts."""
    return quadratic_weighted_kappa(PatientBootstrap.of(reference, predicted, patients).resample(RESAMPLES)[:, 0])


def loop(reference: np.ndarray, predicted: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Resampled kappas, with one call of scikit-learn per resample."""
    generator = np.random.default_rng(0)
    rows = np.argsort(patients, kind="stable").reshape(-1, 4)  # (P, 4)
    kappas = []
    for _ in range(LOOPED):
        drawn = rows[generator.integers(0, len(rows), len(rows))].ravel()
        kappas.append(cohen_kappa_score(reference[drawn], predicted[drawn], labels=range(5), weights="quadratic"))
    return np.array(kappas)


def main() -> None:
    """Print both times for a course's validation split and for a large screening set."""
    sizes = (100,) if build_parser(__doc__).parse_args().quick else (100, 2_000, 22_500)
    for num_patients in sizes:
        photographs = draw_photographs(num_patients)
        start = time.perf_counter()
        counted = bootstrap(*photographs)
        middle = time.perf_counter()
        looped = loop(*photographs)
        ours_s, loop_s = middle - start, (time.perf_counter() - middle) * RESAMPLES / LOOPED
        low, high = interval(counted)
        print(
            f"{num_patients:6d} patients, {RESAMPLES} resamples: drkit {ours_s:.3f} s, loop {loop_s:.1f} s,"
            f" {loop_s / ours_s:.0f} times; intervals {low:.4f}-{high:.4f}"
            f" and {interval(looped)[0]:.4f}-{interval(looped)[1]:.4f}"
        )


if __name__ == "__main__":
    main()
