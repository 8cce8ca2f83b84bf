"""Means over cases with intervals over patients."""

import numpy as np
import pytest

from drkit.explaining.metrics import MeanWithInterval, faithfulness_table, patient_mean


def test_the_mean_is_over_cases_and_the_interval_over_patients() -> None:
    mean = patient_mean([1.0, 2.0, 6.0], ["a", "a", "b"])
    assert mean is not None
    assert (mean.value, mean.cases, mean.patients) == (3.0, 3, 2)
    assert mean.low == pytest.approx(1.5)  # patient a alone
    assert mean.high == pytest.approx(6.0)  # patient b alone


def test_photographs_of_one_patient_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    together = patient_mean(values, np.repeat(np.arange(40), 10))
    apart = patient_mean(values, np.arange(400))
    assert together is not None
    assert apart is not None
    assert (together.high - together.low) > 2 * (apart.high - apart.low)
    known_error = 1.96 * values.std() / np.sqrt(40)
    assert (together.high - together.low) / 2 == pytest.approx(known_error, rel=0.1)


def test_unknown_values_are_left_out_and_nothing_gives_nothing() -> None:
    mean = patient_mean([1.0, np.nan, 3.0], ["a", "b", "c"])
    assert mean is not None
    assert (mean.value, mean.patients) == (2.0, 2)
    assert patient_mean([np.nan], ["a"]) is None


FIGURES = ("deletion", "insertion", "drop", "increase")


def faithfulness(own: float, noise: float) -> dict[str, MeanWithInterval]:
    values = dict.fromkeys((*FIGURES, "beyond_noise", "after_randomising"), own)
    return {
        name: MeanWithInterval(value, value, value, 4, 2)
        for name, value in {**values, **{f"noise_{name}": noise for name in FIGURES}}.items()
    }


def test_noise_of_each_grain_has_its_row() -> None:
    one = faithfulness_table({"gradcam": faithfulness(0.1, 0.5), "hirescam": faithfulness(0.2, 0.5)}).rows
    assert [row[0] for row in one] == ["gradcam", "hirescam", "noise at the same resolution"]
    two = faithfulness_table(
        {"gradcam": faithfulness(0.1, 0.5), "hirescam": faithfulness(0.2, 0.5), "occlusion": faithfulness(0.3, 0.6)}
    ).rows
    assert [row[0] for row in two[3:]] == [
        "noise at the same resolution as gradcam, hirescam",
        "noise at the same resolution as occlusion",
    ]
    assert [row[1].split()[0] for row in two] == ["0.100", "0.200", "0.300", "0.500", "0.600"]
