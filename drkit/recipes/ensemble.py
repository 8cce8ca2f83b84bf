"""`drkit ensemble`: combine predictions of the same photographs, and score them on held-out patients."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drkit.config.ensemble import EnsembleConfig
from drkit.ensembling.blend import Blend, Vote
from drkit.ensembling.combiner import Method
from drkit.ensembling.members import Members, read_members
from drkit.ensembling.nested_cv import common_decision
from drkit.ensembling.pooling import PhotographPooler, build_pooler, pooling_from_options
from drkit.ensembling.results import EnsembleResult, build_predictions, build_record, predict_nested, predict_unfitted
from drkit.ensembling.serialization import describe_method, name_method, write_ensemble
from drkit.errors import UsageError, first_few
from drkit.evaluation.agreement import KAPPA_UNDEFINED, Agreement, measure_agreement, with_interval
from drkit.grades import SPLITS, Target
from drkit.progress import warn
from drkit.records.atomic import check_writable
from drkit.records.ensembles import record_path
from drkit.records.locks import locking
from drkit.records.predictions import Predictions, write_predictions
from drkit.reporting import Table, as_json

# How a prediction becomes a grade, in words.
VOTES = {
    "hard": "the grade that most members give, ties broken by the mean score",
    "median": "the median of the members' grades, ties broken by the mean score",
    "adaboost": "the grade with the largest weighted vote",
}
DECISIONS = {
    "argmax": "the most probable grade",
    "median": "the median grade of the probabilities",
    "rounding": "the rounded score",
}


@dataclass(frozen=True, kw_only=True)
class EnsembleReport:
    """The ensemble that was written, and its agreement with the reference grades.

    Args:
        ensemble: The JSON with all its parameters.
        predictions: The predictions file.
        method: Name of the method.
        members: Names of the members.
        target: Whose grade is predicted.
        fuse: How photographs were pooled: none, eye or patient.
        settings: Settings of the method, including those that were chosen automatically.
        weights: Weight of each member; None if the method has none.
        decision: How a prediction becomes a grade.
        cut_points: Cut points of the decision `cut_points`.
        photographs: Number of photographs by split.
        fitted_on: Number of photographs whose reference grades were fitted to; 0 if nothing is fitted.
        nested: Agreement on the graded photographs, each predicted by a fit without its patient; None without grades.
        naive: Agreement of the final fit on the photographs that it was fitted to, only for contrast; None if nothing
            is fitted.
        remarks: Caveats of the figures.
    """

    ensemble: Path
    predictions: Path
    method: str
    members: tuple[str, ...]
    target: Target
    fuse: str
    settings: dict[str, Any]
    weights: dict[str, float] | None
    decision: str
    cut_points: tuple[float, ...] | None
    photographs: dict[str, int]
    fitted_on: int
    nested: Agreement | None
    naive: Agreement | None
    remarks: tuple[str, ...]

    def render(self) -> Iterator[str | Table]:
        """Return members, weights, agreement and decision."""
        yield f"{self.method} of {', '.join(self.members)}, for the {self.target}'s grade"
        if self.weights:
            rows = [(name, f"{weight:.3f}") for name, weight in self.weights.items()]
            yield Table("Weights", ("member", "weight"), rows)
        if self.nested:
            yield _agreement_table(self.nested, self.naive)
        yield from self.remarks
        yield f"grades: {self._describe_decision()}"
        yield f"wrote {self.predictions} and {self.ensemble}"

    def _describe_decision(self) -> str:
        if self.cut_points is not None:
            return f"by cut points {', '.join(f'{point:.2f}' for point in self.cut_points)}"
        method = self.settings.get("of", self.settings)  # a bag decides as its base method does
        return VOTES.get(method.get("how") or method.get("learner"), DECISIONS[self.decision])


def run_ensemble(files: Sequence[Path], method: Method, config: EnsembleConfig) -> EnsembleReport:
    """Combine predictions files, and write the result as a predictions file and a JSON with all its numbers.

    Graded photographs of train and val are predicted by a fit without their outer fold, all others by the fit to all
    graded photographs.

    Args:
        files: Predictions, runs or glob patterns.
        method: How they are combined.
        config: All other options.

    Raises:
        UsageError: options that do not fit together.
        InputError: files that cannot be read or do not fit together, or too few reference grades.
        LeakageError: a member was trained on photographs that are scored.
        OutputExistsError: the ensemble exists already.
    """
    out, pooling = _check_out(method, config), pooling_from_options(config)
    members = read_members(files)
    if out.resolve() in {path.resolve() for path in members.paths}:
        raise UsageError(f"--out {out} is one of the input files: choose another name")
    if len(members.names) == 1 and config.fuse == "none":
        warn(f"{members.names[0]} is the only file, so that there is nothing to combine")
    pooler = build_pooler(members, pooling)
    result = _predict(pooler, method, _resolve_decision(method, members, config), config)
    names = ("fuse", "fuse_by", "folds", "seed", "decision")
    options = {**describe_method(method), **{name: getattr(config, name) for name in names}}
    predictions = build_predictions(pooler, result, name=out.stem, method=name_method(method), options=options)
    path = record_path(out)
    report = _report(pooler, result, predictions, path, config)
    agreement = {"nested": report.nested, "naive": report.naive}
    record = build_record(pooler, result, predictions.meta, path) | {"agreement": as_json(agreement)}
    with locking(out):
        write_predictions(predictions, out, force=config.force)
        write_ensemble(path, record, force=config.force)
    return report


def _check_out(method: Method, config: EnsembleConfig) -> Path:
    out = config.out or Path("ensembles") / f"{name_method(method)}.parquet"
    if out.suffix != ".parquet":
        raise UsageError(f"--out {out}: expected a name that ends in .parquet")
    for path in (out, record_path(out)):
        check_writable(path, force=config.force)
    return out


def _resolve_decision(method: Method, members: Members, config: EnsembleConfig) -> str:
    decision = config.decision or ("members" if isinstance(method, Vote) else "cut-points")
    if decision == "members":
        return common_decision([member.meta.decision for member in members.predictions])
    return decision.replace("-", "_")


def _predict(pooler: PhotographPooler, method: Method, decision: str, config: EnsembleConfig) -> EnsembleResult:
    is_plain = method.decision is not None or decision != "cut_points"
    if isinstance(method, Vote) and is_plain and not pooler.pooling.is_learned:
        return predict_unfitted(pooler, method, decision, config.folds, config.seed)
    return predict_nested(pooler, method, decision, config.folds, config.seed)


def _report(
    pooler: PhotographPooler, result: EnsembleResult, predictions: Predictions, path: Path, config: EnsembleConfig
) -> EnsembleReport:
    members, rule, fitted = pooler.members, result.final.rule, result.final.combiner
    counts = members.rows["split"].value_counts()
    weights = fitted.weights if isinstance(fitted, Blend) else ()
    nested, naive = (_measure(members, grades, config) for grades in (result.grades, result.naive))
    return EnsembleReport(
        ensemble=path,
        predictions=path.with_suffix(".parquet"),
        method=name_method(result.final.method),
        members=members.names,
        target=members.target,
        fuse=pooler.pooling.over,
        settings=describe_method(result.final.method),
        weights=dict(zip(members.names, weights, strict=True)) if len(weights) > 1 else None,
        decision=rule.decision,
        cut_points=rule.cut_points,
        photographs={split: int(counts[split]) for split in SPLITS if split in counts},
        fitted_on=len(result.graded) if result.is_fitted else 0,
        nested=nested,
        naive=naive if result.is_fitted else None,
        remarks=tuple(_remarks(members, predictions, result, nested)),
    )


def _measure(members: Members, grades: NDArray[np.int64], config: EnsembleConfig) -> Agreement | None:
    rows, truth = members.graded()
    if not len(rows):
        return None
    return measure_agreement(
        truth.reference, grades[rows], truth.patients, num_resamples=config.resamples, seed=config.seed
    )


def _remarks(
    members: Members, predictions: Predictions, result: EnsembleResult, nested: Agreement | None
) -> Iterator[str]:
    yield from members.selection_remarks(result.graded)
    if nested and nested.degenerate:
        yield f"{predictions.name}: {KAPPA_UNDEFINED}."
    cut_on_all = [  # members whose cut points were fitted to all photographs at once
        member.name
        for member in members.predictions
        if member.meta.decision == "cut_points" and not member.meta.fold_cut_points
    ]
    if cut_on_all and predictions.meta.unit != members.predictions[0].meta.unit:
        yield f"{first_few(cut_on_all)}: its pooled rows are graded by cut points that were also fitted on them."


def _agreement_table(nested: Agreement, naive: Agreement | None) -> Table:
    rows = [_agreement_row("on held-out patients", nested)]
    if naive:
        rows.append(_agreement_row("naive: on the patients it was fitted to", naive))
        gap = naive.quadratic_weighted_kappa - nested.quadratic_weighted_kappa
        rows.append(("optimistic bias of the naive figure", f"{gap:+z.3f}", "", ""))
    columns = ("", "quadratic kappa", "plain kappa", "accuracy")
    title = f"Agreement on {nested.cases} photographs of {nested.patients} patients, 95 % intervals over patients"
    return Table(title, columns, rows)


def _agreement_row(name: str, figures: Agreement) -> tuple[str, str, str, str]:
    return (
        name,
        with_interval(figures.quadratic_weighted_kappa, figures.quadratic_weighted_kappa_interval),
        with_interval(figures.plain_kappa, figures.plain_kappa_interval) + f", {figures.band}",
        f"{figures.accuracy:.3f}",
    )
