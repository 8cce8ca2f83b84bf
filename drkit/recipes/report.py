"""`drkit plot report`: data, runs and results in one HTML file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drkit.config.plot import PictureConfig, ReportInputs
from drkit.errors import UsageError
from drkit.evaluation.agreement import check_resamples
from drkit.plotting.report.agreement import build_agreement
from drkit.plotting.report.comparisons import build_attention, build_methods
from drkit.plotting.report.data import DataSet, audit_data, build_data, leave_out_data
from drkit.plotting.report.page import Section, render_page
from drkit.plotting.report.photographs import build_errors, build_explanations, read_explained
from drkit.plotting.report.provenance import build_provenance
from drkit.plotting.report.results import measure_results
from drkit.plotting.report.runs import build_ensembles, build_runs
from drkit.plotting.report.sources import ReportFiles, ReportSource, read_files
from drkit.plotting.report.summary import build_summary
from drkit.progress import notify, warn
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.explanations import Explanations
from drkit.reporting import Table

LARGE = 5_000_000  # bytes; a larger file is hard to send


@dataclass(frozen=True)
class HtmlReport:
    """The HTML file that was written.

    Args:
        page: Its path.
        size: Size in bytes.
        runs: Names of the runs, ensembles and predictions that it covers.
        sections: Titles of its sections.
        with_photographs: Whether it contains photographs.
    """

    page: Path
    size: int
    runs: tuple[str, ...]
    sections: tuple[str, ...]
    with_photographs: bool

    def render(self) -> Iterator[str | Table]:
        """Return the size and the contents of the file."""
        photographs = "with photographs" if self.with_photographs else "without photographs (no --data)"
        yield f"wrote {self.page}: {self.size / 1e6:.1f} MB, {photographs}"
        yield f"runs: {', '.join(self.runs)}; sections: {', '.join(self.sections)}"


def run_report(inputs: ReportInputs, config: PictureConfig) -> HtmlReport:
    """Write a report of data, runs, agreement, comparisons, ensembles, errors, explanations and provenance.

    Raises:
        UsageError: a name that does not end in .html, or too few resamples.
        InputError: files that cannot be read, or no reference grades in any of them.
        OutputExistsError: the file exists already.
    """
    if config.out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {config.out}: expected a name that ends in .html")
    check_resamples(config.resamples)
    check_writable(config.out, force=config.force)
    files = read_files(inputs.files, config.split, config.by)
    explained = read_explained(inputs.explanations or ())
    data = audit_data(inputs.data, files.sources) if inputs.data else None
    notify("drawing the figures")
    sections = _build_sections(files, data, explained, config)
    page = render_page(inputs.title, _subtitle(files.sources, data), sections).encode()
    if len(page) > LARGE:
        warn(f"{config.out} is {len(page) / 1e6:.1f} MB: give fewer runs or --explanations to make it smaller")
    write_bytes(config.out, page, force=config.force)
    return HtmlReport(
        page=config.out,
        size=len(page),
        runs=tuple(source.name for source in files.sources),
        sections=tuple(section.title for section in sections),
        with_photographs=data is not None,
    )


def _build_sections(
    files: ReportFiles, data: DataSet | None, explained: dict[Path, Explanations], config: PictureConfig
) -> list[Section]:
    groups = measure_results(files.sources, config)
    return [
        build_summary(groups, files),
        leave_out_data() if data is None else build_data(data, config.seed),
        *build_runs(files.sources),
        *build_agreement(files.sources, groups, config),
        *build_attention(files.attention),
        *build_ensembles(files.sources),
        *build_methods(files.ensembles),
        *([] if data is None else build_errors(groups, data.labels)),
        *build_explanations(explained, with_photographs=data is not None),
        build_provenance(files.sources, {} if data is None else data.hashes),
    ]


def _subtitle(sources: Sequence[ReportSource], data: DataSet | None) -> str:
    kinds = [
        (sum(source.is_run for source in sources), "training"),
        (sum(source.is_ensemble for source in sources), "ensemble"),
        (sum(not source.is_run and not source.is_ensemble for source in sources), "other predictions file"),
    ]
    counted = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in kinds if count)
    where = "" if data is None else f" on {data.labels.name}"
    return f"{counted}{where}: grades 0 to 4 of the ICDR scale, quadratic weighted kappa with intervals over patients."
