"""Copies of one photograph, whose grades must agree, and which are never in two splits."""

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
    """Assign photographs that several data sets share to one patient and one split.

    Args:
        labels: Photographs, all with a patient.

    Raises:
        InputError: data sets state different grades for one photograph.
    """
    shared = number_shared(labels)
    check_grades_agree(labels, shared)
    return unite_patients(labels, shared)


def keep_near_copies_together(labels: Labels, target: Target, cache_dir: Path, workers: int | None = None) -> Labels:
    """Assign near duplicates to one patient and one split, within a data set and across data sets.

    Warns if near duplicates have different grades.

    Args:
        labels: N photographs, all with a patient.
        target: Target to learn.
        cache_dir: Folder in which the result of the search is cached.
        workers: Number of threads. None: one per core.
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
            f"{len(several)} photographs occur more than once ({several.sum()} copies in all):"
            " copies count as one patient"
        )
    if (grades > 1).any():
        warn(
            f"{(grades > 1).sum()} photographs occur more than once with different {target} grades:"
            " drkit check lists them"
        )
    return unite_patients(labels, copies)


def number_shared(labels: Labels) -> np.ndarray:
    """Number photographs so that files shared by several data sets, byte for byte, have equal numbers: int64 (N,).

    Identical photographs within one data set have different numbers.
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
        copies: Numbers (N,), equal for copies of one photograph.

    Raises:
        InputError: a photograph has several grades.
    """
    for target in get_args(Target):
        grades = labels.grades(target).where(labels.rows["gradable"])
        is_odd = (grades.groupby(copies).transform("nunique") > 1).to_numpy() & grades.notna().to_numpy()
        if is_odd.any():
            first = np.flatnonzero(is_odd & (copies == copies[is_odd.argmax()]))
            other = first[grades.iloc[first].ne(grades.iloc[first[0]]).to_numpy()][0]
            ids, names = labels.rows["image_id"], labels.dataset_names()
            described = " but ".join(
                f"{ids.iloc[row]} in {names.iloc[row]} has {grades.iloc[row]}" for row in (first[0], other)
            )
            raise InputError(
                f"data sets state different {target} grades for {len(np.unique(copies[is_odd]))} photographs that they"
                f" share, e.g. {described}: correct one of them, or leave its grade empty"
            )


def unite_patients(labels: Labels, copies: np.ndarray) -> Labels:
    """Assign copies of one photograph to one patient, who is in one split.

    If the copies are in several splits, the patient is assigned to test rather than val, and to val rather than train.
    The photographs of the patient in other splits are left out, with a warning.

    Args:
        labels: N photographs, all with a patient.
        copies: Numbers (N,), equal for copies of one photograph.
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
        warn(f"left out {left_out}: copies of photographs show that their patients are also in another split")
    rows, united, is_several = labels.rows[stays].reset_index(drop=True), united[stays], is_several[stays]
    first = rows["patient_id"].groupby(united).transform("first")
    rows["patient_id"] = rows["patient_id"].mask(is_several, first)
    return replace(labels, rows=rows)
