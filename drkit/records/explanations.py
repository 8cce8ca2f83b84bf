"""manifest.json of explanations: what was asked, of which weights, and where the pictures and maps lie."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drkit.errors import InputError
from drkit.records.atomic import write_bytes
from drkit.records.decoding import decode
from drkit.records.filenames import is_bare
from drkit.records.provenance import circumstances

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ExplainedPhotograph:
    """One photograph and its evidence.

    Args:
        image_id: Its name.
        path: Of the photograph, as the data set has it.
        sha256: Of the photograph's file.
        unit: What was graded together with it: photographs of one unit carry the same number.
        patient_id: Whose it is; None where unknown.
        eye: left or right; None where unknown.
        split: train, val or test.
        picked: Whether it was asked for, or only belongs to the unit of one that was.
        reference_grade: Of the run's target; None where unknown.
        predicted_grade: The run's.
        score: The network's, in [0, 4].
        probabilities: Of the grades 0 to 4.
        asked_grade: The grade that was explained; None where the score was.
        share: Of the unit's evidence that lies in this photograph.
        outside_disc: Share of the photograph's evidence outside the fundus disc; None where no disc was found.
        outside_area: Share of the image that lies outside the disc.
        alarm: Whether the evidence is denser outside the disc than inside.
        picture: File name of the strip photograph, for, against.
        maps: File name of the raw maps (.npz).
        contrast: File name of predicted against reference, where they differ; else None.
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


@dataclass(frozen=True)
class Explanations:
    """All that one run of `drkit explain` found with one method.

    Args:
        run: Its name.
        checkpoints: SHA-256 of each weights file that was asked, by file name.
        method: Name in the catalogue.
        layer: Whose map was looked at; None: the backbone's last.
        target: Whose grade, patient or eye.
        asked: predicted, reference, score, or a grade.
        unit: What one forward pass sees.
        reason: Why these photographs, in words.
        speaks_for: What the evidence for speaks for, in words.
        speaks_against: The same of the evidence against.
        sheets: File names of the sheets.
        photographs: A row each.
        faithfulness: Figures of the proof, each a value with low and high; None where it was not asked for.
        lesions: Figures of the lesions' masks, likewise.
        unreadable: Why photographs were left out that cannot be read, by id.
        schema_version: Of the manifest.
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
        """Names of everything that lies beside the manifest."""
        rows = self.photographs
        named = [*(row.picture for row in rows), *(row.maps for row in rows), *(row.contrast for row in rows)]
        return [*self.sheets, *(name for name in named if name is not None)]


def write_explanations(explanations: Explanations, folder: Path, *, force: bool) -> Path:
    """Write the manifest, the last of a folder's files.

    Raises:
        OutputExistsError: there is one, and `force` is off.
    """
    path = folder / MANIFEST
    content = {**asdict(explanations), "made": circumstances()}
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode(), force=force)
    return path


def find_explanations(folder: Path) -> list[Path]:
    """The folder of explanations itself, or where it holds one a method, as `--method a,b` makes them, all of these.

    Args:
        folder: As typed; its manifest will do.
    """
    if folder.name == MANIFEST:
        return [folder.parent]
    if (folder / MANIFEST).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{MANIFEST}")) or [folder]


def read_explanations(folder: Path) -> Explanations:
    """Read the manifest of a folder that `drkit explain` wrote.

    Raises:
        InputError: there is none, or it is not what drkit writes.
    """
    path = folder if folder.name == MANIFEST else folder / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
    except OSError:
        raise InputError(f"{path} does not exist: expected a folder that drkit explain wrote") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a manifest of explanations") from None
    if version != SCHEMA_VERSION:
        raise InputError(f"{path}: schema version {version}, this drkit reads {SCHEMA_VERSION}: update drkit")
    explanations = decode(record, Explanations, path, "run drkit explain again")
    outside = [name for name in explanations.files() if not is_bare(name)]
    if outside:
        raise InputError(f"{path} names '{outside[0]}', which is no file beside it: run drkit explain again")
    return explanations
