"""`drkit explain`: where the evidence for and against a grade lies."""

from pathlib import Path
from typing import Annotated

import typer

from drkit.catalogue import EXPLAINERS
from drkit.cli.options import DEFAULT_DATA, Data, Force, KeepGoing, Seed
from drkit.errors import UsageError
from drkit.grades import Split
from drkit.reporting import Report
from drkit.training.config import Device

EXAMPLES = (
    "drkit explain runs/quick --worst 6",
    "drkit explain runs/quick --method gradcam,hirescam,occlusion --per-grade 4 --faithfulness",
)

ALL = tuple(name for name in EXPLAINERS if name != "attention")  # which not every run has
_METHODS = "; ".join(f"{name}: {entry.summary}" for name, entry in EXPLAINERS.items())


def explain(
    run: Annotated[
        Path, typer.Argument(help="A finished run: its stem, or any of its files; or fundus, which comes with drkit.")
    ],
    method: Annotated[str, typer.Option(help=f"One, or several with commas between, or all. {_METHODS}.")] = "gradcam",
    data: Data = DEFAULT_DATA,
    split: Annotated[
        Split | None,
        typer.Option(help="Only this split's photographs; without a further choice, all of them."),
    ] = None,
    ids: Annotated[str | None, typer.Option(help="These photographs, commas between.")] = None,
    worst: Annotated[
        int | None, typer.Option(min=1, help="This many photographs, scores furthest from the reference grade.")
    ] = None,
    best: Annotated[
        int | None, typer.Option(min=1, help="This many photographs, scores nearest to the reference grade.")
    ] = None,
    between: Annotated[str | None, typer.Option(metavar="A,B", help="Borderline between two grades, e.g. 2,3.")] = None,
    per_grade: Annotated[
        int | None, typer.Option(min=1, help="This many typical photographs of each reference grade.")
    ] = None,
    target_grade: Annotated[
        str | None,
        typer.Option(
            metavar="GRADE",
            help="What is explained: predicted, reference, a grade 0-4, or score (orange then means a worse grade)."
            " Default: predicted for cross-entropy, else score.",
        ),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="Layer whose map is taken, e.g. layer3. Default: the backbone's last.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=0, help="Only this fold's network. Default: those not trained on the photograph.")
    ] = None,
    network_seed: Annotated[
        int | None,
        typer.Option(min=0, help="Only the networks trained with this seed. Default: the mean over all seeds."),
    ] = None,
    faithfulness: Annotated[
        bool,
        typer.Option(
            "--faithfulness", help="Measure faithfulness: deletion, insertion, against noise and random weights."
        ),
    ] = False,
    lesions: Annotated[
        Path | None, typer.Option(help="Folder of masks (ID.png, ID_KIND.png or KIND/ID.png) to compare with.")
    ] = None,
    lesion_kinds: Annotated[
        str | None,
        typer.Option(
            help="Masks that count among all lesions: words in the names of their kinds, commas between. Default: all"
            " but the optic disc, macula, fovea and vessels."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(help="What the run has graded, if not in the run itself; others it grades now."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; explanations/<run>-<method> by default.")] = None,
    force: Force = False,
    device: Annotated[Device, typer.Option(help="auto: a GPU if there is one.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read photographs.")] = None,
    seed: Seed = 0,
    keep_going: KeepGoing = False,
) -> Report:
    """Show what speaks for a grade (orange) and against it (blue), and measure how faithful that is.

    Without a choice of photographs: one typical one of each reference grade and the worst error, or the six whose grade
    is least certain where no reference grade is known. The run grades photographs first that it has not graded yet.

    Reads: a run and data sets. Writes: a folder with sheets, a picture and the raw maps (.npz) of
    each photograph, and manifest.json.
    """
    from drkit.explaining.selection import SelectionCriteria
    from drkit.recipes.explain import ExplainConfig, run_explain

    config = ExplainConfig(
        data=data,
        methods=ALL if method == "all" else _words(method),
        criteria=SelectionCriteria(_words(ids), worst, best, _parse_pair(between), per_grade),
        split=split,
        target_grade=target_grade,
        layer=layer,
        fold=fold,
        network_seed=network_seed,
        faithfulness=faithfulness,
        lesions=lesions,
        lesion_kinds=_words(lesion_kinds),
        predictions=predictions,
        out=out,
        force=force,
        device=device,
        workers=workers,
        seed=seed,
        keep_going=keep_going,
    )
    return run_explain(run, config)


def _words(text: str | None) -> tuple[str, ...]:
    """`a, b` to its words, each once."""
    return tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))


def _parse_pair(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    words = _words(text)
    if len(words) != 2 or not all(word.isascii() and word.isdecimal() for word in words):
        raise UsageError(f"--between {text}: two grades are expected, as 2,3")
    return int(words[0]), int(words[1])
