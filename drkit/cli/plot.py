"""`drkit plot`: pictures of runs, predictions and photographs, and one report of all."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from drkit.cli.options import DEFAULT_DATA, Data, Force, Seed
from drkit.grades import Split
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
Runs = Annotated[list[Path], typer.Argument(metavar="FILES...", help="Runs: their stems or any of their files.")]
Out = Annotated[Path, typer.Option(help="The picture; its suffix says which kind (png, svg, pdf).")]
OfSplit = Annotated[
    Split | None, typer.Option(help="Rows to draw. Default: all that have a grade and were not trained on.")
]
By = Annotated[
    Literal["photograph", "eye", "patient"],
    typer.Option(help="One case a photograph, or photographs joined to eyes or patients."),
]
FormerNum = Annotated[int | None, typer.Option("--num", hidden=True, min=1)]  # now --worst and --per-grade
Resamples = Annotated[int, typer.Option(help="How often patients are drawn for an interval.")]


def curves(files: Runs, out: Out = Path("curves.png"), force: Force = False) -> Report:
    """Draw loss, accuracy, both kappas and the learning rate over the epochs.

    Several runs share the axes; folds are thin lines, with their mean; the epoch that was kept is ringed.

    Reads: the histories of runs. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.plot import run_curves

    return run_curves(files, PictureConfig(out, force))


def scatter(
    files: Files,
    what: Annotated[
        Literal["epochs", "scores", "models", "embeddings"],
        typer.Option(
            help="Training against validation, a point an epoch; scores against the reference grade; scores of runs"
            " against the first's; or photographs on a plane, as the network sees them."
        ),
    ] = "epochs",
    layout: Annotated[
        Literal["pca", "tsne"], typer.Option(help="Of embeddings: principal components, or t-SNE.")
    ] = "pca",
    split: OfSplit = None,
    by: By = "photograph",
    out: Out = Path("scatter.png"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Draw epochs, scores, models or embeddings as points.

    Reads: the histories of runs, or predictions. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.plot import run_scatter

    return run_scatter(files, PictureConfig(out, force, split, by, seed), what, layout)


def confusion(
    files: Files,
    split: OfSplit = None,
    by: By = "photograph",
    out: Out = Path("confusion.png"),
    force: Force = False,
) -> Report:
    """Draw reference against predicted grades, and which confusions cost quadratic kappa.

    Reads: predictions. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.plot import run_confusion

    return run_confusion(files, PictureConfig(out, force, split, by))


def kappa(
    files: Files,
    kappa: Annotated[Literal["quadratic", "plain"], typer.Option(help="Which of the two.")] = "quadratic",
    split: OfSplit = None,
    by: By = "photograph",
    resamples: Resamples = 2000,
    out: Out = Path("kappa.png"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Draw the kappas of runs with their 95 % intervals over resampled patients.

    Reads: predictions. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.plot import run_kappa

    return run_kappa(files, PictureConfig(out, force, split, by, seed, resamples), kappa)


def reliability(
    files: Files,
    split: OfSplit = None,
    by: By = "photograph",
    resamples: Resamples = 500,
    out: Out = Path("reliability.png"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Draw reliability diagrams (calibration of the probabilities), for referable DR and for the most probable grade.

    Reads: predictions. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.plot import run_reliability

    return run_reliability(files, PictureConfig(out, force, split, by, seed, resamples))


def roc(
    files: Files,
    split: OfSplit = None,
    by: By = "photograph",
    resamples: Resamples = 1000,
    out: Out = Path("roc.png"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Draw ROC and precision-recall curves of referable DR (grade 2 and worse).

    Bands and intervals are over resampled patients; marked are sensitivities of 0.90 and 0.95 and the run's own
    decision.

    Reads: predictions. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.plot import run_roc

    return run_roc(files, PictureConfig(out, force, split, by, seed, resamples))


def errors(
    files: Files,
    data: Data = DEFAULT_DATA,
    split: OfSplit = None,
    worst: Annotated[int, typer.Option(min=1, max=48, help="So many, furthest from their reference grade.")] = 12,
    num: FormerNum = None,
    explanations: Annotated[
        Path | None,
        typer.Option(help="Folder of drkit explain, of one method; its pictures stand beside the photographs."),
    ] = None,
    out: Out = Path("errors.png"),
    force: Force = False,
) -> Report:
    """Draw the photographs that a run grades worst.

    Reads: one run's predictions, the data set, and EXPLANATIONS. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.gallery import run_errors

    return run_errors(files, data, PictureConfig(out, force, split), num=num or worst, explanations=explanations)


def attention(
    run: Annotated[Path, typer.Argument(help="A finished run with se, eca or cbam: its stem, or any of its files.")],
    data: Data = DEFAULT_DATA,
    split: OfSplit = None,
    out: Out = Path("attention.png"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Draw how far attention opens and closes channels, and whether that goes with the grade.

    Reads: one run, and the data set that it has graded. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.gates import run_gates

    return run_gates(run, data, PictureConfig(out, force, split, seed=seed))


def examples(
    data: Data = DEFAULT_DATA,
    split: Annotated[Split | None, typer.Option(help="Only this split's photographs.")] = None,
    per_grade: Annotated[int, typer.Option(min=1, max=12, help="So many photographs of each grade.")] = 4,
    num: FormerNum = None,
    out: Out = Path("examples.png"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Draw photographs of each grade with what to look for.

    Reads: a graded data set. Writes: a picture.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.gallery import run_examples

    return run_examples(data, PictureConfig(out, force, split, seed=seed), num or per_grade)


def report(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Runs, ensembles or predictions: stems or files.")
    ],
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="A data set in any known layout; --data A --data B joins several. Without one photographs are left"
            " out.",
            envvar="DRKIT_DATA",
        ),
    ] = None,
    explanations: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of drkit explain, or one that holds several; may be given several times."),
    ] = None,
    split: OfSplit = None,
    by: By = "photograph",
    title: Annotated[str, typer.Option(help="Above the report.")] = "Grading diabetic retinopathy",
    resamples: Resamples = 1000,
    out: Annotated[Path, typer.Option(help="The report, one HTML file.")] = Path("report.html"),
    force: Force = False,
    seed: Seed = 0,
) -> Report:
    """Tell everything in one HTML file that needs no network.

    Data and audit, runs, curves, agreement with intervals, ensembles, errors, explanations, and where it all came
    from. The first file is what the others are compared with.

    Reads: runs, ensembles, predictions, the data set, and EXPLANATIONS. Writes: an HTML file.
    """
    from drkit.plotting.pictures import PictureConfig
    from drkit.recipes.report import ReportInputs, run_report

    inputs = ReportInputs(tuple(files), tuple(data or ()), tuple(explanations or ()), title)
    return run_report(inputs, PictureConfig(out, force, split, by, seed, resamples))
