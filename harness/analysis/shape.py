"""The shape of one half cycle at constant current: how hard the cell was to drive at its start, in its middle and at its end.

Overpotentials are magnitudes, |V − V_open|, of the readings at the half cycle's constant current (a hold, a ramp or a pause
in it stays out). Lithium against lithium, and lithium on copper, is at 0 V when no current flows. A full cell's open voltage
changes while it charges. Where it is not known there is no overpotential; what can be said then is how noisy the voltage is,
where it jumps, and what resistance answers at once when the current begins.

* nucleation: the highest reading of the first tenth of the time, where it stands out of what follows. A. Pei et al., Nano
  Lett. 17 (2017) 1132, call its height above the plateau the nucleation overpotential: subtract the plateau to compare.
* plateau: the median over 10–90 % of the time, each reading weighted with the time it stands for.
* end: the last reading. Arcing, (η_end − η_plateau) / η_plateau, is what dead lithium does to the path of the salt; where a
  half cycle ends because no lithium is left, it is the cut-off's doing.

σ is that of the readings' noise (`harness.analysis.steady.median_over_time`); a drift within the half cycle is shape, not
error. What shapes say about shorts is judged in `harness.analysis.shorts`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.analysis.charge import Array
from harness.analysis.estimate import Estimate
from harness.analysis.jumps import Jump, find_jumps, resolution, white_noise
from harness.analysis.steady import Steady, between, median_over_time, quantile_over_time, steady_readings
from harness.model.derived import HalfCycleRow

METHOD_VERSION = "shape-2"

MIDDLE = (0.1, 0.9)
NUCLEATION_1 = 0.1
FEWEST_IN_THE_MIDDLE = 3
STANDS_OUT = 5.0
"""Noises by which a peak must exceed what follows."""
CURRENT_KEPT_1 = 0.01
"""Across a jump: a current that changed by more explains a voltage that changed."""
LONGER = 1.25
FLAG_HELD = "held"
FLAG_OPEN_VOLTAGE_UNKNOWN = "open_voltage_unknown"

OPEN_VOLTAGE_UNKNOWN = "the open voltage under load is not known"
_MEDIAN_WINDOW = 5


@dataclass(frozen=True, slots=True)
class HalfCycleShape:
    """Shape of one half cycle. ``noise_volt`` is the root mean square of the voltage's middle about its 5-point running median.

    ``terminal_resistance_ohm`` is median |V / I| over the middle, whatever the open voltage. ``flat_1`` is the range of the
    middle half of the plateau's time, over the plateau. ``jumps`` are those of |η|, or of |V| where the open voltage is
    unknown, without those that come with a change of current; they were looked for in ``judged_second`` of it, and after that
    with less care. Of a shape from a stored row, what rows do not hold is ``None``
    or empty.
    """

    current_ampere: float | None
    duration_second: float | None
    readings: int | None
    nucleation_overpotential_volt: Estimate
    plateau_overpotential_volt: Estimate
    end_overpotential_volt: Estimate
    arcing_1: Estimate
    apparent_resistance_ohm: Estimate
    noise_volt: float | None
    resolution_volt: float | None = None
    voltage_volt: float | None = None
    start_second: float | None = None
    terminal_resistance_ohm: float | None = None
    flat_1: float | None = None
    judged_second: float | None = None
    jumps: tuple[Jump, ...] = ()
    flags: frozenset[str] = frozenset()
    short_grade: str = ""

    @property
    def discharges(self) -> bool:
        """Whether |V| falls because the cell gives its charge; asked where only |V| is known."""
        return not self.open_voltage_known and (self.current_ampere or 0.0) * (self.voltage_volt or 0.0) < 0.0

    @property
    def open_voltage_known(self) -> bool:
        """Whether overpotentials could be told from voltages."""
        return FLAG_OPEN_VOLTAGE_UNKNOWN not in self.flags


def half_cycle_shape(
    time_second: Array,
    voltage_volt: Array,
    current_ampere: Array,
    *,
    open_voltage_volt: float | None,
    rest_voltage_volt: float | None = None,
    usual_second: float | None = None,
) -> HalfCycleShape:
    """The shape of the readings of one half cycle, in rising time.

    ``open_voltage_volt`` is 0 for lithium against lithium or copper, ``None`` where it changes or is unknown; then
    ``rest_voltage_volt``, at which the cell rested right before, gives the resistance that answers at once. In one that takes
    much longer than the ``usual_second`` jumps are looked for in that much by itself, too: the length says what is abrupt.

    Raises:
        AnalysisError: no reading with a finite time, voltage and current, columns of different lengths, or time that goes back.
    """
    steady = steady_readings(time_second, voltage_volt, current_ampere)
    flags = {FLAG_HELD} if steady.held else set()
    flags |= {FLAG_OPEN_VOLTAGE_UNKNOWN} if open_voltage_volt is None else set()
    if steady.refusal or steady.current_ampere is None:
        return _refused(steady, flags)
    time, volt = steady.time_second, steady.voltage_volt
    drive, numbers = _overpotentials(steady, open_voltage_volt, rest_voltage_volt)
    middle, judged = between(time, *MIDDLE), _judged_second(steady, usual_second)
    return HalfCycleShape(
        steady.current_ampere,
        steady.duration_second,
        time.size,
        *numbers,
        running_noise(volt[middle]),
        resolution(volt),
        float(np.median(volt)),
        float(time[0]),
        _terminal_resistance(steady, middle),
        _flatness(time[middle], drive[middle], numbers[1]),
        judged,
        _jumps(steady, drive, judged),
        frozenset(flags),
    )


_Numbers = tuple[Estimate, Estimate, Estimate, Estimate, Estimate]
"""Nucleation, plateau, end, arcing, apparent resistance."""


def _judged_second(steady: Steady, usual_second: float | None) -> float | None:
    """How much of a half cycle by itself is looked at for what is abrupt in it."""
    lasted = steady.duration_second
    longer = lasted is not None and usual_second is not None and lasted > LONGER * usual_second
    return usual_second if longer else lasted


def _refused(steady: Steady, flags: set[str]) -> HalfCycleShape:
    none = Estimate.refused(steady.refusal)
    size = steady.time_second.size
    return HalfCycleShape(
        steady.current_ampere, steady.duration_second, size, none, none, none, none, none, None, flags=frozenset(flags)
    )


def _overpotentials(steady: Steady, open_volt: float | None, rest_volt: float | None) -> tuple[Array, _Numbers]:
    """What drives the current at each reading, and its peak, plateau, end, arcing and resistance."""
    time, volt = steady.time_second, steady.voltage_volt
    if open_volt is None:
        none = Estimate.refused(OPEN_VOLTAGE_UNKNOWN)
        drive = volt * math.copysign(1.0, float(np.median(volt)))
        return drive, (none, none, none, none, _switch_resistance(steady, rest_volt, white_noise(time, drive)))
    drive = (volt - open_volt) * math.copysign(1.0, steady.current_ampere or 0.0)
    noise = white_noise(time, drive)
    plateau, end = _plateau(time, drive), _end(drive, noise)
    return drive, (_peak(time, drive, noise), plateau, end, _arcing(end, plateau), _resistance(plateau, steady))


def asymmetry(shape: HalfCycleShape, neighbour: HalfCycleShape) -> Estimate:
    """2 (η − η') / (η + η') of the plateaus of two neighbouring half cycles of opposite polarity."""
    currents = (shape.current_ampere or 0.0) * (neighbour.current_ampere or 0.0)
    if currents >= 0.0:
        return Estimate.refused("the two half cycles are not of opposite polarity")
    one, other = shape.plateau_overpotential_volt, neighbour.plateau_overpotential_volt
    if one.value is None or one.std is None or other.value is None or other.std is None:
        return Estimate.refused(one.refusal or other.refusal)
    total = one.value + other.value
    std = 4.0 * math.hypot(other.value * one.std, one.value * other.std) / total**2
    return Estimate.normal(2.0 * (one.value - other.value) / total, std)


def running_noise(voltage_volt: Array) -> float | None:
    """Root mean square of the readings about the running median of five; ``None`` of fewer than five. A step leaves no trace."""
    if voltage_volt.size < _MEDIAN_WINDOW:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(voltage_volt, _MEDIAN_WINDOW)
    inner = voltage_volt[_MEDIAN_WINDOW // 2 : voltage_volt.size - _MEDIAN_WINDOW // 2]
    return float(np.sqrt(np.mean((inner - np.median(windows, axis=1)) ** 2)))


def _peak(time: Array, drive: Array, noise: float | None) -> Estimate:
    """The highest reading of the first tenth, where it stands out of the second tenth. σ is the noise of that one reading."""
    start, after = between(time, 0.0, NUCLEATION_1), between(time, NUCLEATION_1, 2.0 * NUCLEATION_1)
    if noise is None or drive[start].size < 2 or not drive[after].size:
        return Estimate.refused("too few readings before the plateau")
    peak = float(drive[start].max())
    if peak - float(np.median(drive[after])) <= STANDS_OUT * noise:
        return Estimate.refused("no peak stands out before the plateau")
    return Estimate.normal(peak, noise)


def _plateau(time: Array, drive: Array) -> Estimate:
    middle = between(time, *MIDDLE)
    if drive[middle].size < FEWEST_IN_THE_MIDDLE:
        return Estimate.refused(f"{drive[middle].size} readings between 10 and 90 % of the time, 3 are needed")
    value, std = median_over_time(time[middle], drive[middle])
    if value <= 0.0:
        return Estimate.refused("the voltage opposes the current: this is not its open voltage")
    return Estimate(value, None, None, None) if std is None else Estimate.normal(value, std)


def _end(drive: Array, noise: float | None) -> Estimate:
    return Estimate.refused("too few readings to know their noise") if noise is None else Estimate.normal(float(drive[-1]), noise)


def _arcing(end: Estimate, plateau: Estimate) -> Estimate:
    if end.value is None or end.std is None or plateau.value is None or plateau.std is None:
        return Estimate.refused(plateau.refusal or end.refusal or "the plateau's error is not known")
    ratio = end.value / plateau.value
    return Estimate.normal(ratio - 1.0, math.hypot(end.std, ratio * plateau.std) / plateau.value)


def _resistance(plateau: Estimate, steady: Steady) -> Estimate:
    current = steady.current_ampere
    if plateau.value is None or plateau.std is None or current is None:
        return Estimate.refused(plateau.refusal or "the plateau's error is not known")
    noise = white_noise(steady.time_second, steady.current_readings_ampere) or 0.0
    size = abs(current)
    part = noise * math.sqrt(0.5 * math.pi / steady.time_second.size) / size
    value = plateau.value / size
    return Estimate.normal(value, math.hypot(plateau.std / size, value * part))


def _switch_resistance(steady: Steady, rest_voltage_volt: float | None, noise: float | None) -> Estimate:
    if rest_voltage_volt is None or steady.current_ampere is None or noise is None:
        return Estimate.refused(f"{OPEN_VOLTAGE_UNKNOWN}, and no rest came before")
    value = (float(steady.voltage_volt[0]) - rest_voltage_volt) / steady.current_ampere
    if value <= 0.0:
        return Estimate.refused("the voltage did not follow the current when it began")
    return Estimate.normal(value, math.sqrt(2.0) * noise / abs(steady.current_ampere))


def _terminal_resistance(steady: Steady, middle: slice) -> float | None:
    ratio = np.abs(steady.voltage_volt[middle] / steady.current_readings_ampere[middle])
    return float(np.median(ratio)) if ratio.size else None


def _flatness(time: Array, drive: Array, plateau: Estimate) -> float | None:
    if plateau.value is None:
        return None
    spread = quantile_over_time(time, drive, 0.75) - quantile_over_time(time, drive, 0.25)
    return spread / plateau.value


def _jumps(steady: Steady, drive: Array, judged_second: float | None) -> tuple[Jump, ...]:
    """The jumps across which the current stayed what it was, from where half of the usual overpotential has built up."""
    time, size = steady.time_second, np.abs(steady.current_readings_ampere)
    last = int(np.searchsorted(time, time[0] + (judged_second or 0.0), side="right"))
    first = int(np.argmax(drive >= 0.5 * float(np.median(drive[:last]))))
    found = find_jumps(time[first:last], drive[first:last])
    if last < time.size:
        found += [jump for jump in find_jumps(time[first:], drive[first:]) if jump.from_second >= time[last]]
    noise = (white_noise(time, size) or 0.0) if found else 0.0
    return tuple(jump for jump in found if _current_kept(jump, time, size, noise))


def _current_kept(jump: Jump, time: Array, size: Array, noise: float) -> bool:
    before, after = (float(size[np.searchsorted(time, moment)]) for moment in (jump.from_second, jump.to_second))
    return abs(after - before) <= CURRENT_KEPT_1 * before + STANDS_OUT * noise


def shape_from_row(row: HalfCycleRow) -> HalfCycleShape:
    """The shape a stored row tells of: what later half cycles are compared with after a restart."""
    flags = frozenset(row.flags.split())

    def stored(value: float | None, std: float | None) -> Estimate:
        if value is None:
            return Estimate.refused(OPEN_VOLTAGE_UNKNOWN if FLAG_OPEN_VOLTAGE_UNKNOWN in flags else "the row holds no value")
        return Estimate(value, None, None, None) if std is None else Estimate.normal(value, std)

    return HalfCycleShape(
        row.current_ampere,
        row.duration_second,
        None,
        stored(row.nucleation_overpotential_volt, row.nucleation_overpotential_volt_std),
        stored(row.plateau_overpotential_volt, row.plateau_overpotential_volt_std),
        stored(row.end_overpotential_volt, row.end_overpotential_volt_std),
        stored(row.arcing_1, row.arcing_1_std),
        stored(row.apparent_resistance_ohm, row.apparent_resistance_ohm_std),
        row.noise_volt,
        flags=flags,
        short_grade=row.short_grade,
    )
