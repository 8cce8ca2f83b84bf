"""An ONNX file with 8-bit weights, which is calibrated on train and compared with the original on val."""

from dataclasses import dataclass
from pathlib import Path

from drkit.config.export import ExportConfig
from drkit.errors import InputError
from drkit.evaluation.agreement import Agreement, with_interval
from drkit.exporting.facts import agreement_on
from drkit.exporting.inputs import gather_units
from drkit.exporting.onnx_model import write_int8
from drkit.exporting.verification import OnnxCheck, compare, grade_with_both, some_patients
from drkit.models.restoring import OpenedRun
from drkit.progress import notify
from drkit.records.atomic import writing
from drkit.records.labels import Labels
from drkit.reporting import Table

CALIBRATION_PATIENTS = 24


@dataclass(frozen=True)
class Int8Outcome:
    """The 8-bit file, and its differences from the original.

    Args:
        file: The file that was written.
        size_bytes: Its size.
        check: Differences from the run's networks in float32.
        agreement: Agreement of the networks in float32 on val.
        int8_agreement: Agreement of the 8-bit file on val.
    """

    file: Path
    size_bytes: int
    check: OnnxCheck
    agreement: Agreement
    int8_agreement: Agreement

    def table(self) -> Table:
        """The agreements on val, one row for each type of weights."""
        rows = [
            (
                name,
                str(agreement.cases),
                with_interval(agreement.quadratic_weighted_kappa, agreement.quadratic_weighted_kappa_interval),
                f"{agreement.accuracy:.3f}",
            )
            for name, agreement in (("float32", self.agreement), ("int8", self.int8_agreement))
        ]
        return Table("Agreement on val, by photograph", ("weights", "photographs", "quadratic kappa", "accuracy"), rows)


def int8_path(out: Path) -> Path:
    """The path of the 8-bit file, beside `out`."""
    return out.with_suffix(f".int8{out.suffix}")


def export_int8(opened: OpenedRun, labels: Labels, file: Path, config: ExportConfig) -> Int8Outcome:
    """Write a copy of an ONNX file with 8-bit weights, and score both on val.

    Args:
        opened: The run that was exported.
        labels: Photographs, including some of train for calibration and graded ones of val.
        file: The ONNX file in float32.
        config: Output path, and options for reading photographs.

    Raises:
        InputError: there are no photographs of train, or no graded ones of val.
        OutputExistsError: the copy exists already.
    """
    val, train = labels.of_split("val").graded(opened.header.target), labels.of_split("train")
    if not len(val) or not len(train):
        lacks = "graded photographs of split val" if not len(val) else "photographs of split train to calibrate with"
        raise InputError(f"{labels.title} has no {lacks}, which --int8 needs: give another data set with --data")
    calibration = gather_units(opened, some_patients(train, CALIBRATION_PATIENTS), workers=config.workers)
    out = int8_path(config.out)
    with writing(out, force=config.force) as draft:
        notify(f"calibrating 8-bit weights on {len(calibration.unit_of)} photographs of train")
        write_int8(file, draft, calibration)
        by_torch, by_onnx = grade_with_both(opened, val, draft, workers=config.workers)
        size = draft.stat().st_size
    return Int8Outcome(
        file=out,
        size_bytes=size,
        check=compare(by_torch, by_onnx),
        agreement=agreement_on(by_torch, "val"),
        int8_agreement=agreement_on(by_onnx, "val"),
    )
