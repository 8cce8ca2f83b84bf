"""Options that several commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from drkit.errors import UsageError
from drkit.grades import Level, Split

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "32", "bf16", "fp16"]

DATA_HELP = "Data set in any supported layout. Repeat the option to join several: --data A --data B."
DEVICE_HELP = "Device to compute on. auto: a GPU if there is one."
PRECISION_HELP = "Floating-point precision. auto: bf16 on a GPU (fp16 if it lacks bf16), 32 bits elsewhere."
WORKERS_HELP = "Threads that read photographs. Default: one per core."
CACHE_HELP = "Folder for photographs that do not fit in memory. Default: the user's cache."
EMBEDDINGS_HELP = "Store each photograph's embedding in the predictions file."
SEED_HELP = "Random seed."
MAX_SEED = 2**32 - 1
DEFAULT_DATA = [Path("DeepDRiD")]

Data = Annotated[list[Path], Option(help=DATA_HELP, envvar="DRKIT_DATA")]
OnlySplit = Annotated[Split | None, Option(help="Use only the photographs of this split.")]
By = Annotated[
    Level, Option(help="What counts as one case: each photograph, or all photographs of an eye or a patient combined.")
]
Resamples = Annotated[int, Option(help="Number of bootstrap resamples of patients for the confidence intervals.")]
Fold = Annotated[int | None, Option(min=0, help="Use only this fold's network.")]
NetworkSeed = Annotated[int | None, Option(min=0, help="Use only the networks trained with this seed.")]
UseDevice = Annotated[Device, Option(help=DEVICE_HELP)]
Workers = Annotated[int | None, Option(min=1, help=WORKERS_HELP)]
Embeddings = Annotated[bool, Option("--embeddings", help=EMBEDDINGS_HELP)]
KeepGoing = Annotated[bool, Option("--keep-going", help="Skip photographs that cannot be read, and list them.")]
Seed = Annotated[int, Option(min=0, max=MAX_SEED, help=SEED_HELP)]
Force = Annotated[bool, Option("--force", help="Overwrite existing output.")]


@dataclass(frozen=True)
class EngineOptions:
    """What does the work: this machine, or a Dask cluster."""

    engine: Annotated[
        Literal["local", "dask"],
        Option(
            help="Where the work is done. local: on this machine; dask: on the workers of the cluster at --scheduler."
        ),
    ] = "local"
    scheduler: Annotated[
        str | None,
        Option(help="Address of a Dask cluster, e.g. tcp://host:8786. Its workers must see the same file paths."),
    ] = None

    def __post_init__(self) -> None:
        """Check that the options fit together.

        Raises:
            UsageError: only one of the two.
        """
        if (self.engine == "dask") != (self.scheduler is not None):
            raise UsageError("--engine dask and --scheduler ADDRESS need each other: give both or neither")


LOCAL = EngineOptions()


@dataclass(frozen=True)
class TableFiles:
    """Files that the tables of a report are also written to."""

    markdown: Annotated[Path | None, Option(help="Also write the tables as Markdown, into this file.")] = None
    csv: Annotated[
        Path | None, Option(help="Also write the figures as CSV, one row per run or method, into this file.")
    ] = None


NO_TABLES = TableFiles()
