"""Plain values of records: what is taken, what is refused, and in which words."""

from __future__ import annotations

import math
from dataclasses import replace
from types import NoneType

import pytest

from harness.model.records import Sample
from harness.model.run import Geometry, Role
from harness.stream.fields import from_plain, to_plain

SAMPLE = Sample("cu-01", 7, 11, 12.5, 0.5, 3.0, -1e-05, 1, 2, "steps[0]", Role.PLATE, 0.001, "held")

REFUSED: list[tuple[str, object, str]] = [
    ("cycle_count", 2**63, "cycle_count is 9223372036854775808, which does not fit 64 bits"),
    ("cycle_count", -(2**63) - 1, "cycle_count is -9223372036854775809, which does not fit 64 bits"),
    ("cycle_count", True, "cycle_count is True, expected int"),
    ("cycle_count", 1.0, "cycle_count is 1.0, expected int"),
    ("voltage_volt", math.nan, "voltage_volt is nan, which is not a finite number"),
    ("voltage_volt", -math.inf, "voltage_volt is -inf, which is not a finite number"),
    ("voltage_volt", True, "voltage_volt is True, expected float"),
    ("voltage_volt", "3.0", "voltage_volt is '3.0', expected float"),
    ("flags", 1, "flags is 1, expected str"),
    ("flags", "\udcff", "surrogates not allowed"),
    ("role", "nonsense", "'nonsense' is not a valid Role"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED)
def test_fields_refuse_what_is_not_of_their_kind(name: str, value: object, sentence: str) -> None:
    """A wrong type, a number out of bounds and an unknown word are refused on the way back, with a sentence."""
    with pytest.raises(ValueError, match=sentence):
        from_plain(Sample, {**to_plain(SAMPLE), name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("cycle_count", 2**63 - 1), ("cycle_count", -(2**63)), ("flags", "µ"), ("flags", "")]
)
def test_fields_take_what_is_just_inside_their_bounds(name: str, value: object) -> None:
    """The largest and smallest integers, text of any script and empty text come back as they are."""
    found = from_plain(Sample, {**to_plain(SAMPLE), name: value})
    assert getattr(found, name) == value
    assert to_plain(found)[name] == value


def test_fields_take_whole_numbers_for_floats_and_words_for_enumerations() -> None:
    """Formats that drop a decimal point or hold words only give the same record."""
    found = from_plain(Sample, {**to_plain(SAMPLE), "voltage_volt": 3, "role": "plate"})
    assert found == SAMPLE
    assert (type(found.voltage_volt), type(found.role)) == (float, Role)


def test_fields_want_all_and_no_more() -> None:
    """A missing field and one too many are named; an optional one may be absent, and one may be given beside the values."""
    plain = to_plain(SAMPLE)
    without = {name: value for name, value in plain.items() if name != "flags"}
    with pytest.raises(ValueError, match="a Sample has no flags"):
        from_plain(Sample, without)
    with pytest.raises(ValueError, match="a Sample has no field 'bogus'"):
        from_plain(Sample, {**plain, "zeal": 1, "bogus": 2})
    with pytest.raises(ValueError, match="a Sample has no field 'bogus'"):
        from_plain(Sample, {**without, "bogus": 2}, {"flags": ""})
    absent = to_plain(replace(SAMPLE, current_range_ampere=None))
    assert "current_range_ampere" not in absent
    assert type(from_plain(Sample, absent).current_range_ampere) is NoneType
    assert from_plain(Sample, without, {"flags": "held"}) == SAMPLE


def test_fields_refuse_numbers_on_the_way_out_too() -> None:
    """What could not be read back is not given out."""
    for changed in (replace(SAMPLE, cycle_count=-(2**63) - 1), replace(SAMPLE, voltage_volt=math.inf)):
        with pytest.raises(ValueError, match=r"does not fit 64 bits|not a finite number"):
            to_plain(changed)
    assert to_plain(replace(SAMPLE, flags=Geometry.FULL))["flags"] == "full"
