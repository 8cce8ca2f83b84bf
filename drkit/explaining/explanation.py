"""One method's explanations of all selected photographs, written to a folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drkit.batching import map_batches
from drkit.config.explain import ExplainConfig
from drkit.errors import OutputExistsError
from drkit.explaining.batch import BatchAttribution, ExplainSetup, explain_batch
from drkit.explaining.inputs import ExplainInputs
from drkit.explaining.lesions import choose_lesions, find_masks
from drkit.explaining.metrics import ExplanationMetrics
from drkit.explaining.photographs import View, read_views
from drkit.explaining.units import ExplainBatch
from drkit.explaining.writing import Writer, name_files
from drkit.progress import track
from drkit.records.atomic import check_name, check_writable
from drkit.records.explanations import MANIFEST, Explanations, write_explanations
from drkit.records.manifest import steps_to_apply
from drkit.records.provenance import sha256_file


def check_folder(folder: Path, *, force: bool) -> None:
    """Check before any work that the folder can be written.

    Raises:
        OutputExistsError: it exists and is not empty, and `force` is off.
        InputError: its name cannot be a folder's.
    """
    check_name(folder)
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputExistsError(f"{folder} exists already: choose another --out, or overwrite it with --force")
    check_writable(folder / MANIFEST, force=force)


def write_explained(setup: ExplainSetup, inputs: ExplainInputs, folder: Path, config: ExplainConfig) -> Explanations:
    """Explain all photographs batch by batch, and write pictures, maps and the manifest.

    Raises:
        InputError: a photograph or a mask cannot be read, or there is no mask for any photograph.
        UsageError: the layer gives no feature map.
    """
    explained, header = setup.explained, setup.opened.header
    steps = steps_to_apply(explained.roots, header.steps, header.plugins)
    masks = find_masks(config.lesions, explained.photographs["image_id"].tolist(), steps) if config.lesions else {}
    metrics = ExplanationMetrics(masks, choose_lesions(masks, config.lesion_words))
    writer = Writer(setup, folder, config.force, name_files(explained.rows["image_id"].tolist()))
    for batch in track(explained.batches(), f"explaining by {setup.method}", explained.num_batches):
        rows = explained.rows.iloc[batch.units.rows]
        paths = [Path(path) for path in rows["path"]]
        views = read_views(paths, header.bank_side, steps, config.workers, round_discs=header.round_discs)
        for result, own_views in _explain_halving(setup, batch, views):
            metrics.update(result, own_views, explained.rows.iloc[result.rows])
            writer.add(result, own_views)
    writer.finish()
    explanations = _manifest(setup, inputs, writer, metrics)
    write_explanations(explanations, folder, force=config.force)
    return explanations


def _explain_halving(
    setup: ExplainSetup, batch: ExplainBatch, views: Sequence[View]
) -> Iterator[tuple[BatchAttribution, Sequence[View]]]:
    """The attribution of a batch and its views, in several parts if memory runs out."""
    view_of = dict(zip(batch.units.rows.tolist(), views, strict=True))

    def explain(numbers: NDArray[np.int64]) -> tuple[BatchAttribution, Sequence[View]]:
        part = setup.explained.batch(numbers, batch.fold)
        own_views = [view_of[row] for row in part.units.rows.tolist()]
        return explain_batch(setup, part, own_views), own_views

    return (result for _, result in map_batches(explain, batch.numbers, len(batch.numbers)))


def _manifest(setup: ExplainSetup, inputs: ExplainInputs, writer: Writer, metrics: ExplanationMetrics) -> Explanations:
    opened, (speaks_for, speaks_against) = setup.opened, setup.meanings
    return Explanations(
        run=opened.run.name,
        checkpoints={path.name: sha256_file(path) for path in opened.checkpoints},
        method=setup.method,
        layer=setup.layer,
        target=opened.header.target,
        asked=setup.target_name,
        unit=opened.header.architecture.unit,
        reason=inputs.selection.reason,
        speaks_for=speaks_for,
        speaks_against=speaks_against,
        sheets=tuple(writer.sheets),
        photographs=tuple(writer.photographs),
        faithfulness=metrics.compute_faithfulness(),
        lesions=metrics.compute_lesions(),
        unreadable=inputs.unreadable,
    )
