"""The preprocessing steps of data sets, and those that a run's photographs still need."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from drkit.catalogue import FILTERS
from drkit.errors import InputError
from drkit.records.manifest import MANIFEST, PLAN, read_manifest, read_plan


def read_steps(dataset: Path) -> tuple[str, ...]:
    """Read the steps with which a data set was preprocessed; empty for any other data set.

    Args:
        dataset: The data set's folder.

    Raises:
        InputError: the preprocessing is unfinished, or the manifest is damaged.
    """
    if (dataset / PLAN).exists() and not (dataset / MANIFEST).exists() and read_plan(dataset):
        raise InputError(f"{dataset} is unfinished: run the same `drkit preprocess` again, which continues it")
    manifest = read_manifest(dataset)
    return manifest.steps if manifest else ()


def read_shared_steps(datasets: Sequence[Path]) -> tuple[str, ...]:
    """Read the steps with which all data sets were preprocessed.

    Args:
        datasets: The data sets' folders.

    Raises:
        InputError: the data sets have different steps, or as `read_steps`.
    """
    steps = {dataset: read_steps(dataset) for dataset in datasets}
    first, *others = datasets
    for other in others:
        if steps[other] != steps[first]:
            described = [f"{dataset} has {','.join(steps[dataset]) or 'none'}" for dataset in (first, other)]
            raise InputError(
                f"data sets have different preprocessing steps: {', '.join(described)}: give the original photographs"
                " of both, or preprocess both with the same --steps"
            )
    return steps[first]


def steps_to_apply(
    datasets: Sequence[Path], run_steps: Sequence[str], plugins: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """The steps to apply to the photographs of data sets before a run can grade them.

    Args:
        datasets: The data sets' folders.
        run_steps: Preprocessing steps of the photographs that the run was trained on.
        plugins: Packages that the run's record names.

    Returns:
        `run_steps` for original photographs; empty for photographs that were preprocessed with these steps.

    Raises:
        InputError: the photographs were preprocessed with other steps, or a package that adds a step is not installed.
    """
    steps = {dataset: read_steps(dataset) for dataset in datasets}
    for dataset, done in steps.items():
        if done and done != tuple(run_steps):
            trained_on = f"photographs after {','.join(run_steps)}" if run_steps else "original photographs"
            remedy = ", to which these steps are then applied" if run_steps else ""
            raise InputError(
                f"{dataset} was preprocessed with {','.join(done)}, but the run was trained on {trained_on}: give the"
                f" original photographs{remedy}"
            )
    originals = [dataset for dataset, done in steps.items() if not done]
    preprocessed = [dataset for dataset, done in steps.items() if done]
    if preprocessed and originals:
        raise InputError(
            f"{preprocessed[0]} was preprocessed with {','.join(run_steps)}, but {originals[0]} was not: give the"
            " original photographs of both, preprocess both, or give them in separate commands"
        )
    if preprocessed:
        return ()
    FILTERS.check_packages(plugins, [step.partition(":")[0] for step in run_steps], "the run")
    return tuple(run_steps)


def read_plugins(datasets: Sequence[Path]) -> dict[str, str]:
    """Read the packages used to preprocess data sets, by the names of `drkit.plugins.Registry.packages`.

    Args:
        datasets: The data sets' folders.
    """
    manifests = [manifest for dataset in datasets if (manifest := read_manifest(dataset))]
    return {name: package for manifest in manifests for name, package in manifest.plugins.items()}


def read_source_hashes(datasets: Sequence[Path]) -> dict[Path, str]:
    """Read the SHA-256 of each preprocessed photograph's original, by the preprocessed photograph's path.

    Args:
        datasets: The data sets' folders; those that were not preprocessed are skipped.
    """
    manifests = {dataset: manifest for dataset in datasets if (manifest := read_manifest(dataset))}
    return {
        dataset / str(record.path): record.source_sha256
        for dataset, manifest in manifests.items()
        for record in manifest.written()
    }
