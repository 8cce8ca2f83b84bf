"""Methods put to the proof together are worth what each is worth alone."""

from collections.abc import Callable

import numpy as np
import pytest

from drkit.explaining import examining
from drkit.explaining.activation_maps import explain_gradcam, explain_hirescam
from drkit.explaining.examining import Proof, Prover
from drkit.explaining.inquiry import Inquiry
from drkit.explaining.pixel_maps import explain_occlusion

METHODS = (explain_gradcam, explain_hirescam, explain_occlusion)


def prove(prover: Prover, inquiry: Inquiry, method: Callable, batch: str = "first") -> Proof:
    return prover.prove([inquiry], [method(inquiry)], method, batch)


def figures(proof: Proof) -> np.ndarray:
    parts = [vars(faithfulness).values() for faithfulness in (proof.own, proof.noise)]
    return np.stack([*parts[0], *parts[1], proof.after_randomising])


def test_methods_that_share_noise_are_worth_what_each_is_worth_alone(inquire, make_grader) -> None:
    together = Prover(seed=3)
    for number, batch in enumerate(("first", "second")):
        inquiry = inquire(make_grader(number))
        for method in METHODS:
            alone = prove(Prover(seed=3), inquiry, method)
            assert np.array_equal(figures(prove(together, inquiry, method, batch)), figures(alone))


def test_noise_is_measured_once_a_grain(inquire, make_grader, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    real = examining.measure_faithfulness
    monkeypatch.setattr(examining, "measure_faithfulness", lambda *given: measured.append(1) or real(*given))
    prover, inquiry = Prover(seed=0), inquire(make_grader())
    for method in METHODS:
        prove(prover, inquiry, method)
    assert len(measured) == 3 + 2  # gradcam and hirescam have one grain, occlusion another
