"""Units: the photographs of one forward pass, which is one photograph, or all of an eye or a patient."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from drkit.data.transfer import pack_to
from drkit.errors import InputError, UsageError, first_few
from drkit.grades import Target, Unit, grade_column
from drkit.records.labels import Labels
from drkit.records.predictions import patient_keys


@dataclass(frozen=True)
class UnitIndex:
    """Units and eyes of the photographs of a batch, as int64 tensors (P,) on one device.

    Args:
        unit: Index of each photograph's unit in the batch, ascending, 0 to num_units - 1.
        slot: Position of each photograph in a complete unit (the views of the left eye come first).
        eye: Index of each photograph's eye in the batch, 0 to num_eyes - 1; an eye is never in two units.
        num_units: Number of units, B.
        num_eyes: Number of eyes, G.
    """

    unit: Tensor
    slot: Tensor
    eye: Tensor
    num_units: int
    num_eyes: int

    @classmethod
    def alone(cls, num: int, device: torch.device | str = "cpu") -> "UnitIndex":
        """Return the index of `num` photographs, each of which is a unit."""
        numbers = torch.arange(num, device=device)
        return cls(numbers, torch.zeros_like(numbers), numbers, num, num)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensors `unit`, `slot` and `eye`."""
        return self.unit, self.slot, self.eye

    def with_tensors(self, tensors: Sequence[Tensor]) -> "UnitIndex":
        """Return an index with other tensors in their place."""
        unit, slot, eye = tensors
        return UnitIndex(unit, slot, eye, self.num_units, self.num_eyes)

    def to(self, device: torch.device) -> "UnitIndex":
        """Copy the index to another device."""
        return self.with_tensors(pack_to(device, self.tensors))


@dataclass(frozen=True)
class Batch:
    """Photographs of some units.

    Args:
        rows: Row numbers (P,) of the photographs, unit by unit.
        index: Unit, slot and eye of each photograph.
        eyes: Numbers (G,) of the eyes in the data set, in the order of `index.eye`.
    """

    rows: np.ndarray
    index: UnitIndex
    eyes: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of a data set of N photographs.

    Args:
        kind: image, eye or patient.
        unit_of: Number (N,) of each photograph's unit.
        slot_of: Position (N,) of each photograph in its unit.
        eye_of: Number (N,) of each photograph's eye; with kind image each photograph counts as a separate eye.
        rows_of: Row numbers of each unit, by slot.
        num_slots: Number of photographs in a complete unit; that of a patient is divided equally between the eyes.
    """

    kind: Unit
    unit_of: np.ndarray
    slot_of: np.ndarray
    eye_of: np.ndarray
    rows_of: tuple[np.ndarray, ...]
    num_slots: int

    def __len__(self) -> int:
        return len(self.rows_of)

    @property
    def first_rows(self) -> np.ndarray:
        """Row number (U,) of the first photograph of each unit."""
        return np.array([rows[0] for rows in self.rows_of])

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the sorted numbers of the units that the photographs belong to, without duplicates."""
        return np.unique(self.unit_of[rows])

    def part(self, numbers: np.ndarray) -> tuple[np.ndarray, "Units"]:
        """Return the row numbers (P,) of some units' photographs, and the units in which both are numbered from 0."""
        rows_of = [self.rows_of[number] for number in numbers]
        rows, sizes = np.concatenate(rows_of), [len(each) for each in rows_of]
        eye_of = np.unique(self.eye_of[rows], return_inverse=True)[1]
        own_rows = tuple(np.split(np.arange(len(rows)), np.cumsum(sizes)[:-1]))
        unit_of = np.repeat(np.arange(len(numbers)), sizes)
        return rows, Units(
            kind=self.kind,
            unit_of=unit_of,
            slot_of=self.slot_of[rows],
            eye_of=eye_of,
            rows_of=own_rows,
            num_slots=self.num_slots,
        )

    def batch(self, numbers: np.ndarray) -> Batch:
        """Return the photographs of the units with these numbers."""
        rows = np.concatenate([self.rows_of[number] for number in numbers])
        unit = np.repeat(np.arange(len(numbers)), [len(self.rows_of[number]) for number in numbers])
        # A unit that occurs twice in a batch has separate eyes each time.
        eyes, eye = np.unique(unit * (self.eye_of.max() + 1) + self.eye_of[rows], return_inverse=True)
        index = UnitIndex(_tensor(unit), _tensor(self.slot_of[rows]), _tensor(eye), len(numbers), len(eyes))
        return Batch(rows, index, eyes % (self.eye_of.max() + 1))


def build_units(labels: Labels, kind: Unit, num_slots: int = 0) -> Units:
    """Group the photographs of a data set into units; a photograph without a patient is a unit of its own.

    Args:
        labels: N photographs of any splits; a unit is never in two.
        kind: image: each photograph; eye: the views of the same eye; patient: all photographs of a patient.
        num_slots: Number of photographs in a unit that a network was trained with, so that each photograph gets the
            same slot even if others are missing.

    Raises:
        UsageError: the eyes are unknown, so that their photographs cannot be grouped.
    """
    rows = labels.rows.reset_index(drop=True)
    patients = pd.Series(patient_keys(rows))
    if kind == "eye" and rows["eye"].isna().all() and patients.duplicated().any():
        raise UsageError(
            f"{labels.title} does not state which eye a photograph shows: use --unit image or patient, or a run that"
            " was trained with one of them"
        )
    single = "photograph " + rows["image_id"]
    eyes = (patients + " " + rows["eye"]).fillna(single)
    keys = {"image": single, "eye": eyes, "patient": patients}[kind] + " " + rows["split"]
    eye_keys = single if kind == "image" else eyes + " " + rows["split"]
    unit_of = np.unique(keys.to_numpy(dtype=str), return_inverse=True)[1]
    eye_of = np.unique(eye_keys.to_numpy(dtype=str), return_inverse=True)[1]
    slot_of, num_slots = _assign_slots(rows, unit_of, kind, num_slots)
    order = np.lexsort((slot_of, unit_of))
    ends = np.flatnonzero(np.diff(unit_of[order])) + 1
    return Units(
        kind=kind,
        unit_of=unit_of,
        slot_of=slot_of,
        eye_of=eye_of,
        rows_of=tuple(np.split(order, ends)),
        num_slots=num_slots,
    )


def unit_grades(labels: Labels, units: Units, target: Target) -> np.ndarray:
    """Return the reference grades of the units, int64 (U,); -1 where unknown.

    Raises:
        InputError: photographs of one unit have different grades.
    """
    grades = labels.rows[grade_column(target)].fillna(-1).to_numpy(dtype=np.int64)
    of_units = np.full(len(units), -1, np.int64)
    np.maximum.at(of_units, units.unit_of, grades)
    odd = np.flatnonzero((grades >= 0) & (grades != of_units[units.unit_of]))
    if len(odd):
        names = labels.rows["image_id"].iloc[odd].tolist()
        raise InputError(
            f"{labels.title}: {len(np.unique(units.unit_of[odd]))} units of kind {units.kind} have photographs with"
            f" different {target} grades, e.g. {first_few(names)}: use --unit image, or correct the grades"
        )
    return of_units


def _tensor(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64))


def _assign_slots(rows: pd.DataFrame, unit_of: np.ndarray, kind: Unit, num_slots: int) -> tuple[np.ndarray, int]:
    """Return slots (N,) and their number: by view within an eye, and the right eye after the left."""
    ordered = pd.DataFrame({"unit": unit_of, "eye": rows["eye"].fillna(""), "view": rows["view"].fillna(0)})
    ordered["image_id"] = rows["image_id"]
    ordered = ordered.sort_values(["unit", "eye", "view", "image_id"])
    if kind != "patient" or rows["eye"].isna().any():
        in_unit = ordered.groupby("unit").cumcount().sort_index().to_numpy()
        return in_unit, int(in_unit.max()) + 1
    in_eye = ordered.groupby(["unit", "eye"]).cumcount().sort_index().to_numpy()
    per_eye = max(int(in_eye.max()) + 1, num_slots // 2)
    return in_eye + (rows["eye"] == "right").to_numpy(dtype=np.int64) * per_eye, 2 * per_eye
