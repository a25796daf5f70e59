"""The pulses of current in an analysed file, with the resistances they show (`harness.analysis.pulses`). Finds them; no more.

A half cycle that is as short as a pulse is none: it is what the file is about. Rows of a sweep of frequencies are left out.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.pulses import LONGEST_SECOND, Pulse, pulse_resistances
from harness.errors import AnalysisError
from harness.interop.cycles import AnalyzedCell


def pulses_of(cell: AnalyzedCell) -> list[Pulse]:
    """Every pulse of a file with a voltage, in its order."""
    if "voltage_volt" not in cell.columns:
        return []
    current = cell.columns["current_ampere"]
    if "frequency_hertz" in cell.columns:
        current = np.where(cell.columns["frequency_hertz"] > 0, np.nan, current)
    own = cell.columns.get("step_time_second")
    try:
        found = pulse_resistances(cell.time_second, cell.columns["voltage_volt"], current, step_time_second=own)
    except AnalysisError:
        return []
    spans = [cell.time_second[[half.rows.start, half.rows.stop - 1]] for half in cell.half_cycles]
    short = np.array([(begin, end) for begin, end in spans if end - begin <= LONGEST_SECOND]).reshape(-1, 2)
    return [pulse for pulse in found if not _is_half_cycle(pulse, short)]


def _is_half_cycle(pulse: Pulse, short: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> bool:
    """Whether its first reading lies in one of the ``short`` half cycles (n, 2), each from its first reading to its last."""
    first = pulse.start_second + (pulse.first.sample_second or 0.0)
    place = int(np.searchsorted(short[:, 0], first, side="right")) - 1
    return place >= 0 and first <= float(short[place, 1])
