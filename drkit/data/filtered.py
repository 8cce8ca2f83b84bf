"""The data set that `preprocess` writes: its plan, its progress, and its labels and manifest."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from drkit.catalogue import FILTERS
from drkit.data.filtering import FilterTask
from drkit.errors import OutputExistsError, first_few
from drkit.images.filters.steps import Step
from drkit.progress import notify, track
from drkit.records import manifest as records
from drkit.records.labels import Labels, write_labels
from drkit.records.layouts import LAYOUTS
from drkit.records.manifest import Manifest, PhotographRecord, Plan
from drkit.records.provenance import sha256_bytes, sha256_file

HASHING_THREADS = 4


def make_plan(labels: Labels, steps: Sequence[Step], earlier: Manifest | None, suffix: str) -> Plan:
    """Make the plan, with the SHA-256 of every input file.

    Args:
        labels: Labels of the photographs.
        steps: Preprocessing steps to apply.
        earlier: Manifest of the input data set, if preprocess made it.
        suffix: Suffix of the files to write, with its dot.
    """
    new_steps = tuple(map(str, steps))
    with ThreadPoolExecutor(HASHING_THREADS) as pool:
        hashes = list(track(pool.map(_hash, labels.paths()), "hashing photographs", len(labels)))
    known = labels.rows.drop(columns="path").to_csv(index=False, lineterminator="\n")
    return Plan(
        steps=(*(earlier.steps if earlier else ()), *new_steps),
        new_steps=new_steps,
        suffix=suffix,
        labels_sha256=sha256_bytes(known.encode()),
        inputs=dict(zip(labels.rows["image_id"].tolist(), hashes, strict=True)),
        plugins={
            **(earlier.plugins if earlier else {}),
            **LAYOUTS.packages([labels.layout]),
            **FILTERS.packages(step.name for step in steps),
        },
    )


def _hash(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""


def find_finished(out: Path, plan: Plan, *, force: bool) -> Manifest | None:
    """Return the manifest if the plan is finished already and is not to be repeated.

    Args:
        out: Folder of the new data set.
        plan: Plan of the new data set.
        force: Replace what preprocess made there.

    Raises:
        OutputExistsError: the folder contains something else.
        InputError: the folder of its photographs is a link.
    """
    if records.is_vacant(out):
        return None
    records.check_no_link(out)
    if not records.is_preprocessed(out):
        raise OutputExistsError(
            f"{out} is not empty and was not made by drkit preprocess: choose another name"
            " (--force replaces only what preprocess made)"
        )
    if force:
        return None
    finished, begun = records.read_manifest(out), records.read_plan(out)
    if finished:
        _check_same(out, plan, finished.plan_sha256, finished.steps)
        _check_all_there(out, finished)
    elif begun:
        _check_same(out, plan, begun.sha256, begun.steps)
    return finished


def _check_same(out: Path, plan: Plan, sha256: str, steps: tuple[str, ...]) -> None:
    if plan.sha256 == sha256:
        return
    if plan.steps != steps:
        differs = f"steps {','.join(steps)}, not {','.join(plan.steps)}"
    else:
        differs = "the same steps of other photographs or labels, or in another format"
    raise OutputExistsError(f"{out} contains {differs}: choose another name, or replace it with --force")


def _check_all_there(out: Path, manifest: Manifest) -> None:
    missing = [str(record.path) for record in manifest.written() if not (out / str(record.path)).is_file()]
    missing += [] if (out / records.LABELS).is_file() else [records.LABELS]
    if missing:
        raise OutputExistsError(
            f"{len(missing)} files are missing from {out} ({first_few(missing)}): write it again with --force"
        )


def begin(out: Path, plan: Plan) -> dict[str, PhotographRecord]:
    """Write the plan, or resume an existing one, and return the records of the finished photographs."""
    (out / records.IMAGES).mkdir(parents=True, exist_ok=True)
    records.remove_drafts(out)
    if records.read_plan(out) is None:
        records.write_plan(out, plan)
        return {}
    done = records.read_ledger(out)
    notify(f"resuming after {len(done)} of {len(plan.inputs)} photographs")
    return done


def list_tasks(labels: Labels, plan: Plan, earlier: Manifest | None, out: Path) -> Iterator[FilterTask]:
    """Yield one task per photograph, in the order of the labels; arguments as for `make_plan` and `find_finished`."""
    known = {record.image_id: record for record in earlier.photographs} if earlier else {}
    for image_id, path in zip(labels.rows["image_id"], labels.rows["path"], strict=True):
        sha256 = plan.inputs[image_id]
        source = os.path.relpath(path, labels.root)
        before = known.get(image_id) or PhotographRecord(
            image_id=image_id, status="ok", reason="", source=Path(source).as_posix(), source_sha256=sha256
        )
        yield FilterTask(
            image_id=image_id,
            path=Path(path),
            sha256=sha256,
            target=(out / plan.path_of(image_id)).absolute(),
            written_as=plan.path_of(image_id),
            steps=plan.new_steps,
            before=before,
            is_raw=image_id not in known,
        )


def finish(
    labels: Labels, plan: Plan, earlier: Manifest | None, done: Mapping[str, PhotographRecord], out: Path
) -> Manifest:
    """Write labels.csv and the manifest, in which photographs that failed in an earlier preprocess come last."""
    records.remove_drafts(out)  # of workers that were killed
    lost = [record for record in earlier.photographs if record.status == "failed"] if earlier else []
    in_order = [done[image_id] for image_id in plan.inputs]
    written = {record.image_id: str(out / str(record.path)) for record in in_order if record.path is not None}
    rows = labels.rows[labels.rows["image_id"].isin(written)].reset_index(drop=True)
    rows = rows.assign(path=rows["image_id"].map(written).astype("string"))
    write_labels(replace(labels, rows=rows, root=out), out / records.LABELS, force=True)
    return records.write_manifest(out, plan, [*in_order, *lost])
