"""One complete sweep of a run as a row: its fit. Takes records, gives a row; stores nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.analysis.impedance import fit
from harness.errors import AnalysisError
from harness.model.derived import ImpedanceFitRow
from harness.model.records import ImpedancePoint

FLAG_NOT_FITTED = "not_fitted"


def sweep_row(points: Sequence[ImpedancePoint], area_cm2: float) -> ImpedanceFitRow:
    """The fit of one complete sweep; a sweep that cannot be fitted is a row with no numbers and the flag ``not_fitted``."""
    frequency = np.array([point.frequency_hertz for point in points])
    impedance = np.array([complex(point.real_impedance_ohm, point.imaginary_impedance_ohm) for point in points])
    first = points[0]
    series = series_std = interface = interface_std = rms = None
    flags = {name for point in points for name in point.flags.split()}
    try:
        found = fit.fit_impedance(frequency, impedance)
    except AnalysisError:
        flags.add(FLAG_NOT_FITTED)
    else:
        series, series_std = found.series_resistance_ohm, found.series_resistance_ohm_std
        interface, interface_std = found.interface_resistance_ohm, found.interface_resistance_ohm_std
        rms = found.residual_rms
        flags |= found.flags
    return ImpedanceFitRow(
        run_id=first.run_id,
        cycle_count=first.cycle_count,
        unix_time_nanosecond=first.unix_time_nanosecond,
        sweep_count=first.sweep_count,
        series_resistance_ohm=series,
        series_resistance_ohm_std=series_std,
        interface_resistance_ohm=interface,
        interface_resistance_ohm_std=interface_std,
        area_specific_resistance_ohm_cm2=_times(interface, area_cm2),
        area_specific_resistance_ohm_cm2_std=_times(interface_std, area_cm2),
        residual_rms=rms,
        flags=" ".join(sorted(flags)),
        method_version=fit.METHOD_VERSION,
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None or not math.isfinite(value) else value * factor
