"""Quantities as text: what is one, and of which kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.model.conditions import c_rate_of, magnitude_of


@pytest.mark.parametrize(
    ("text", "units", "magnitude", "unit"),
    [
        ("0.5 mA/cm^2", ("A/cm^2", "A"), 0.5e-3, "A/cm^2"),
        ("0.5 mA/cm**2", ("A/cm^2", "A"), 0.5e-3, "A/cm^2"),
        ("0.5 mA/cm²", ("A/cm^2", "A"), 0.5e-3, "A/cm^2"),
        ("2 mA", ("A/cm^2", "A"), 2e-3, "A"),
        ("1 mAh/cm^2", ("A*h/cm^2", "A*h"), 1e-3, "A*h/cm^2"),
        ("3.6 C", ("A*h/cm^2", "A*h"), 1e-3, "A*h"),
        ("1 mA*h", ("A*h/cm^2", "A*h"), 1e-3, "A*h"),
        ("0 V", ("V",), 0.0, "V"),
        ("-.5V", ("V",), -0.5, "V"),
        ("5 µA", ("A",), 5e-6, "A"),
        ("1e-3 V", ("V",), 1e-3, "V"),
        ("90 min", ("s",), 5400.0, "s"),
    ],
)
def test_magnitude_of_reads_quantities(text: str, units: tuple[str, ...], magnitude: float, unit: str) -> None:
    """The magnitude comes in the first unit of the same kind."""
    found, found_unit = magnitude_of(text, *units)
    assert found == pytest.approx(magnitude, rel=1e-12, abs=0)
    assert found_unit == unit


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-0,5 V", "decimal comma"),
        ("−0.5 V", 'write the minus as "-"'),
        ("5", "has no unit"),
        (5, "has no unit"),
        (None, "has no unit"),
        ("1 s", "has the unit second; expected something like V or A"),
        ("1 xyz", "unknown unit"),
        ("1 V + 1 V", "is not a quantity"),
        ("10**10**10 V", "is not a quantity"),
        ("V", "is not a quantity"),
        ("1e999 V", "is not a finite number"),
        ("nan V", "is not a quantity"),
        ("1 V" * 40, "is not a quantity"),
    ],
)
def test_magnitude_of_refuses(text: object, what: str) -> None:
    """What is no quantity, or of another kind, is refused with what stands there."""
    with pytest.raises(BadInput) as refused:
        magnitude_of(text, "V", "A", where="here")
    assert what in refused.value.what
    assert refused.value.where == "here"


@pytest.mark.parametrize(
    ("text", "rate"),
    [("C/3", 1 / 3), ("2C", 2.0), ("1C", 1.0), ("C", 1.0), ("0.5 C", 0.5), ("2C/3", 2 / 3), ("0C", 0.0)],
)
def test_c_rate_of_reads_rates(text: str, rate: float) -> None:
    """A C-rate is a multiple or a fraction of the capacity per hour."""
    assert c_rate_of(text) == rate


@pytest.mark.parametrize("text", ["C/0", "-C/3", "1 mA", "C3", "CC", "", 3])
def test_c_rate_of_knows_what_is_none(text: object) -> None:
    """Everything else is no C-rate."""
    assert c_rate_of(text) is None


@given(st.text(max_size=80))
def test_magnitude_of_raises_nothing_but_bad_input(text: str) -> None:
    """Arbitrary text is a finite number or `BadInput`."""
    try:
        magnitude, _ = magnitude_of(text, "s")
    except BadInput:
        return
    assert abs(magnitude) < float("inf")
