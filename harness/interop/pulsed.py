"""The pulses of current in an analysed file, with the resistances they show (`harness.analysis.pulses`). Finds them; no more.

Where half cycles as short as a pulse pass most of the charge, again and again, they are what the file is about, and no pulses;
a finding says so. Rows of a sweep of frequencies are left out.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.integrals import Index, Mask
from harness.analysis.pulses import LONGEST_SECOND, Pulse, pulse_resistances
from harness.errors import AnalysisError
from harness.interop.cycles import AnalyzedCell
from harness.interop.finding import Finding

SHORT_HALF_CYCLES = "short_half_cycles"
FEWEST_SHORT = 6
"""Half cycles; a test of few pulses and nothing else is a test of pulses."""


def pulses_of(cell: AnalyzedCell) -> tuple[list[Pulse], list[Finding]]:
    """Every pulse of a file with a voltage, in its order; and what was not taken for one."""
    if "voltage_volt" not in cell.columns:
        return [], []
    current = cell.columns["current_ampere"]
    if "frequency_hertz" in cell.columns:
        current = np.where(cell.columns["frequency_hertz"] > 0, np.nan, current)
    own = cell.columns.get("step_time_second")
    try:
        found = pulse_resistances(cell.time_second, cell.columns["voltage_volt"], current, step_time_second=own)
    except AnalysisError:
        return [], []
    first, stop = (np.array([getattr(half.rows, end) for half in cell.half_cycles], dtype=np.int64) for end in ("start", "stop"))
    begin, end = cell.time_second[first], cell.time_second[stop - 1]
    short = end - begin <= LONGEST_SECOND
    if not _are_the_cycles(cell, first, short):
        return found, []
    kept = [pulse for pulse in found if not _within(pulse, begin[short], end[short])]
    text = f"{int(short.sum())} half cycles of at most {LONGEST_SECOND:g} s pass most of the charge: they are cycles, not pulses"
    return kept, [Finding(SHORT_HALF_CYCLES, "current_ampere", text)]


def _are_the_cycles(cell: AnalyzedCell, first: Index, short: Mask) -> bool:
    """Whether the ``short`` ones of the half cycles that begin at the rows ``first`` pass most of the charge, and are not few."""
    if int(short.sum()) < FEWEST_SHORT:
        return False
    counted = [step for step in cell.steps if step.cycle_count is not None]
    owner = np.searchsorted(first, [step.first for step in counted], side="right") - 1
    charge = np.bincount(owner, [abs(step.charge_ah) for step in counted], first.size)
    return float(charge[short].sum()) > float(charge[~short].sum())


def _within(pulse: Pulse, begin: Array, end: Array) -> bool:
    """Whether its first reading lies in one of the spans."""
    first = pulse.start_second + (pulse.first.sample_second or 0.0)
    place = int(np.searchsorted(begin, first, side="right")) - 1
    return place >= 0 and first <= float(end[place])
