"""`drkit ensemble compare`: all ensemble methods on the same nested folds, as a table, a picture and a sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drkit.catalogue import METHODS
from drkit.config.ensemble import CompareConfig
from drkit.config.shared import NO_TABLES, TableFiles
from drkit.ensembling.comparison import (
    ComparedMethod,
    EnsembleComparison,
    Gain,
    baseline_names,
    compare_methods,
    conclude,
    format_gain,
)
from drkit.ensembling.members import Members, read_members
from drkit.ensembling.nested_cv import build_nested_cv, common_decision
from drkit.ensembling.pooling import build_pooler, pooling_from_options
from drkit.evaluation.aggregation import level_of
from drkit.evaluation.agreement import KAPPA_UNDEFINED, with_interval
from drkit.plotting.forest import draw_forest, rows_of_methods
from drkit.plotting.selection import find_data
from drkit.plotting.style import check_suffix, write_figure
from drkit.records.atomic import check_writable
from drkit.records.comparisons import OF_ENSEMBLES
from drkit.records.json_records import write_json_record
from drkit.records.provenance import sha256_file
from drkit.records.report_tables import check_table_files, write_table_files
from drkit.reporting import Table, as_json

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CompareReport(EnsembleComparison):
    """A comparison of all methods, with the files that were written.

    Args:
        picture: The picture of all kappas.
        record: A JSON with all figures.
        members: Names of the members.
    """

    picture: Path
    record: Path
    members: tuple[str, ...]

    def render(self) -> Iterator[str | Table]:
        """Return the table and the conclusion."""
        chosen, hindsight = baseline_names(self.contenders)
        differences = (
            f"difference to the {chosen}\nchosen within the folds",
            f"difference to {hindsight},\nthe best in hindsight",
        )
        columns = ("", "quadratic kappa", "naive", "plain kappa", "accuracy", *differences)
        yield Table(self.title, columns, [_row(contender) for contender in self.contenders])
        yield from self.remarks
        yield self.sentence
        yield f"wrote {self.picture} and {self.record}"

    def rows(self) -> list[dict[str, Any]]:
        """The figures of each method and member."""
        return [_figure_row(contender) for contender in self.contenders]


def run_compare(files: Sequence[Path], config: CompareConfig, tables: TableFiles = NO_TABLES) -> CompareReport:
    """Compare all methods with each member and with the plain mean, on held-out patients.

    Args:
        files: Predictions, runs or glob patterns.
        config: Folds, pooling, seed, and where the picture goes.
        tables: Files that the table is also written to.

    Raises:
        UsageError: options that do not fit together.
        InputError: files that cannot be read or do not fit together, or too few reference grades.
        LeakageError: a member was trained on photographs that are scored.
        OutputExistsError: the picture, the JSON or a file of `tables` exists already.
    """
    record_path, pooling = config.out.with_suffix(".json"), pooling_from_options(config)
    check_suffix(config.out)
    for path in (config.out, record_path):
        check_writable(path, force=config.force)
    check_table_files(tables, force=config.force)
    members = read_members(files)
    pooler = build_pooler(members, pooling)
    cv = build_nested_cv(pooler, config.folds, config.seed)
    plain = common_decision([member.meta.decision for member in members.predictions])
    contenders = compare_methods(cv, plain, num_resamples=config.resamples)
    patients = contenders[0].nested.patients
    report = CompareReport(
        picture=config.out,
        record=record_path,
        members=members.names,
        target=pooler.members.target,
        fuse=config.fuse,
        folds=int(cv.fold.max()) + 1,
        photographs=len(cv.truth),
        patients=patients,
        contenders=contenders,
        remarks=(
            *members.selection_remarks(cv.rows),
            *_remark_units(members, config.fuse),
            *(f"{item.name}: {KAPPA_UNDEFINED}." for item in contenders if item.nested.degenerate),
        ),
        sentence=conclude(contenders, patients),
    )
    _write(report, members.paths, config)
    write_table_files(report, tables, force=config.force)
    return report


def _remark_units(members: Members, fuse: str) -> Iterator[str]:
    """A remark if the members pool photographs differently."""
    joined = {level_of(member.meta) for member in members.predictions}
    if fuse == "none" and len(joined) > 1:
        levels = ", ".join(f"{member.name} by {level_of(member.meta)}" for member in members.predictions)
        yield f"The members pool photographs differently ({levels}): use --fuse patient to compare them alike."


def _write(report: CompareReport, paths: Sequence[Path], config: CompareConfig) -> None:
    counts = f"{report.photographs} photographs of {report.patients} patients, {report.folds} outer folds"
    data = f"{name}: " if (name := find_data(paths[0])) else ""
    title = f"{data}{report.target}'s grade, {counts}"
    axis = "quadratic weighted kappa on held-out patients, 95 % interval over patients"
    write_figure(draw_forest(rows_of_methods(report.contenders), title, axis), config.out, force=config.force)
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": OF_ENSEMBLES,
        **as_json(report),
        "options": as_json(config),
        "files": {name: sha256_file(path) for name, path in zip(report.members, paths, strict=True)},
        **({"plugins": packages} if (packages := METHODS.packages(METHODS)) else {}),
    }
    write_json_record(report.record, content, force=config.force)


def _row(item: ComparedMethod) -> tuple[str, ...]:
    nested = item.nested
    name = f"{item.name} (member)" if item.kind == "member" else item.name
    return (
        name,
        with_interval(nested.quadratic_weighted_kappa, nested.quadratic_weighted_kappa_interval),
        "-" if item.naive_kappa is None else f"{item.naive_kappa:.3f}",
        f"{nested.plain_kappa:.3f}, {nested.band}",
        f"{nested.accuracy:.3f}",
        format_gain(item.gain),
        format_gain(item.gain_in_hindsight),
    )


def _figure_row(item: ComparedMethod) -> dict[str, Any]:
    nested = item.nested
    return {
        "name": item.name,
        "kind": item.kind,
        "cases": nested.cases,
        "patients": nested.patients,
        "quadratic_kappa": nested.quadratic_weighted_kappa,
        "quadratic_kappa_low": nested.quadratic_weighted_kappa_interval[0],
        "quadratic_kappa_high": nested.quadratic_weighted_kappa_interval[1],
        "naive_quadratic_kappa": item.naive_kappa,
        "plain_kappa": nested.plain_kappa,
        "plain_kappa_low": nested.plain_kappa_interval[0],
        "plain_kappa_high": nested.plain_kappa_interval[1],
        "accuracy": nested.accuracy,
        **_gain_columns("difference_to_best_member", item.gain),
        **_gain_columns("difference_to_best_in_hindsight", item.gain_in_hindsight),
    }


def _gain_columns(name: str, gain: Gain | None) -> dict[str, float | None]:
    values = (None, None, None) if gain is None else (gain.difference, *gain.interval)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
