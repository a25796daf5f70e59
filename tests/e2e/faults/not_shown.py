"""Of the fault catalogue: what these instruments cannot show and why, and which tests show the faults behind the journal."""

from __future__ import annotations

from emulator.faults.channel import CANNOT_BE_SHOWN

NOT_SHOWN = (
    ("T7 reordered", "datagrams can overtake each other; the bytes of a serial device and of TCP cannot"),
    ("P1 bad checksum", "the language's optional CRC16 frame is off: lines carry no checksum"),
    ("P4 wrong transaction id", "requests and replies carry no number"),
    ("P12 sequence counter wrap", "packages carry no counter; the instrument's times take its place"),
    ("C7 gas, pressure", "not in the cell model, and no channel measures it"),
    (
        "C10 mislabelled area or mass",
        "nothing an instrument says depends on it: CE is right, densities are as wrong as the label",
    ),
    *((f"{name} auxiliary thermocouple open", why) for name, why in CANNOT_BE_SHOWN.items()),
)
"""Fault and reason."""

_DATA = "tests/e2e/test_data_path.py::test_stores_agree_after_every_outage"
_ORDER = "tests/e2e/faults/test_pipeline.py::test_every_record_is_one_point_whatever_the_order"
PIPELINE = (
    ("D1 broker restart", "the journal waits; everything arrives once", _DATA),
    ("D2 retained stale message", "stored and answered like any batch; no point twice", _ORDER),
    ("D3 duplicate", "the same points written again: no point twice", _ORDER),
    ("D4 out of order", "stored as it comes; the order is in the stamps", _ORDER),
    ("D5 write refused, partial error", "refused lines are named, become incidents, and hold nothing up",
     "tests/harness/test_ingest.py::test_ingest_answers_after_the_write_and_names_what_was_refused"),
    ("D6 disk full", "readings wait in memory, the daemon says so, everything is written afterwards",
     "tests/e2e/test_faults.py::test_full_disk_for_a_while_loses_no_record"),
    ("D7 duplicate time stamp", "stamps rise by a nanosecond at least: no point overwrites another",
     "tests/e2e/faults/test_pipeline.py::test_equal_stamps_of_an_instrument_become_different_points"),
    ("D8 late batch", "stored when it comes; nothing before it is taken for delivered", _ORDER),
)  # fmt: skip
"""Fault, what happens, and the test that shows it."""
