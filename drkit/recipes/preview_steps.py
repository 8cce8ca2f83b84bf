"""`drkit preprocess --preview`: a few photographs before and after every step, in one picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drkit.config.preprocess import DEFAULT_SIZE, PreprocessConfig
from drkit.errors import UsageError
from drkit.images.files import PICTURE_SUFFIXES, encode_photograph, read_photograph
from drkit.images.filters.preview import draw_contact_sheet
from drkit.images.filters.steps import parse_steps, plan_steps
from drkit.records.atomic import check_writable, write_bytes
from drkit.records.layouts import read_dataset
from drkit.reporting import Table

PREVIEWED = 5  # photographs


@dataclass(frozen=True)
class StepPreview:
    """A contact sheet.

    Args:
        preview: The picture.
        image_ids: Its rows.
        steps: Its columns, after that of the original photographs.
    """

    preview: Path
    image_ids: tuple[str, ...]
    steps: tuple[str, ...]

    def render(self) -> Iterator[str | Table]:
        """Return one sentence."""
        yield f"drew {len(self.image_ids)} photographs before and after {','.join(self.steps)} in {self.preview}"


def run_preview(config: PreprocessConfig, preview: Path) -> StepPreview:
    """Draw a few photographs before and after every step.

    Raises:
        UsageError: several data sets, unknown steps or parameters, or a suffix that is no picture format.
        InputError: no data set, or an unreadable photograph.
        OutputExistsError: the picture exists already.
    """
    if len(config.data) > 1:
        raise UsageError(f"--preview shows photographs of one data set: {len(config.data)} were given with --data")
    steps = plan_steps(parse_steps(config.steps), config.size, DEFAULT_SIZE)
    if preview.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"--preview {preview}: expected a name that ends in {', '.join(PICTURE_SUFFIXES)}")
    check_writable(preview, force=config.force)
    rows = read_dataset(config.data[0]).rows
    chosen = rows.iloc[:: max(1, -(-len(rows) // PREVIEWED))]
    photographs = [
        (image_id, read_photograph(Path(path)))
        for image_id, path in zip(chosen["image_id"], chosen["path"], strict=True)
    ]
    sheet = draw_contact_sheet(photographs, steps)
    write_bytes(preview, encode_photograph(sheet, preview.suffix), force=config.force)
    return StepPreview(preview, tuple(chosen["image_id"]), tuple(map(str, steps)))
