"""manifest.json of explanations: targets, weights, photographs, and the files of figures and maps."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drkit.errors import InputError
from drkit.records.decoding import check_version, decode
from drkit.records.filenames import is_bare
from drkit.records.json_records import write_json_record

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class ExplainedPhotograph:
    """One photograph and its attribution.

    Args:
        image_id: Id of the photograph.
        path: Path of the photograph in the data set.
        sha256: SHA-256 of the photograph's file.
        unit: Number of the unit; photographs that were graded together have the same number.
        patient_id: Id of the patient; None if unknown.
        eye: left or right; None if unknown.
        split: train, val or test.
        picked: Whether the photograph was selected; False if only another one of its unit was.
        reference_grade: Reference grade of the run's target; None if unknown.
        predicted_grade: The grade that the run predicted.
        score: The network's score, in [0, 4].
        probabilities: Probabilities of the grades 0 to 4.
        asked_grade: The grade that was explained; None if the score was explained.
        share: Share of the unit's attribution that lies in this photograph.
        outside_disc: Share of the photograph's attribution outside the fundus disc; None if no disc was found.
        outside_area: Share of the image's area outside the disc.
        alarm: Whether the attribution is denser outside the disc than inside.
        picture: File name of the figure with photograph, positive and negative map.
        maps: File name of the raw maps (.npz).
        contrast: File name of the figure of predicted against reference grade; None if they are equal.
    """

    image_id: str
    path: str
    sha256: str
    unit: int
    patient_id: str | None
    eye: str | None
    split: str
    picked: bool
    reference_grade: int | None
    predicted_grade: int
    score: float
    probabilities: tuple[float, ...]
    asked_grade: int | None
    share: float
    outside_disc: float | None
    outside_area: float
    alarm: bool
    picture: str
    maps: str
    contrast: str | None


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """The results of `drkit explain` with one method.

    Args:
        run: Name of the explained run.
        checkpoints: SHA-256 of each network's weights, by file name.
        method: Name of the method in the catalogue.
        layer: The layer of the map; None for the backbone's last.
        target: Target of the run: patient or eye.
        asked: What was explained: predicted, reference, score, or a grade.
        unit: Input of one forward pass: image, eye or patient.
        reason: Why these photographs were selected.
        speaks_for: What the positive map speaks for.
        speaks_against: What the negative map speaks for.
        sheets: File names of the overview sheets.
        photographs: The explained photographs.
        faithfulness: Figures of faithfulness, each with value, low and high; None if it was not measured.
        lesions: Figures of agreement with lesion masks, each with value, low and high; None if it was not measured.
        unreadable: Why photographs could not be read, by id.
        schema_version: Version of the manifest.
    """

    run: str
    checkpoints: dict[str, str]
    method: str
    layer: str | None
    target: str
    asked: str
    unit: str
    reason: str
    speaks_for: str
    speaks_against: str
    sheets: tuple[str, ...]
    photographs: tuple[ExplainedPhotograph, ...]
    faithfulness: dict[str, Any] | None = None
    lesions: dict[str, Any] | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def files(self) -> list[str]:
        """Names of all files beside the manifest."""
        rows = self.photographs
        names = [*(row.picture for row in rows), *(row.maps for row in rows), *(row.contrast for row in rows)]
        return [*self.sheets, *(name for name in names if name is not None)]


def write_explanations(explanations: Explanations, folder: Path, *, force: bool) -> Path:
    """Write the manifest, which is the last file of its folder to be written.

    Raises:
        OutputExistsError: a manifest exists and `force` is off.
    """
    path = folder / MANIFEST
    write_json_record(path, asdict(explanations), force=force)
    return path


def find_explanations(folder: Path) -> list[Path]:
    """Find the folders of explanations: the folder itself, or after `--method a,b` its folder of each method.

    Args:
        folder: The folder as typed, or its manifest.
    """
    if folder.name == MANIFEST:
        return [folder.parent]
    if (folder / MANIFEST).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}")) or [folder]


def read_explanations(folder: Path) -> Explanations:
    """Read the manifest of a folder that `drkit explain` wrote.

    Raises:
        InputError: there is no manifest, or it is not in drkit's format.
    """
    path = folder if folder.name == MANIFEST else folder / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except OSError:
        raise InputError(f"{path} does not exist: expected a folder that drkit explain wrote") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a manifest of explanations") from None
    check_version(version, SCHEMA_VERSION, path)
    explanations = decode(record, Explanations, path, "run drkit explain again")
    outside = [name for name in explanations.files() if not is_bare(name)]
    if outside:
        raise InputError(f"{path} lists '{outside[0]}', which is not a file beside it: run drkit explain again")
    return explanations
