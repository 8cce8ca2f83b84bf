"""The files of explanations: strips, contrasts, raw maps, sheets, and the rows of the manifest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from drkit.explaining.batch import TARGET_FREE_METHODS, BatchAttribution, ExplainSetup
from drkit.explaining.photographs import View
from drkit.explaining.pictures import AGAINST, FOR, ROWS_A_SHEET, SheetRow, draw_sheet, paint, paint_both, strip
from drkit.images.files import Photograph, encode_photograph
from drkit.progress import warn
from drkit.records.atomic import write_bytes
from drkit.records.explanations import MANIFEST, ExplainedPhotograph, read_explanations
from drkit.records.filenames import shorten_name

MAX_SHEETS = 10
MIN_CELLS = 6  # along a side; with fewer, each cell is wider than a sixth of the photograph
LONGEST_ID = 40  # characters of an image id in a heading


def name_files(image_ids: Sequence[str]) -> dict[str, str]:
    """Make a short and unique file name without suffix for each id, of letters, digits, `.`, `-` and `_`."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for image_id in image_ids:
        name = stem = shorten_name(re.sub(r"[^\w.-]", "_", image_id))
        for number in count(2):
            if name.lower() not in taken:  # some file systems ignore case
                break
            name = f"{stem}-{number}"
        taken.add(name.lower())
        names[image_id] = name
    return names


def clear_folder(folder: Path) -> None:
    """Remove the files of an earlier manifest, so that no pictures of other photographs stay beside the new ones."""
    if not (folder / MANIFEST).is_file():
        return
    earlier = read_explanations(folder)
    (folder / MANIFEST).unlink()
    for name in earlier.files():
        (folder / name).unlink(missing_ok=True)


@dataclass(kw_only=True)
class Writer:
    """Writes batch by batch, so that memory does not grow with the number of photographs.

    Args:
        setup: Run, photographs and method.
        folder: The output folder.
        force: Whether to overwrite files.
        names: File names without suffix, by image id.
        photographs: Rows of the manifest so far.
        sheets: File names of the sheets so far.
        num_cells: Cells across a map, before it is scaled up to the photograph.
    """

    setup: ExplainSetup
    folder: Path
    force: bool
    names: dict[str, str]
    photographs: list[ExplainedPhotograph] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)
    num_cells: int = MIN_CELLS
    _sheet_rows: list[SheetRow] = field(default_factory=list)

    def add(self, result: BatchAttribution, views: Sequence[View]) -> None:
        """Write the pictures and maps of a batch; with `force`, the first batch removes the files of an earlier run."""
        if self.force and not self.photographs:
            clear_folder(self.folder)
        if not self.photographs:
            self._check_cells(result.raw.signed.shape[-1])
        for index, view in enumerate(views):
            row = self._build_row(result, index, view)
            panels = _panels(self.setup, result, index, view, row)
            self._write_maps(row, result, index, view)
            self._write(row.picture, encode_photograph(strip([picture for _, picture in panels[:3]]), ".png"))
            if row.contrast:
                self._write(row.contrast, encode_photograph(panels[-1][1], ".png"))
            self.photographs.append(row)
            self._add_to_sheet(_sheet_row(row, panels, self.setup))

    def _check_cells(self, num_cells: int) -> None:
        """Warn if the maps have only a few cells: scaled up, each covers a large part of the disc and of its rim."""
        self.num_cells = num_cells
        if num_cells < MIN_CELLS:
            warn(
                f"the maps of {self.setup.method} are {num_cells} x {num_cells} cells: too coarse to point at anything,"
                " and their evidence outside the disc is no sign of a shortcut; train with a larger --size, or use"
                " --method integrated-gradients"
            )

    def finish(self) -> None:
        """Write the last sheet."""
        if self._sheet_rows:
            self._write_sheet()

    def _add_to_sheet(self, row: SheetRow) -> None:
        if len(self.sheets) < MAX_SHEETS:
            self._sheet_rows.append(row)
        if len(self._sheet_rows) == ROWS_A_SHEET:
            self._write_sheet()

    def _write_sheet(self) -> None:
        setup = self.setup
        name = f"sheet-{len(self.sheets) + 1:02d}.png"
        header = setup.opened.header
        title = f"{setup.opened.run.name}: {setup.method}, {header.target}'s grade"
        if self.num_cells < MIN_CELLS:
            title += f" (maps of only {self.num_cells} x {self.num_cells} cells, too coarse to point at anything)"
        self._write(name, draw_sheet(self._sheet_rows, title, setup.meanings))
        self.sheets.append(name)
        self._sheet_rows.clear()

    def _write_maps(self, row: ExplainedPhotograph, result: BatchAttribution, index: int, view: View) -> None:
        buffer = BytesIO()
        np.savez_compressed(
            buffer,
            speaking_for=result.raw.positive[index].float().cpu().numpy(),
            against=result.raw.negative[index].float().cpu().numpy(),
            disc=view.disc,
        )
        self._write(row.maps, buffer.getvalue())

    def _write(self, name: str, content: bytes) -> None:
        write_bytes(self.folder / name, content, force=self.force)

    def _build_row(self, result: BatchAttribution, index: int, view: View) -> ExplainedPhotograph:
        row = self.setup.explained.rows.iloc[result.rows[index]]
        unit, name = int(result.unit[index]), self.names[row["image_id"]]
        outside, area = float(result.outside[index]), float(1 - view.disc.mean())
        return ExplainedPhotograph(
            image_id=str(row["image_id"]),
            path=_relative(row["path"], self.setup.explained.roots),
            sha256=view.sha256,
            unit=int(self.setup.explained.units.unit_of[result.rows[index]]),
            patient_id=_text(row["patient_id"]),
            eye=_text(row["eye"]),
            split=str(row["split"]),
            picked=bool(row["picked"]),
            reference_grade=None if pd.isna(row["reference"]) else int(row["reference"]),
            predicted_grade=int(row["predicted_grade"]),
            score=float(result.predictions.score[unit]),
            probabilities=tuple(float(share) for share in result.predictions.probabilities[unit]),
            asked_grade=None if result.target_grades is None else int(result.target_grades[unit]),
            share=float(result.shares[index]),
            outside_disc=None if np.isnan(outside) else outside,
            outside_area=area,
            alarm=bool(outside > area),
            picture=f"{name}.png",
            maps=f"{name}.npz",
            contrast=f"{name}_contrast.png" if index in result.contrast else None,
        )


def _panels(
    setup: ExplainSetup, result: BatchAttribution, index: int, view: View, row: ExplainedPhotograph
) -> list[tuple[str, Photograph]]:
    """Title and picture of the photograph, of the evidence for and against, and of the contrast of two grades."""
    titles = list(setup.meanings)
    if row.asked_grade is not None and setup.target_name != "score" and setup.method not in TARGET_FREE_METHODS:
        titles = [f"{words} grade {row.asked_grade}" for words in ("speaks for", "speaks against")]
    panels = [
        ("photograph", view.picture),
        (titles[0], paint(view.picture, result.drawn_positive[index], FOR, view.disc)),
    ]
    if titles[1]:
        panels.append((titles[1], paint(view.picture, result.drawn_negative[index], AGAINST, view.disc)))
    if index in result.contrast:
        painted = paint_both(view.picture, *result.contrast[index], view.disc)
        panels.append((f"{row.predicted_grade} (orange) rather than {row.reference_grade} (blue)", painted))
    return panels


def _sheet_row(row: ExplainedPhotograph, panels: Sequence[tuple[str, Photograph]], setup: ExplainSetup) -> SheetRow:
    reference = "unknown" if row.reference_grade is None else str(row.reference_grade)
    name = row.image_id if len(row.image_id) <= LONGEST_ID else f"{row.image_id[: LONGEST_ID - 3]}..."
    heading = f"{name}   reference {reference}, predicted {row.predicted_grade}, score {row.score:.2f}"
    kind = "attention" if setup.method == "attention" else "evidence"
    if setup.explained.units.kind != "image":
        heading += f"   {row.share:.0%} of the {setup.explained.units.kind}'s {kind}"
    warning = f"{row.outside_disc:.0%} of the {kind} outside the disc" if row.alarm else ""
    return SheetRow(heading, panels, row.probabilities, row.reference_grade, warning)


def _text(value: object) -> str | None:
    return None if pd.isna(value) else str(value)


def _relative(path: str, roots: Sequence[Path]) -> str:
    """A path relative to the data set's folder; with several data sets, starting with the folder's name."""
    photograph = Path(path)
    root = next((root for root in roots if photograph.is_relative_to(root)), None)
    if root is None:
        return photograph.as_posix()
    return photograph.relative_to(root if len(roots) == 1 else root.parent).as_posix()
