"""Time of an ensemble's work except fitting meta-learners, and of the same search as a loop over scikit-learn's kappa.

Run: python tests/benchmarks/ensemble.py [PHOTOGRAPHS] [MEMBERS] [--compare]
"""

import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score
from timing import build_parser

from drkit.cut_points import fit_steady_cut_points
from drkit.data.folds import assign_folds
from drkit.decisions import normal_probabilities
from drkit.ensembling.blend import Vote
from drkit.ensembling.comparison import compare_methods, measure_gains
from drkit.ensembling.members import read_members
from drkit.ensembling.nested_cv import build_nested_cv, cross_val_predict
from drkit.ensembling.pooling import Pooling, build_pooler
from drkit.ensembling.search import MIN_GAIN, round_grades, search_simplex, select_greedily
from drkit.ensembling.weight import Weight, mix_probabilities
from drkit.evaluation.agreement import measure_agreement
from drkit.records.labels import Labels, build_rows
from drkit.records.predictions import PredictionsMeta, build_predictions, write_predictions

META = PredictionsMeta(
    target="patient",
    unit="image",
    decision="rounding",
    cut_points=None,
    trained_on=("train",),
    folds=0,
    chosen_on="last",
    model="drawn",
    checkpoint_sha256=None,
    labels_sha256=None,
)


def write_members(folder: Path, photographs: int, members: int) -> list[Path]:
    """Members that differ by noise, with four photographs per patient, all in val."""
    generator = np.random.default_rng(0)
    patients = photographs // 4
    grade = generator.choice(5, patients, p=(0.3, 0.2, 0.2, 0.2, 0.1)).repeat(4)
    rows = build_rows(
        image_id=[f"{p}_{e}{v}" for p in range(patients) for e in "lr" for v in (1, 2)],
        path=[""] * len(grade),
        patient_id=np.arange(patients).repeat(4).astype(str),
        eye=["left", "left", "right", "right"] * patients,
        view=[1, 2] * 2 * patients,
        patient_grade=grade,
        split=["val"] * len(grade),
    )
    labels = Labels(rows, Path("/nowhere"), "drawn", ("patient",))
    paths = []
    for member in range(members):
        score = np.clip(grade + generator.normal(0, 0.6 + 0.08 * member, len(grade)), 0, 4)
        answers = {"probabilities": normal_probabilities(score, 0.7), "score": score}
        paths.append(folder / f"m{member}.parquet")
        write_predictions(build_predictions(labels, meta=replace(META), name=f"m{member}", **answers), paths[-1])
    return paths


def timed(what: str, work: Callable[[], object]) -> object:
    """Do the work and print how long it took."""
    start, busy = time.perf_counter(), time.process_time()
    result = work()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    took, used = time.perf_counter() - start, time.process_time() - busy
    print(f"{took:8.2f} s  {used:8.2f} s of a core  {what}  (memory so far {memory:.2f} GiB)", flush=True)
    return result


def loop_greedily(scores: np.ndarray, reference: np.ndarray, steps: int) -> np.ndarray:
    """The same greedy selection with one call of scikit-learn per candidate; return the best prefix."""
    total, taken = np.zeros(len(scores)), np.zeros(scores.shape[1], dtype=int)
    best, highest = taken, -np.inf
    for step in range(1, steps + 1):
        kappas = [
            cohen_kappa_score(reference, round_grades((total + column) / step), labels=range(5), weights="quadratic")
            for column in scores.T
        ]
        chosen = int(np.argmax(kappas))
        taken[chosen] += 1
        total += scores[:, chosen]
        if kappas[chosen] > highest + MIN_GAIN:
            best, highest = taken.copy(), kappas[chosen]
    return best


def main() -> None:
    """Print a line for each part."""
    parser = build_parser(__doc__)
    parser.add_argument("photographs", type=int, nargs="?", default=90_000)
    parser.add_argument("members", type=int, nargs="?", default=10)
    parser.add_argument("--compare", action="store_true", help="Time the comparison of all methods, too.")
    options = parser.parse_args()
    photographs, members = (400, 3) if options.quick else (options.photographs, options.members)
    with tempfile.TemporaryDirectory() as folder:
        paths = write_members(Path(folder), photographs, members)
        print(f"{members} members, {photographs} photographs")
        began, busy = time.perf_counter(), time.process_time()
        joined = timed("read and join", lambda: read_members(paths))
        pooler = timed("no joining", lambda: build_pooler(joined, Pooling()))
        timed("join by patient", lambda: build_pooler(joined, Pooling("patient")))
        cv = timed("nested folds", lambda: build_nested_cv(pooler, 5, 0))
        features, truth = cv.pooled.training, cv.truth
        timed("folds", lambda: assign_folds(truth.reference, truth.patients, 5, 0))
        timed("weights for kappa", lambda: search_simplex(features.scores, truth.reference))
        timed("weights for log loss", lambda: mix_probabilities(features.probabilities, truth.reference))
        bags = np.random.default_rng(0).multinomial(len(truth) // 4, [4 / len(truth)] * (len(truth) // 4), size=20)
        weights = bags.T.repeat(4, axis=0)
        timed(
            "greedy selection, 20 bags of 15",
            lambda: select_greedily(features.scores, truth.reference, weights, steps=15),
        )
        timed("cut points", lambda: fit_steady_cut_points(features.scores.mean(1), truth.reference, truth.patients, 0))
        grades = features.grades.T
        timed("agreement with intervals", lambda: measure_agreement(truth.reference, grades[0], truth.patients))
        timed(
            "paired differences of all members",
            lambda: measure_gains(truth.reference, grades, truth.patients, 0, num_resamples=2000, seed=0),
        )
        for method in (Vote(), Weight("kappa"), Weight("log-loss"), Weight("greedy")):
            timed(f"nested: {method}", lambda method=method: cross_val_predict(cv, method, "cut_points"))
        took, used = time.perf_counter() - began, time.process_time() - busy
        print(f"{took:8.2f} s  {used:8.2f} s of a core  all of the above")
        few = np.arange(min(2000, len(truth)))
        one = np.ones((len(few), 1), dtype=int)
        start = time.process_time()
        ours = select_greedily(features.scores[few], truth.reference[few], one, steps=15)[0]
        middle = time.process_time()
        theirs = loop_greedily(features.scores[few], truth.reference[few], 15)
        ratio = (time.process_time() - middle) / (middle - start)
        print(f"greedy selection on {len(few)} photographs: {ratio:.0f} times as fast as a loop over scikit-learn;")
        print(f"  drkit takes {ours.tolist()}, the loop {theirs.tolist()}")
        if options.compare:
            timed("compare, all of it", lambda: compare_methods(cv, "rounding", num_resamples=2000))


if __name__ == "__main__":
    main()
