"""How often an interval over patients and seeds holds the true difference of two ways to train.

Figures of trainings are simulated: effects of patients, of seeds, and of a seed on a patient, all normal; both ways
are the same, so that the true difference is 0. "S draws" is what drawing as many seeds as there are would give.
"""

import argparse

import numpy as np
from timing import build_parser

from drkit.intervals import interval, mean_of_drawn_seeds

EFFECTS = ((1, 0, 0.5), (1, 0.05, 0.5), (1, 0.1, 1), (1, 0.2, 1), (0.5, 0.2, 0.5))  # of patients, seeds, and both


def simulate(num_seeds: int, effects: tuple[float, float, float], options: argparse.Namespace, seed: int) -> np.ndarray:
    """(2, R) differences on resamples: drawn as drkit draws seeds, and as many as there are."""
    generator = np.random.default_rng(seed)
    shape, (patients, seeds, both) = (options.patients, num_seeds), effects
    ways = [
        generator.normal(0, patients, (shape[0], 1))
        + generator.normal(0, seeds, (1, num_seeds))
        + generator.normal(0, both, shape)
        for _ in range(2)
    ]
    weights = generator.multinomial(shape[0], np.full(shape[0], 1 / shape[0]), size=options.resamples) / shape[0]
    figures = [weights @ way for way in ways]
    plain = [_draw_all(figure, generator) for figure in figures]
    ours = [mean_of_drawn_seeds(figure, generator) for figure in figures]
    return np.stack([ours[1] - ours[0], plain[1] - plain[0]])


def _draw_all(figures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    drawn = generator.integers(figures.shape[1], size=figures.shape)
    return np.take_along_axis(figures, drawn, axis=1).mean(1)


def main() -> None:
    """Print a row for each setting."""
    parser = build_parser(__doc__)
    for name, default in (("patients", 100), ("resamples", 400), ("trials", 400)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    if options.quick:
        options.patients, options.resamples, options.trials = 8, 20, 2
    print(
        "seeds a side, effects of patients, seeds, both: share of intervals that hold 0, drawn as drkit does / S draws"
    )
    for num_seeds in (2, 3, 5):
        for effects in EFFECTS:
            held = np.zeros(2)
            for trial in range(options.trials):
                ends = [interval(gains) for gains in simulate(num_seeds, effects, options, trial)]
                held += [low <= 0 <= high for low, high in ends]
            ours, plain = held / options.trials
            print(f"{num_seeds}  {effects}: {ours:.3f} / {plain:.3f}")


if __name__ == "__main__":
    main()
