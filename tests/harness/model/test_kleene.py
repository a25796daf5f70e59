"""Three-valued logic is Kleene's, and a range test is certain only if the whole interval is on one side."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.kleene import Truth, all_of, any_of, lies_within, negated

T, F, U = True, False, None
TRUTHS = (T, F, U)
SIZES = st.floats(min_value=0, max_value=100)


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (T, T, T, T), (T, F, F, T), (T, U, U, T),
        (F, T, F, T), (F, F, F, F), (F, U, F, U),
        (U, T, U, T), (U, F, F, U), (U, U, U, U),
    ],
)  # fmt: skip
def test_connectives_follow_kleenes_tables(left: Truth, right: Truth, both: Truth, either: Truth) -> None:
    """The nine cases of conjunction and disjunction."""
    assert all_of([left, right]) is both
    assert any_of([left, right]) is either


def test_connectives_of_nothing_are_their_neutral_elements() -> None:
    """All of nothing holds, any of nothing does not."""
    assert all_of([]) is True
    assert any_of([]) is False


@pytest.mark.parametrize(("truth", "opposite"), [(T, F), (F, T), (U, U)])
def test_negation_leaves_unknown_unknown(truth: Truth, opposite: Truth) -> None:
    """The three cases of negation."""
    assert negated(truth) is opposite


@pytest.mark.parametrize("truths", list(itertools.product(TRUTHS, repeat=3)))
def test_connectives_are_duals(truths: tuple[Truth, ...]) -> None:
    """De Morgan holds with unknowns too."""
    assert any_of(truths) is negated(all_of(negated(truth) for truth in truths))


@pytest.mark.parametrize("truths", list(itertools.product(TRUTHS, repeat=3)))
def test_forgetting_a_truth_only_loses_certainty(truths: tuple[Truth, ...]) -> None:
    """Whatever becomes unknown, no result turns into its opposite."""
    for index in range(3):
        forgotten = [U if place == index else truth for place, truth in enumerate(truths)]
        assert all_of(forgotten) in (all_of(truths), U)
        assert any_of(forgotten) in (any_of(truths), U)


@pytest.mark.parametrize(
    ("value", "std", "truth"),
    [
        (25.0, 1.0, T), (2.0, 0.0, T), (100.0, 0.0, T), (4.0, 1.0, T), (98.0, 1.0, T),
        (1.9, 0.0, F), (100.1, 0.0, F), (0.0, 0.9, F), (110.0, 4.9, F),
        (2.0, 0.1, U), (100.0, 0.1, U), (1.9, 0.05, U), (50.0, 30.0, U), (110.0, 5.0, U),
        (None, 1.0, U), (25.0, None, U), (1.0, None, U), (None, None, U),
    ],
)  # fmt: skip
def test_range_test_is_certain_only_on_one_side(value: float | None, std: float | None, truth: Truth) -> None:
    """Two standard uncertainties to either side must lie inside, or outside; limits belong to the range."""
    assert lies_within(value, std, 2.0, 100.0) is truth


@pytest.mark.parametrize(("value", "std"), [(0.7, 0.1), (0.1 + 0.2 + 0.2, 0.0), (9.4, 0.3), (0.6, 0.05)])
def test_range_test_compares_decimals(value: float, std: float) -> None:
    """An interval that ends on a limit as written is inside, whatever binary fractions make of it."""
    assert lies_within(value, std, 0.5, 10.0) is True


@given(value=SIZES, std=SIZES, wider=SIZES)
def test_range_test_widened_only_loses_certainty(value: float, std: float, wider: float) -> None:
    """A larger uncertainty gives the same answer or none."""
    assert lies_within(value, std + wider, 2.0, 50.0) in (lies_within(value, std, 2.0, 50.0), U)


@given(value=SIZES, std=SIZES)
def test_narrower_range_implies_the_wider(value: float, std: float) -> None:
    """What lies within 1 to 5 lies within 0.5 to 10, and what lies outside the latter lies outside the former."""
    narrow, wide = lies_within(value, std, 1.0, 5.0), lies_within(value, std, 0.5, 10.0)
    assert narrow is not True or wide is True
    assert wide is not False or narrow is False
