"""Units: what one forward pass sees: a photograph, an eye, or a patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from drkit.data.transfer import pack_to
from drkit.errors import InputError, UsageError, first_few
from drkit.grades import Target, grade_column
from drkit.records.labels import Labels
from drkit.records.predictions import patient_keys

Unit = Literal["image", "eye", "patient"]


@dataclass(frozen=True)
class UnitIndex:
    """Where each photograph of a batch belongs; int64 tensors (P,) on one device.

    Args:
        unit: Number of its unit in the batch, rising, 0 to num_units - 1.
        slot: Its place among the photographs of a whole unit (left eye's views first).
        eye: Number of its eye in the batch, 0 to num_eyes - 1; an eye never spans two units.
        num_units: B.
        num_eyes: G.
    """

    unit: Tensor
    slot: Tensor
    eye: Tensor
    num_units: int
    num_eyes: int

    @classmethod
    def alone(cls, num: int, device: torch.device | str = "cpu") -> "UnitIndex":
        """Each of `num` photographs is a unit of its own."""
        numbers = torch.arange(num, device=device)
        return cls(numbers, torch.zeros_like(numbers), numbers, num, num)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Unit, slot and eye."""
        return self.unit, self.slot, self.eye

    def with_tensors(self, tensors: Sequence[Tensor]) -> "UnitIndex":
        """The same with other tensors in their place."""
        unit, slot, eye = tensors
        return UnitIndex(unit, slot, eye, self.num_units, self.num_eyes)

    def to(self, device: torch.device) -> "UnitIndex":
        """The same on another device."""
        return self.with_tensors(pack_to(device, self.tensors))


@dataclass(frozen=True)
class Batch:
    """Some units, photograph by photograph.

    Args:
        rows: (P,) row numbers of their photographs, unit by unit.
        places: Where each belongs.
        eyes: (G,) numbers of their eyes in the data set, in the order of `places.eye`.
    """

    rows: np.ndarray
    places: UnitIndex
    eyes: np.ndarray


@dataclass(frozen=True)
class Units:
    """The units of a data set of N photographs.

    Args:
        kind: image, eye or patient.
        unit_of: (N,) number of each photograph's unit.
        slot_of: (N,) its place in the unit.
        eye_of: (N,) number of its eye; with kind image each photograph counts as an eye of its own.
        rows_of: The row numbers of each unit, by slot.
        num_slots: UnitIndex in a whole unit; of a patient, as many for the right eye as for the left.
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
        """(U,) a photograph of each unit."""
        return np.array([rows[0] for rows in self.rows_of])

    @property
    def first_rows_of_eyes(self) -> np.ndarray:
        """A photograph of each eye, by the eye's number."""
        return np.unique(self.eye_of, return_index=True)[1]

    def of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the units that photographs belong to, each once, in order."""
        return np.unique(self.unit_of[rows])

    def batch(self, numbers: np.ndarray) -> Batch:
        """The photographs of the units with these numbers."""
        rows = np.concatenate([self.rows_of[number] for number in numbers])
        unit = np.repeat(np.arange(len(numbers)), [len(self.rows_of[number]) for number in numbers])
        # A unit drawn twice into one batch stands there with eyes of its own.
        eyes, eye = np.unique(unit * (self.eye_of.max() + 1) + self.eye_of[rows], return_inverse=True)
        places = UnitIndex(_tensor(unit), _tensor(self.slot_of[rows]), _tensor(eye), len(numbers), len(eyes))
        return Batch(rows, places, eyes % (self.eye_of.max() + 1))


def build_units(labels: Labels, kind: Unit, num_slots: int = 0) -> Units:
    """Gather a data set's photographs into units; nobody known is a patient of their own.

    Args:
        labels: N photographs, of any splits; a unit never spans two.
        kind: image: each photograph; eye: the views of the same eye; patient: all photographs of a patient.
        num_slots: UnitIndex in a unit that a network knows, so that each photograph gets the place it would have had
            there, whichever are missing here.

    Raises:
        UsageError: photographs cannot be joined because no eye is known.
    """
    rows = labels.rows.reset_index(drop=True)
    patients = pd.Series(patient_keys(rows))
    if kind == "eye" and rows["eye"].isna().all() and patients.duplicated().any():
        raise UsageError(f"{labels.title} does not tell which eye a photograph shows: use --unit image or patient")
    single = "photograph " + rows["image_id"]
    eyes = (patients + " " + rows["eye"]).fillna(single)
    keys = {"image": single, "eye": eyes, "patient": patients}[kind] + " " + rows["split"]
    eye_keys = single if kind == "image" else eyes + " " + rows["split"]
    unit_of = np.unique(keys.to_numpy(dtype=str), return_inverse=True)[1]
    eye_of = np.unique(eye_keys.to_numpy(dtype=str), return_inverse=True)[1]
    slot_of, found_slots = _assign_slots(rows, unit_of, kind, num_slots)
    order = np.lexsort((slot_of, unit_of))
    ends = np.flatnonzero(np.diff(unit_of[order])) + 1
    return Units(kind, unit_of, slot_of, eye_of, tuple(np.split(order, ends)), found_slots)


def unit_grades(labels: Labels, units: Units, target: Target) -> np.ndarray:
    """int64 (U,) reference grades of the units; -1 where unknown.

    Raises:
        InputError: photographs of one unit with different grades.
    """
    grades = labels.rows[grade_column(target)].fillna(-1).to_numpy(dtype=np.int64)
    of_units = np.full(len(units), -1, np.int64)
    np.maximum.at(of_units, units.unit_of, grades)
    odd = np.flatnonzero((grades >= 0) & (grades != of_units[units.unit_of]))
    if len(odd):
        names = labels.rows["image_id"].iloc[odd].tolist()
        raise InputError(
            f"{labels.title}: {len(np.unique(units.unit_of[odd]))} units of kind {units.kind} have photographs with"
            f" different {target} grades, for example {first_few(names)}: use --unit image, or correct the grades"
        )
    return of_units


def _tensor(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64))


def _assign_slots(rows: pd.DataFrame, unit_of: np.ndarray, kind: Unit, num_slots: int) -> tuple[np.ndarray, int]:
    """(N,) places, and how many: by view within an eye; a patient's right eye has those after the left's."""
    ordered = pd.DataFrame({"unit": unit_of, "eye": rows["eye"].fillna(""), "view": rows["view"].fillna(0)})
    ordered["image_id"] = rows["image_id"]
    ordered = ordered.sort_values(["unit", "eye", "view", "image_id"])
    if kind != "patient" or rows["eye"].isna().any():
        in_unit = ordered.groupby("unit").cumcount().sort_index().to_numpy()
        return in_unit, int(in_unit.max()) + 1
    in_eye = ordered.groupby(["unit", "eye"]).cumcount().sort_index().to_numpy()
    per_eye = max(int(in_eye.max()) + 1, num_slots // 2)
    return in_eye + (rows["eye"] == "right").to_numpy(dtype=np.int64) * per_eye, 2 * per_eye
