import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drkit import metrics
from drkit.plotting.confusion import draw_confusion, share_of_cost, share_of_rows

tables = arrays(np.int64, (5, 5), elements=st.integers(0, 50))


@given(tables)
def test_shares_of_rows_sum_to_one_where_the_grade_occurs(table: np.ndarray) -> None:
    assert np.allclose(share_of_rows(table).sum(1), table.sum(1) > 0)


@given(tables)
def test_costs_are_the_terms_of_the_quadratic_kappa(table: np.ndarray) -> None:
    shares = share_of_cost(table)
    off = table.sum() - np.trace(table)
    assert shares.sum() == pytest.approx(1 if off else 0)
    grades = np.arange(5)
    weights = (grades[:, None] - grades) ** 2
    expected = (table.sum(1)[:, None] * table.sum(0) * weights).sum()
    if expected:
        observed = (table * weights).sum() * table.sum()
        assert 1 - observed / expected == pytest.approx(float(metrics.quadratic_weighted_kappa(table)))
        assert np.allclose(shares * (table * weights).sum(), table * weights)


def test_counts_are_written_into_their_cells(cohort) -> None:
    run = cohort()
    axes = draw_confusion([run], ["counts"]).axes[0]
    table = metrics.confusion(run.cases.reference, run.cases.predicted)
    written = {text.get_position(): text.get_text().split("\n")[0] for text in axes.texts}
    assert len(written) == 25
    for (column, row), text in written.items():
        assert int(text or 0) == table[row, column]


def test_the_diagonal_costs_nothing(cohort) -> None:
    axes = draw_confusion([cohort()], ["cost"]).axes[0]
    assert all(text.get_text() == "" for text in axes.texts if len(set(text.get_position())) == 1)
    assert "where kappa 0." in axes.get_title()
