from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.units import has_kind, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "magnitude"),
    [
        ("0.5 mA/cm^2", "A/cm^2", 0.5e-3),
        ("1 mAh/cm^2", "A*h/cm^2", 1e-3),
        ("-0.5 V", "V", -0.5),
        ("0 V", "V", 0.0),
        ("10 mV", "V", 0.01),
        ("0.02 %", "", 2e-4),
        ("30 min", "s", 1800.0),
        ("200 kHz", "Hz", 2e5),
        ("1.267 cm^2", "cm^2", 1.267),
    ],
)
def test_quantity_is_converted(text: str, unit: str, magnitude: float) -> None:
    """A quantity written by a person comes out as a plain number in the wanted unit."""
    assert parse_quantity(text, unit) == pytest.approx(magnitude, rel=1e-12, abs=0.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-0,5 V", "decimal comma"),
        ("−0.5 V", 'write the minus as "-"'),
        ("10**10**10 V", "is not a quantity"),
        ("1 V" + " " * 80, "is not a quantity"),
        ("1 banana", 'unknown unit, "banana"'),
        ("1 A", "has the unit ampere; expected something like V"),
        ("1", "has no unit"),
        ("", "V"),
        ("V V V (", "is not a quantity"),
        ("nan V", "V"),
        ("1e999 V", "not a finite number"),
        (0.5, "has no unit; write it as text"),
        (None, "has no unit; write it as text"),
    ],
)
def test_bad_quantity_is_one_sentence(text: object, complaint: str) -> None:
    """What is no quantity of the kind is refused with the place and the reason."""
    with pytest.raises(BadInput, match=r"^steps\[3\]\.until: ") as caught:
        parse_quantity(text, "V", "steps[3].until")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_bad_input(text: str) -> None:
    """No text makes the parser raise anything else."""
    assert has_kind(text, "V") in (True, False)
