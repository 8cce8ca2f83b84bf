"""Copies of one photograph: their grades must agree, and they never stand on two sides of a split."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from drkit.data.cache import name_array, open_cached
from drkit.duplicates.identical import number_contents
from drkit.duplicates.search import VERSION, number_copies
from drkit.errors import InputError
from drkit.grades import SPLITS, Target
from drkit.progress import notify, warn
from drkit.records.labels import Labels
from drkit.records.preprocessed import read_source_hashes


def keep_copies_together(labels: Labels) -> Labels:
    """Labels in which photographs that several data sets share are of one patient, in one split, with one grade.

    Args:
        labels: Photographs, every one with a patient.

    Raises:
        InputError: data sets contradict each other on a photograph's grade.
    """
    shared = number_shared(labels)
    check_grades_agree(labels, shared)
    return unite_patients(labels, shared)


def keep_near_copies_together(labels: Labels, target: Target, cache_dir: Path, workers: int | None = None) -> Labels:
    """Labels in which near duplicates, too, are of one patient, in one split, within a data set as across them.

    Their grades may contradict each other; how many do is said.

    Args:
        labels: N photographs, every one with a patient.
        target: Whose grade is learned.
        cache_dir: Where the outcome of the search is kept for the next training on the same photographs.
        workers: Threads that look at photographs; None: one a processor.
    """
    paths = labels.paths()

    def fill(numbers: np.ndarray) -> tuple[str, ...]:
        numbers[:] = number_copies([str(path) for path in paths], workers)
        return ()

    key = name_array(paths, near_copies=VERSION)
    copies = open_cached(cache_dir, key, (len(paths),), fill, np.int64)[0]
    sizes, grades = pd.Series(copies).groupby(copies).size(), labels.grades(target).groupby(copies).nunique()
    if (sizes > 1).any():
        several = sizes[sizes > 1]
        notify(
            f"{len(several)} photographs stand more than once, {several.sum()} times in all: copies are of one patient"
        )
    if (grades > 1).any():
        warn(
            f"{(grades > 1).sum()} photographs stand more than once with different {target} grades:"
            " drkit check lists them"
        )
    return unite_patients(labels, copies)


def number_shared(labels: Labels) -> np.ndarray:
    """int64 (N,): equal numbers for photographs that data sets have in common, byte for byte.

    Identical photographs of one data set alone have different numbers.
    """
    if not labels.datasets:
        return np.arange(len(labels))
    content = number_contents(labels.paths(), read_source_hashes(labels.roots))
    is_shared = labels.dataset_names().groupby(content).transform("nunique").to_numpy() > 1
    return np.where(is_shared, content, content.size + np.arange(content.size))


def check_grades_agree(labels: Labels, copies: np.ndarray) -> None:
    """Check that no photograph has two grades.

    Args:
        labels: N photographs.
        copies: (N,) equal numbers for copies of one photograph.

    Raises:
        InputError: some have.
    """
    for target in get_args(Target):
        grades = labels.grades(target).where(labels.rows["gradable"])
        is_odd = (grades.groupby(copies).transform("nunique") > 1).to_numpy() & grades.notna().to_numpy()
        if is_odd.any():
            first = np.flatnonzero(is_odd & (copies == copies[is_odd.argmax()]))
            other = first[grades.iloc[first].ne(grades.iloc[first[0]]).to_numpy()][0]
            described = " but ".join(_describe(labels, row, grades.iloc[row]) for row in (first[0], other))
            raise InputError(
                f"data sets contradict each other on the {target} grade of {len(np.unique(copies[is_odd]))}"
                f" photographs that they share, for example {described}: correct one, or leave it empty there"
            )


def unite_patients(labels: Labels, copies: np.ndarray) -> Labels:
    """Let copies of one photograph be of one patient, who stands in one split.

    Where the data sets' own splits part them, the patient stays where least is learned from it: in test rather than
    val, in val rather than train. Photographs of that patient in other splits are left out, with a warning.

    Args:
        labels: N photographs, every one with a patient.
        copies: (N,) equal numbers for copies of one photograph.
    """
    patient = pd.factorize(labels.rows["patient_id"])[0]
    # Patients and photographs are the nodes of a graph: a patient is linked to each photograph, a copy counting as one.
    num_patients, photograph = patient.max() + 1, np.unique(copies, return_inverse=True)[1]
    size = num_patients + photograph.max() + 1
    links = coo_array((np.ones(len(patient)), (patient, num_patients + photograph)), shape=(size, size))
    united = connected_components(links, directed=False)[1][:num_patients][patient]
    is_several = pd.Series(patient).groupby(united).transform("nunique").to_numpy() > 1
    if not is_several.any():
        return labels
    side = labels.rows["split"].map({split: number for number, split in enumerate(SPLITS)}).astype(int)
    stays = ~is_several | (side == side.groupby(united).transform("max")).to_numpy()
    if not stays.all():
        counts = labels.rows["split"][~stays].value_counts()
        left_out = " and ".join(f"{counts[split]} photographs of {split}" for split in SPLITS if split in counts)
        warn(f"{left_out} are left out: their patients stand in another split, too, as copies of photographs tell")
    rows, united, is_several = labels.rows[stays].reset_index(drop=True), united[stays], is_several[stays]
    first = rows["patient_id"].groupby(united).transform("first")
    rows["patient_id"] = rows["patient_id"].mask(is_several, first)
    return replace(labels, rows=rows)


def _describe(labels: Labels, row: int, grade: int) -> str:
    photograph = labels.rows.iloc[row]
    return f"{photograph['image_id']} in {labels.dataset_names().iloc[row]} has {grade}"
