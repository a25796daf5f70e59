"""Resistance and diffusion from an interrupted current: the voltage after the stop as a straight line in √t.

After a steady current stops, what follows Ohm's law answers at once and diffusion relaxes with √t while its layer is thin. In
1 to 5 s after the stop V(t) = a + b √t; then R = (V(0⁻) − a) / I holds all that answered faster, and k = −b / I (Ω s⁻½) is the
diffusion resistance coefficient, both with the current I before the stop (intermittent current interruption: Chien et al., Nat.
Commun. 14, 2289 (2023), 10.1038/s41467-023-37989-6). Readings within two sampling intervals of the stop are left out, for the
moment of the stop is known to one of them; that moment's own uncertainty is carried into both σ. Valid while the pause is short
beside the current's duration and one process dominates: the rms of what the line leaves is stated, beside the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.switches import Record, Switch, record_of, switches
from harness.errors import AnalysisError

METHOD_VERSION = "interrupt-1"

WINDOW_SECOND = (1.0, 5.0)
SKIPPED_INTERVALS = 2
FEWEST_READINGS = 4
STOPPED_SHARE = 0.01
"""The current has stopped when less than this share of it is left."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """One stop: ``current_ampere`` flowed until ``stop_second``; ``diffusion_ohm_per_root_second`` is k.

    ``readings`` of the window were used, ``residual_volt`` is the standard deviation about the line, ``None`` without one.
    """

    stop_second: float
    current_ampere: float
    resistance_ohm: Estimate
    diffusion_ohm_per_root_second: Estimate
    readings: int
    residual_volt: float | None


def interrupts(
    time_second: Array,
    voltage_volt: Array,
    current_ampere: Array,
    *,
    step_time_second: Array | None = None,
    window_second: tuple[float, float] = WINDOW_SECOND,
) -> list[Interrupt]:
    """Every stop of a steady current in a record, in order; refused ones with their reason.

    Args:
        time_second: of the readings, rising.
        voltage_volt: of the cell, same length.
        current_ampere: positive charges the cell.
        step_time_second: time since the step began, where the instrument writes it.
        window_second: which part after the stop is taken for a line.

    Raises:
        AnalysisError: what `record_of` refuses, or a window that is none.
    """
    if not 0 <= window_second[0] < window_second[1]:
        raise AnalysisError(f"the window of {window_second[0]:g} to {window_second[1]:g} s is none; give a later end than begin")
    record = record_of(time_second, voltage_volt, current_ampere, step_time_second)
    stops = [item for item in switches(record) if abs(item.after_ampere) <= STOPPED_SHARE * abs(item.before_ampere)]
    return [_interrupt(record, item, window_second) for item in stops]


def _interrupt(record: Record, stop: Switch, window: tuple[float, float]) -> Interrupt:
    after = record.time_second[stop.first : stop.end] - stop.second
    voltage = record.voltage_volt[stop.first : stop.end]
    interval = float(after[1] - after[0]) if after.size > 1 else math.inf
    taken = (after >= max(window[0], SKIPPED_INTERVALS * interval)) & (after <= window[1])
    count = int(taken.sum())
    refusal = ""
    if after[-1] < window[1] - interval:
        refusal = f"the current stopped for {after[-1]:.3g} s only; the line needs {window[1]:g} s"
    elif count < FEWEST_READINGS:
        refusal = f"{count} readings lie in the window after the stop; a line with its error needs {FEWEST_READINGS}"
    if refusal:
        return Interrupt(stop.second, stop.before_ampere, Estimate.refused(refusal), Estimate.refused(refusal), count, None)
    line, covariance, residual = _line(after[taken], voltage[taken])
    shifted = [_line(after[taken] + sign * stop.second_half_width, voltage[taken])[0] for sign in (1, -1)]
    timing = np.abs(shifted[0] - shifted[1]) / (2 * math.sqrt(3))
    current = stop.before_ampere
    above = float(record.voltage_volt[stop.before]) - float(line[0])
    intercept_std = math.sqrt(float(covariance[0, 0]) + residual**2 + float(timing[0]) ** 2)
    slope_std = math.hypot(math.sqrt(float(covariance[1, 1])), float(timing[1]))
    return Interrupt(
        stop_second=stop.second,
        current_ampere=current,
        resistance_ohm=Estimate.student(above / current, intercept_std / abs(current), count - 2),
        diffusion_ohm_per_root_second=Estimate.student(-float(line[1]) / current, slope_std / abs(current), count - 2),
        readings=count,
        residual_volt=residual,
    )


def _line(after: Array, voltage: Array) -> tuple[Array, Array, float]:
    """Intercept and slope against √t, their covariance, and the standard deviation about the line."""
    matrix = np.stack((np.ones(after.size), np.sqrt(after)), axis=1)
    inverse = np.linalg.inv(matrix.T @ matrix)
    numbers = np.linalg.lstsq(matrix, voltage, rcond=None)[0]
    left = voltage - matrix @ numbers
    variance = float(left @ left) / (after.size - 2)
    return numbers, variance * inverse, math.sqrt(variance)
