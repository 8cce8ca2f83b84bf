"""Pack a finished run as the network that comes with drkit, in `drkit/models/fundus/`.

python tests/tools/pack_run.py RUN [--data DATA ...] [--out drkit/models/fundus/fundus] [--force]

RUN is a run of one network with its .safetensors, .json and .parquet. Its data sets are read again where its record
says they lie, or where --data says. The weights become float16 (norms and biases stay as they are), the record loses
the machine's paths, and what the network has seen is written beside it: every photograph that it was trained on, and
those of the run's val split, whose figures decide between recipes.
"""

import argparse
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drkit.data.rendering import InputFormat, render
from drkit.duplicates.seen import hash_all
from drkit.errors import DrkitError, InputError
from drkit.grades import NUM_GRADES
from drkit.images.disc import square_about_disc
from drkit.images.files import read_photograph
from drkit.models.grader import build_grader, restore_grader
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.checkpoint import CheckpointHeader, read_checkpoint, write_checkpoint
from drkit.records.labels import Labels
from drkit.records.layouts import read_datasets
from drkit.records.predictions import read_predictions
from drkit.records.provenance import sha256_file
from drkit.records.runs import PACKAGED_RUNS, SCHEMA_VERSION, Run, find_run, networks_in, read_run_record
from drkit.records.seen import SeenPhotographs, write_seen

HASHES = (3, 4)  # of a blank photograph, whose hashes are zero
TRIED = 32  # photographs on which the packed network is compared with the run's own
ALLOWED = 0.05  # of a logit, by which they may differ


def pack(run: Run, data: Sequence[Path], packed: Run, *, force: bool) -> dict[str, Any]:
    """Write the packed run.

    Returns:
        Its record.

    Raises:
        InputError: a run of several networks, data sets that are not the run's, or weights that float16 cannot hold.
    """
    record = read_run_record(run)
    if len(networks_in(record)) > 1:
        raise InputError(f"{run.stem} is a run of several networks: one is expected")
    for path in (packed.checkpoint(), packed.seen_photographs, packed.record):
        check_writable(path, force=force)
    labels = read_datasets(data or [Path(path) for path in record["data"]])
    seen, grades = find_what_was_seen(run, record, labels)
    tensors, header = read_checkpoint(run.checkpoint())
    halved = halve(tensors)
    difference = compare_logits(header, tensors, halved, labels.paths()[:: max(len(labels) // TRIED, 1)][:TRIED])
    print(f"logits of {TRIED} photographs differ by {difference:.4f} at most")
    if not difference < ALLOWED:
        raise InputError(f"{run.stem}: in float16 the logits differ by {difference}, at most {ALLOWED} is allowed")
    packed.stem.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(packed.checkpoint(), halved, header, force=force)
    write_seen(seen, packed.seen_photographs, force=force)
    content = build_record(record, packed, seen, grades)
    write_bytes(packed.record, (json.dumps(content, indent=1) + "\n").encode(), force=force)
    return content


def find_what_was_seen(
    run: Run, record: Mapping[str, Any], labels: Labels
) -> tuple[SeenPhotographs, dict[str, list[int]]]:
    """The photographs that were trained on or selected the epoch, and their number by data set and grade."""
    paths, contents = labels.paths(), np.array([sha256_file(path) for path in labels.paths()])
    judged = read_predictions(run.predictions).of_split("val").rows["image_id"]
    fitted = {*record["trained_on_photographs"], *record["chosen_by_photographs"]}
    chosen = np.isin(contents, list(fitted)) | labels.rows["image_id"].isin(judged).to_numpy(dtype=bool)
    if missing := fitted - set(contents):
        raise InputError(f"{len(missing)} photographs that {run.stem} was trained on are not in {labels.title}")
    rows = np.flatnonzero(chosen)
    hashes = hash_all([paths[row] for row in rows])
    names = labels.dataset_names().iloc[rows]
    seen = SeenPhotographs(
        datasets=tuple(names),
        names=tuple(paths[row].stem for row in rows),
        sha256=tuple(contents[rows]),
        hashes=np.stack([np.zeros(HASHES, np.uint64) if one is None else one for one in hashes]),
        is_hashed=np.array([one is not None for one in hashes]),
    )
    known = labels.grades(record["target"]).iloc[rows]
    counts = known.groupby(names.to_numpy()).value_counts()
    return seen, {
        name: [int(counts.get((name, grade), 0)) for grade in range(NUM_GRADES)] for name in dict.fromkeys(names)
    }


def halve(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16; single values, such as a batch norm's variances, as they are."""
    return {
        n: tensor.half() if tensor.ndim > 1 and tensor.is_floating_point() else tensor for n, tensor in tensors.items()
    }


def compare_logits(
    header: CheckpointHeader, tensors: dict[str, Tensor], halved: dict[str, Tensor], paths: Sequence[Path]
) -> float:
    """The largest difference of two networks' logits on photographs."""
    squares = [
        square_about_disc(read_photograph(path), header.bank_side, round_disc=header.round_discs) for path in paths
    ]
    input_format = InputFormat(header.architecture.side, header.mean, header.std)
    images = render(np.stack(squares), input_format, torch.device("cpu"))
    with torch.inference_mode():
        exact, rounded = (
            restore_grader(build_grader(header.architecture), each, "the run").eval()(images)
            for each in (tensors, halved)
        )
    return float((exact - rounded).abs().max())


def build_record(
    record: Mapping[str, Any], packed: Run, seen: SeenPhotographs, grades: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """The run's record for the package: without paths of a machine, all that was seen in `trained_on_photographs`."""
    made = {**record["made"], "command": shlex.join(map(_without_folder, shlex.split(record["made"]["command"])))}
    content = {
        **record,
        "schema_version": SCHEMA_VERSION,
        "name": packed.name,
        "files": {path.name: sha256_file(path) for path in (packed.checkpoint(), packed.seen_photographs)},
        "data": list(grades),
        "weights": _without_folder(record["weights"]),
        "trained_on_photographs": sorted({*record["trained_on_photographs"], *seen.sha256}),
        "descends_from": [packed.name],
        "photographs_by_grade": grades,
        "made": made,
    }
    return content


def _without_folder(word: str) -> str:
    option, equals, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
    return option + equals + (Path(value).name or value if "/" in value else value)


def print_grades(grades: Mapping[str, Sequence[int]]) -> None:
    """The table of photographs by data set and grade, as docs/fundus.md has it."""
    print("| data set | 0 | 1 | 2 | 3 | 4 | all |\n|---|---|---|---|---|---|---|")
    for name, counts in [*grades.items(), ("all", [sum(column) for column in zip(*grades.values(), strict=True)])]:
        print(f"| {name} | {' | '.join(map(str, counts))} | {sum(counts)} |")


def main() -> None:
    """Parse, pack, and print what docs/fundus.md says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--out", type=Path, default=PACKAGED_RUNS["fundus"])
    parser.add_argument("--force", action="store_true")
    given = parser.parse_args()
    packed = Run(given.out)
    try:
        record = pack(find_run(given.run), given.data, packed, force=given.force)
    except DrkitError as error:
        raise SystemExit(f"{error}") from None
    print_grades(record["photographs_by_grade"])
    for path in (packed.checkpoint(), packed.seen_photographs, packed.record):
        print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
