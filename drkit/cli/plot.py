"""`drkit plot`: pictures of runs, predictions and photographs, and an HTML report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.cli.options import Only, spread
from drkit.config.plot import ExamplesConfig, PictureConfig, ReportConfig, ReportInputs
from drkit.config.shared import DEFAULT_DATA, Data
from drkit.reporting import Report

EXAMPLES = {
    "curves": ("drkit plot curves runs/quick", "drkit plot curves runs/a runs/b --out compared.svg"),
    "scatter": (
        "drkit plot scatter runs/quick --what epochs",
        "drkit plot scatter runs/a runs/b --what models --split val --out models.png",
    ),
    "confusion": ("drkit plot confusion runs/quick", "drkit plot confusion runs/quick --by patient --out patients.svg"),
    "kappa": ("drkit plot kappa 'runs/*.parquet' --split val", "drkit plot kappa runs/a runs/b --by patient"),
    "reliability": ("drkit plot reliability runs/quick", "drkit plot reliability runs/a runs/b --split val"),
    "roc": ("drkit plot roc runs/quick --split val", "drkit plot roc runs/a runs/b --by patient --out roc.svg"),
    "errors": (
        "drkit plot errors runs/quick --data DeepDRiD --split val",
        "drkit plot errors runs/quick --data DeepDRiD --explanations explanations/quick-gradcam",
    ),
    "attention": (
        "drkit plot attention runs/se --data DeepDRiD --split val",
        "drkit plot attention runs/cbam --data DeepDRiD --out gates.svg",
    ),
    "examples": ("drkit plot examples --data DeepDRiD", "drkit plot examples --data DeepDRiD --per-grade 6 --seed 1"),
    "report": (
        "drkit plot report runs/quick --data DeepDRiD",
        "drkit plot report 'runs/*.parquet' 'ensembles/*.parquet' --data DeepDRiD --out drkit.html",
    ),
}

Files = Annotated[list[Path], typer.Argument(metavar="FILES...", help="Runs or predictions: stems or files.")]
Runs = Annotated[list[Path], typer.Argument(metavar="FILES...", help="Runs: stems or any of their files.")]
FormerNum = Annotated[int | None, typer.Option("--num", hidden=True, min=1)]  # now --worst and --per-grade


@spread
def curves(
    files: Runs, config: Annotated[PictureConfig, Only(("out", "force"), {"out": Path("curves.png")})]
) -> Report:
    """Draw loss, accuracy, quadratic and plain kappa, and the learning rate over the epochs.

    Several runs share the axes. Folds are thin lines with their mean; a ring marks the epoch that was kept.

    Reads: the histories of runs. Writes: a picture.
    """
    from drkit.recipes.plot import run_curves

    return run_curves(files, config)


@spread
def scatter(
    files: Files,
    config: Annotated[PictureConfig, Only(("split", "by", "out", "force", "seed"), {"out": Path("scatter.png")})],
    what: Annotated[
        Literal["epochs", "scores", "models", "embeddings"],
        typer.Option(
            help="epochs: training against validation, one point per epoch; scores: scores against reference grades;"
            " models: scores of each run against those of the first; embeddings: photographs in a plane, near each"
            " other if the network finds them similar."
        ),
    ] = "epochs",
    layout: Annotated[
        Literal["pca", "tsne"],
        typer.Option(help="Projection of the embeddings. pca: principal components; tsne: t-SNE."),
    ] = "pca",
) -> Report:
    """Draw a scatter plot of epochs, scores, models or embeddings.

    Reads: the histories of runs, or predictions. Writes: a picture.
    """
    from drkit.recipes.plot import run_scatter

    return run_scatter(files, config, what, layout)


@spread
def confusion(
    files: Files,
    config: Annotated[PictureConfig, Only(("split", "by", "out", "force"), {"out": Path("confusion.png")})],
) -> Report:
    """Draw confusion matrices of reference and predicted grades, and how much each confusion lowers quadratic kappa.

    Reads: predictions. Writes: a picture.
    """
    from drkit.recipes.plot import run_confusion

    return run_confusion(files, config)


WITH_INTERVALS = ("split", "by", "resamples", "out", "force", "seed")


@spread
def kappa(
    files: Files,
    config: Annotated[PictureConfig, Only(WITH_INTERVALS, {"out": Path("kappa.png"), "resamples": 2000})],
    kappa: Annotated[Literal["quadratic", "plain"], typer.Option(help="Which kappa to draw.")] = "quadratic",
) -> Report:
    """Draw the kappas of runs with 95 % confidence intervals from resampled patients.

    Reads: predictions. Writes: a picture.
    """
    from drkit.recipes.plot import run_kappa

    return run_kappa(files, config, kappa)


@spread
def reliability(
    files: Files,
    config: Annotated[PictureConfig, Only(WITH_INTERVALS, {"out": Path("reliability.png"), "resamples": 500})],
) -> Report:
    """Draw reliability diagrams (calibration of the probabilities), for referable DR and for the most probable grade.

    Reads: predictions. Writes: a picture.
    """
    from drkit.recipes.plot import run_reliability

    return run_reliability(files, config)


@spread
def roc(
    files: Files,
    config: Annotated[PictureConfig, Only(WITH_INTERVALS, {"out": Path("roc.png")})],
) -> Report:
    """Draw ROC and precision-recall curves of referable DR (grade 2 and worse).

    Bands and intervals come from resampled patients. Marks show sensitivities of 0.90 and 0.95 and the run's own
    decision.

    Reads: predictions. Writes: a picture.
    """
    from drkit.recipes.plot import run_roc

    return run_roc(files, config)


@spread
def errors(
    files: Files,
    config: Annotated[PictureConfig, Only(("split", "out", "force"), {"out": Path("errors.png")})],
    data: Data = DEFAULT_DATA,
    worst: Annotated[
        int,
        typer.Option(min=1, max=48, help="Number of photographs, those whose score is furthest from the reference."),
    ] = 12,
    num: FormerNum = None,
    explanations: Annotated[
        Path | None,
        typer.Option(help="Folder that drkit explain wrote for one method, to show its maps beside the photographs."),
    ] = None,
) -> Report:
    """Draw the photographs with the largest grading errors of a run.

    Reads: one run's predictions, the data set, and EXPLANATIONS. Writes: a picture.
    """
    from drkit.recipes.gallery import run_errors

    return run_errors(files, data, config, num=num or worst, explanations=explanations)


@spread
def attention(
    run: Annotated[
        Path, typer.Argument(help="Finished run with se, eca or cbam attention: its stem or any of its files.")
    ],
    config: Annotated[PictureConfig, Only(("split", "out", "force", "seed"), {"out": Path("attention.png")})],
    data: Data = DEFAULT_DATA,
) -> Report:
    """Draw the values of the channel attention gates, and how they relate to the grade.

    Reads: one run, and the data set that it has graded. Writes: a picture.
    """
    from drkit.recipes.gates import run_gates

    return run_gates(run, data, config)


@spread
def examples(
    config: Annotated[ExamplesConfig, Only(("split", "out", "force", "seed"))],
    data: Data = DEFAULT_DATA,
    per_grade: Annotated[int, typer.Option(min=1, max=12, help="Number of photographs of each grade.")] = 4,
    num: FormerNum = None,
) -> Report:
    """Draw example photographs of each grade, with the criteria of the grade.

    Reads: a graded data set. Writes: a picture.
    """
    from drkit.recipes.gallery import run_examples

    return run_examples(data, config, num or per_grade)


@spread
def report(
    inputs: ReportInputs,
    config: Annotated[ReportConfig, Only(WITH_INTERVALS)],
) -> Report:
    """Write an HTML report of data, runs and results, in one file that needs no network.

    Its sections: summary, data and audit, runs, training curves, agreement with intervals, attention, ensembles,
    errors, explanations, and the provenance of everything.

    Reads: runs, ensembles, predictions, comparisons, the data set, and EXPLANATIONS. Writes: an HTML file.
    """
    from drkit.recipes.report import run_report

    return run_report(inputs, config)
