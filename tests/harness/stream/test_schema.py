"""A row of the journal as a record: the short way for samples beside the general one."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.model.records import Record, Sample
from harness.model.run import Role
from harness.stream import schema
from harness.stream.fields import from_plain
from tests import facts

RUN = "cu-01-20260101t000000"
TEXTS = dict(enumerate(["", "steps[0].steps[1]", "overload held", *(role.value for role in Role), "µ", "\udcff", "nonsense"]))
UNENCODABLE = len(TEXTS) - 2
COLUMN = {name: place for place, name in enumerate(schema.RECORD_COLUMNS)}
PATHS, ROLES, STRANGE = (0, 1, 2), range(3, 3 + len(Role)), range(3 + len(Role), len(TEXTS) + 2)

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 10**6)
PLAIN_ROWS = st.tuples(
    *[COUNT] * 2,
    st.just(schema.SAMPLE_KIND),
    *[COUNT] * 2,
    *[NUMBER] * 4,
    st.none() | NUMBER,
    *[st.none()] * 5,
    *[COUNT] * 2,
    st.sampled_from(PATHS),
    st.sampled_from(ROLES),
    st.sampled_from(PATHS),
    st.none(),
)
ODD_CELLS = st.one_of(
    st.none(), st.floats(), st.booleans(), st.integers(), st.sampled_from([-0.0, 1.7e308, 2**63, -(2**63), "1", "x", *STRANGE])
)
ODD = st.lists(st.tuples(st.integers(5, len(schema.RECORD_COLUMNS) - 2), ODD_CELLS), max_size=2)


def in_the_general_way(row: schema.Row) -> Sample:
    """What the row of a sample says, column by column."""
    plain = {name: value for name, value in zip(schema.VALUE_COLUMNS, row[5:-1], strict=True) if value is not None}
    for name in schema.TEXT_COLUMNS:
        plain[name] = TEXTS[int(plain[name])]
    return from_plain(Sample, plain, {"run_id": RUN, "seq": row[3], "unix_time_nanosecond": row[4]})


def told(record: Record) -> list[tuple[type, object]]:
    """Types and values, floats as their bytes: 1 is not 1.0 here, and -0.0 is not 0.0."""
    values = (getattr(record, name) for name in Sample.__match_args__)
    return [(type(value), struct.pack("<d", value) if isinstance(value, float) else value) for value in values]


PLAIN = (9, 1, schema.SAMPLE_KIND, 7, 5, 12.5, 0.5, 3.0, -1e-05, None, *[None] * 5, 1, 2, 1, 3, 2, None)


@settings(max_examples=1000)
@example(PLAIN, [(COLUMN["cycle_count"], 2**63)])
@example(PLAIN, [(COLUMN["step_count"], -(2**63) - 1)])
@example(PLAIN, [(COLUMN["cycle_count"], True)])
@example(PLAIN, [(COLUMN["voltage_volt"], 3)])
@example(PLAIN, [(COLUMN["current_range_ampere"], math.inf)])
@example(PLAIN, [(COLUMN["test_time_second"], math.inf), (COLUMN["voltage_volt"], -math.inf)])
@example(PLAIN, [(COLUMN["sweep_count"], 1)])
@example(PLAIN, [(COLUMN["flags"], UNENCODABLE)])
@example(PLAIN, [(COLUMN["role"], 0)])
@given(PLAIN_ROWS, ODD)
def test_schema_reads_a_sample_as_it_reads_any_record(plain: schema.Row, odd: list[tuple[int, schema.Value]]) -> None:
    """The short way for samples gives the general way's very values, or its refusal."""
    cells = dict(enumerate(plain)) | dict(odd)
    row = tuple(cells[place] for place in range(len(plain)))
    try:
        expected: object = told(in_the_general_way(row))
    except (ValueError, KeyError, OverflowError) as error:
        expected = (type(error), str(error))
    try:
        found: object = told(schema.decode_row(row, RUN, TEXTS.__getitem__, facts.FACTS))
    except (ValueError, KeyError, OverflowError) as error:
        found = (type(error), str(error))
    assert found == expected


def test_schema_takes_no_other_record_for_a_sample() -> None:
    """A row says by its kind what it is, whatever its columns look like."""
    row = (*PLAIN[:2], schema.IMPEDANCE_KIND, *PLAIN[3:])
    with pytest.raises(ValueError, match="a ImpedancePoint has no frequency_index"):
        schema.decode_row(row, RUN, TEXTS.__getitem__, facts.FACTS)
