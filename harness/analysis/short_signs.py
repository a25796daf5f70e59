"""The signs of a short within a cell, each on its own: what was seen, where, how much of it, and how much is needed.

A short is a path for electrons past the electrolyte. It takes part of the current, so that less of it drives the electrodes:
the voltage goes towards 0, at once. In a charging full cell it falls while it should rise. In a discharging one it falls
anyhow, and at once where one kind of lithium runs out; there a fall says something where it is undone as abruptly, where its
return is seen (nothing healthy lifts the voltage of a discharging cell), or where the charge is missing that a short of this
size would have taken until the end.

A sign needs size and certainty. The sizes are customary ones, with one exception: a short that takes a fifth of the current
lowers |η| by a fifth only where the cell is a resistance. Butler-Volmer kinetics, and an overpotential still falling after
nucleation, make it 10–18 %, so that a fall counts from `FALL_1` on where it stands five deviations out of its own trace
(`harness.analysis.jumps`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.analysis.estimate import Estimate
from harness.analysis.jumps import Jump
from harness.analysis.shape import HalfCycleShape

FALL_1 = 0.08
FALL_VOLT = 0.01
"""In place of a part of |η|, where no resistance of the cell is known."""
RESISTANCE_FALL_1 = 0.2
USUAL = 5
"""Half cycles that say what is usual, and how many of them are needed."""
FEWEST_USUAL = 3
ARCED_1 = 0.15
RECTANGULAR_1 = 0.05
IMPEDANCE_FALL_1 = 0.2
RELAXATION_FACTOR = 3.0
NOISE_FACTOR = 5.0
CERTAIN = 4.0
"""Deviations by which a sign must pass its size, or stand out of what is usual."""
CUSP = 1.5
"""Where a rise bends down by more than this many falls, the fall is the far side of a peak."""
KEPT_1 = (0.5, 6.0)
"""Of a fall, that is left later: less is a spike, more a voltage that falls by itself."""
SEEN_1 = 0.05
"""Of a jump, that the two readings around it must show by themselves."""
END_1 = 0.97
"""Later falls have no voltage after them to be compared with."""
HEALED_1 = 0.3
"""Of a fall, that a rise must undo: part of it comes back slowly."""
HIDDEN_1 = 0.5
"""The same of a rise that lies between two readings of a voltage that falls."""
SPIKE_1 = 0.02
"""Of the half cycle: a fall that is undone earlier is a spike; one that begins earlier and is not undone, nucleation's end."""
DRAINED_1 = 0.5
"""Of the charge that a short of the fall's size takes, that must be missing: a fall is more than the short's share of the current
where the resistance that answers at once is not all of the cell's."""
FEWEST_DISCHARGES = 2
COMPARABLE_1 = 0.02
"""Currents that differ by more give charges that differ."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sign: its name, ``value`` beside the ``threshold`` it passes, and the readings that show it, in seconds from the
    first reading at the half cycle's current; ``None`` for what was seen elsewhere (a spectrum, a rest, a charge).
    """

    sign: str
    value: float
    threshold: float
    from_second: float | None = None
    to_second: float | None = None


@dataclass(frozen=True, slots=True)
class ImpedanceState:
    """What a spectrum said: the resistance of the electrolyte, of the arcs, and where the spectrum ends at low frequency."""

    series_resistance_ohm: Estimate
    interface_resistance_ohm: Estimate
    low_frequency_resistance_ohm: Estimate | None = None


@dataclass(frozen=True, slots=True)
class ShortContext:
    """What else is known about a half cycle, each where it was measured.

    ``impedance_after`` is the next spectrum, ``impedance_before`` the last one. ``relaxation_volt_per_second`` is |dV/dt| of
    the rest of a full cell after it, ``usual_relaxation_volt_per_second`` that of earlier rests of the same kind.
    ``coulombic_efficiency`` is that of the cycle a removal ends, ``None`` with a deposit. ``lead_resistance_ohm`` is what the
    leads in the path of the measured voltage have.
    """

    impedance_before: ImpedanceState | None = None
    impedance_after: ImpedanceState | None = None
    relaxation_volt_per_second: float | None = None
    usual_relaxation_volt_per_second: Sequence[float] = field(default=())
    coulombic_efficiency: Estimate | None = None
    lead_resistance_ohm: float | None = None


@dataclass(frozen=True, slots=True)
class Fall:
    """A voltage that was lower, towards 0 V, from ``from_second`` to ``until_second``, by ``part_1`` of what drives the cell
    (``None`` where that is not known) at first and ``lasting_1`` of it later. ``jump`` is its beginning, or, of one that began
    before the current or with it, the rise that ended it; ``healed`` says that there is such a rise. Times are those of the
    shape's readings.
    """

    jump: Jump
    from_second: float
    until_second: float
    part_1: float | None
    lasting_1: float
    healed: bool

    @property
    def large(self) -> bool:
        """Whether it is large enough to count."""
        return abs(self.jump.change_volt) >= FALL_VOLT if self.part_1 is None else self.part_1 >= FALL_1


def usual_halves(history: Sequence[HalfCycleShape]) -> list[HalfCycleShape]:
    """The last half cycles without a grade: a short that stays does not become the usual."""
    return [one for one in history if not one.short_grade][-USUAL:]


def usual_second(history: Sequence[HalfCycleShape]) -> float | None:
    """How long the usual half cycles took, at the median; ``None`` where there are none."""
    known = [one.duration_second for one in usual_halves(history) if one.duration_second is not None]
    return float(np.median(known)) if known else None


def falls(shape: HalfCycleShape) -> list[Fall]:
    """The falls of a half cycle that are certain, large enough to count, and last; of a discharge those that healed."""
    return [fall for fall in _falls(shape) if fall.large and (fall.healed or not shape.discharges)]


def draining_fall(
    shape: HalfCycleShape, usual: Sequence[HalfCycleShape], efficiency: Estimate | None
) -> tuple[Fall, Evidence] | None:
    """A fall that lasts until a discharge ends, and the charge that is missing then, as parts of what was discharged.

    A short that takes the part p of the current over the last part r of a discharge takes p r. At least `DRAINED_1` of that must
    be missing.
    """
    missing = _missing_charge(shape, usual, efficiency)
    if missing is None or not shape.discharges:
        return None
    for fall in _falls(shape):
        if not fall.healed and fall.large and fall.part_1 is not None:
            taken = fall.part_1 * (fall.until_second - fall.from_second) / (shape.duration_second or math.inf)
            if missing >= DRAINED_1 * taken:
                return fall, at("charge_missing", shape, missing, DRAINED_1 * taken, (fall.from_second, fall.until_second))
    return None


def abrupt_fall(shape: HalfCycleShape, found: Sequence[Fall]) -> Evidence | None:
    """(i) |η| falls within less than a hundredth of the half cycle while the current stays what it was: the most certain
    fall, or, in a discharging full cell, the return from one.
    """
    if not found:
        return None
    fall = max(found, key=lambda one: abs(one.jump.change_volt) / one.jump.change_std_volt)
    span = fall.jump.from_second, fall.jump.to_second
    name = "abrupt_fall" if fall.jump.change_volt < 0.0 else "abrupt_return"
    if fall.part_1 is None:
        return at(f"{name}_volt", shape, abs(fall.jump.change_volt), FALL_VOLT, span)
    return at(name, shape, fall.part_1, FALL_1, span)


def resistance_fall(shape: HalfCycleShape, usual: Sequence[HalfCycleShape], found: Sequence[Fall]) -> Evidence | None:
    """(ii) the apparent resistance is lower than it was: of the half cycle, against the median of the five usual ones before
    it; or of the stretch of a fall, against what is beside it, for a short of a tenth of the half cycle does not move its
    median.
    """
    whole = _fall_of_the_whole(shape, usual)
    if whole is not None or not found:
        return whole
    fall = max(found, key=lambda one: one.until_second - one.from_second)
    span = fall.from_second, fall.until_second
    if fall.part_1 is None:
        return at("resistance_fall_volt", shape, abs(fall.jump.change_volt) * fall.lasting_1, KEPT_1[0] * FALL_VOLT, span)
    return at("resistance_fall", shape, fall.part_1 * fall.lasting_1, KEPT_1[0] * FALL_1, span)


def rectangular(shape: HalfCycleShape, usual: Sequence[HalfCycleShape]) -> Evidence | None:
    """(iii) a trace without arcing after half cycles that arced."""
    arced = [one.arcing_1.value for one in usual if one.arcing_1.value is not None]
    arcing = shape.arcing_1
    if arcing.value is None or arcing.std is None or shape.flat_1 is None or len(arced) < FEWEST_USUAL:
        return None
    before = float(np.median(arced))
    still = abs(arcing.value) + arcing.std < RECTANGULAR_1 and shape.flat_1 < RECTANGULAR_1
    if not still or before < ARCED_1 or before - arcing.value < CERTAIN * max(arcing.std, _scatter(arced)):
        return None
    return whole("rectangular", shape, arcing.value, RECTANGULAR_1)


def impedance_fall(context: ShortContext) -> Evidence | None:
    """(iv) the resistance at high frequency or of the arcs falls from one spectrum to the next, or the spectrum now ends below
    what the arcs alone were.
    """
    before, after = context.impedance_before, context.impedance_after
    if before is None or after is None:
        return None
    pairs = (
        (before.series_resistance_ohm, after.series_resistance_ohm),
        (before.interface_resistance_ohm, after.interface_resistance_ohm),
    )
    parts = [part for pair in pairs if (part := _certain_fall(*pair, IMPEDANCE_FALL_1)) is not None]
    if after.low_frequency_resistance_ohm is not None:
        part = _certain_fall(before.interface_resistance_ohm, after.low_frequency_resistance_ohm, 0.0)
        parts += [] if part is None else [part]
    return Evidence("impedance_fall", max(parts), IMPEDANCE_FALL_1) if parts else None


def fast_relaxation(context: ShortContext) -> Evidence | None:
    """(v) at rest the voltage goes faster than three times what is usual, beyond the scatter of the usual."""
    rate, usual = context.relaxation_volt_per_second, [abs(one) for one in context.usual_relaxation_volt_per_second]
    if rate is None or len(usual) < FEWEST_USUAL:
        return None
    middle = float(np.median(usual))
    if middle <= 0.0 or abs(rate) <= RELAXATION_FACTOR * middle or abs(rate) - middle <= CERTAIN * _scatter(usual):
        return None
    return Evidence("fast_relaxation", abs(rate) / middle, RELAXATION_FACTOR)


def charge_surplus(context: ShortContext) -> Evidence | None:
    """(vi) more lithium seems to come back than was put there, by more than the efficiency's error."""
    efficiency = context.coulombic_efficiency
    if efficiency is None or efficiency.value is None or efficiency.std is None:
        return None
    threshold = 1.0 + CERTAIN * efficiency.std
    return Evidence("charge_surplus", efficiency.value, threshold) if efficiency.value > threshold else None


def noise(shape: HalfCycleShape, history: Sequence[HalfCycleShape]) -> Evidence | None:
    """(vii) the voltage scatters about its running median by more than five times what it did in the first half cycles, and by
    more than the converter's step explains.
    """
    early = [one.noise_volt for one in history[:USUAL] if one.noise_volt is not None]
    if shape.noise_volt is None or len(early) < FEWEST_USUAL:
        return None
    least = max(float(np.median(early)), (shape.resolution_volt or 0.0) / math.sqrt(12.0))
    if least <= 0.0 or shape.noise_volt <= NOISE_FACTOR * least:
        return None
    return whole("noise", shape, shape.noise_volt / least, NOISE_FACTOR)


def _falls(shape: HalfCycleShape) -> Iterator[Fall]:
    start, duration, judged = shape.start_second, shape.duration_second, shape.judged_second
    if start is None or duration is None or judged is None:
        return
    undone: set[Jump] = set()
    for jump in shape.jumps:
        if jump.change_volt >= 0.0 or jump.to_second > start + END_1 * duration:
            continue
        rise = next((one for one in shape.jumps if one.from_second >= jump.to_second and _undoes(one, jump)), None)
        if not (_is_fall(jump) or (rise is not None and _mirrors(rise, jump))):
            continue
        if rise is None and jump.from_second < start + SPIKE_1 * judged:
            continue
        undone |= set() if rise is None else {rise}
        until = start + duration if rise is None else rise.to_second
        if until - jump.to_second >= SPIKE_1 * judged:
            lasting = min(max(jump.kept_1, KEPT_1[0]), 1.0)
            yield Fall(jump, jump.to_second, until, _part(shape, jump), lasting, healed=rise is not None)
    for jump in shape.jumps:
        if shape.discharges and jump not in undone and _is_return(jump) and jump.from_second - start >= SPIKE_1 * judged:
            yield Fall(jump, start, jump.from_second, _part(shape, jump), min(jump.kept_1, 1.0), healed=True)


def _part(shape: HalfCycleShape, jump: Jump) -> float | None:
    """How much of what drives the cell the jump is."""
    reference = jump.before_volt if shape.open_voltage_known else _driving_volt(shape)
    return None if reference is None or reference <= 0.0 else abs(jump.change_volt) / reference


def _missing_charge(shape: HalfCycleShape, usual: Sequence[HalfCycleShape], efficiency: Estimate | None) -> float | None:
    """What is missing of the charge, over what passed: in the cycle's efficiency, and beside the smallest of the usual charges
    at this current and what they lose from one to the next; the smaller of the two. An efficiency that is only a lower bound
    tells of none.
    """
    charges = [charge for one in usual if (charge := _charge_at(one, shape.current_ampere)) is not None]
    own = _charge_at(shape, shape.current_ampere)
    if own is None or len(charges) < FEWEST_DISCHARGES or efficiency is None or not efficiency.value:
        return None
    if efficiency.low is not None and efficiency.high is None:
        return None
    loss = max(0.0, -float(np.median(np.diff(charges))))
    return min((min(charges) - loss) / own, 1.0 / efficiency.value) - 1.0


def _charge_at(shape: HalfCycleShape, current_ampere: float | None) -> float | None:
    """What passed at the constant current, C, where that is ``current_ampere``."""
    if not current_ampere or shape.current_ampere is None or shape.duration_second is None:
        return None
    same = abs(shape.current_ampere / current_ampere - 1.0) <= COMPARABLE_1
    return abs(shape.current_ampere) * shape.duration_second if same else None


def _is_fall(jump: Jump) -> bool:
    """Down, more than the bend at the tip of a peak, neither undone at once nor the beginning of a longer way down."""
    size = -jump.change_volt
    return size > 0.0 and _is_seen(jump) and jump.cusp_volt <= CUSP * size and KEPT_1[0] <= jump.kept_1 <= KEPT_1[1]


def _mirrors(rise: Jump, fall: Jump) -> bool:
    """As large a rise, seen by itself: together they need no other sign that the fall is one."""
    part = -rise.change_volt / fall.change_volt
    return HIDDEN_1 <= part <= 1.0 / HIDDEN_1 and _is_seen(rise) and KEPT_1[0] <= rise.kept_1 <= KEPT_1[1]


def _is_return(jump: Jump) -> bool:
    """Up where voltages go down: the other end of a fall that nobody saw begin."""
    return jump.change_volt > 0.0 and jump.after_volt > jump.before_volt and KEPT_1[0] <= jump.kept_1 <= KEPT_1[1]


def _undoes(rise: Jump, fall: Jump) -> bool:
    """A rise that the readings show; one hidden between few readings of a falling voltage must be larger, and last."""
    part = -rise.change_volt / fall.change_volt
    return (part > HEALED_1 and _is_seen(rise)) or (part > HIDDEN_1 and KEPT_1[0] <= rise.kept_1 <= KEPT_1[1])


def _is_seen(jump: Jump) -> bool:
    """The readings themselves move that way: it is not a steep rise that pauses."""
    return (jump.after_volt - jump.before_volt) * math.copysign(1.0, jump.change_volt) >= SEEN_1 * abs(jump.change_volt)


def _driving_volt(shape: HalfCycleShape) -> float | None:
    """What drives a cell whose open voltage is unknown: the current times the resistance that answers at once."""
    resistance, current = shape.apparent_resistance_ohm.value, shape.current_ampere
    return None if resistance is None or current is None else resistance * abs(current)


def _fall_of_the_whole(shape: HalfCycleShape, usual: Sequence[HalfCycleShape]) -> Evidence | None:
    """A fall by a fifth, by more than the usual ones scatter, and not just the next step of a resistance that falls anyway."""
    resistance = shape.apparent_resistance_ohm
    before = [one.apparent_resistance_ohm.value for one in usual]
    known = [value for value in before if value is not None]
    if resistance.value is None or resistance.std is None or len(known) < FEWEST_USUAL:
        return None
    middle = float(np.median(known))
    trend = float(np.median(np.abs(np.diff(known))))
    fall, error = 1.0 - resistance.value / middle, max(resistance.std, _scatter(known)) / middle
    threshold = max(RESISTANCE_FALL_1, CERTAIN * error)
    if fall <= threshold or known[-1] - resistance.value <= CERTAIN * trend:
        return None
    return whole("resistance_fall", shape, fall, threshold)


def _certain_fall(before: Estimate, after: Estimate, least: float) -> float | None:
    """1 − after/before where it is more than ``least``, and certain."""
    if before.value is None or before.std is None or after.value is None or after.std is None or before.value <= 0.0:
        return None
    ratio = after.value / before.value
    error = math.hypot(after.std, ratio * before.std) / before.value
    return 1.0 - ratio if 1.0 - ratio > max(least, CERTAIN * error) else None


def whole(sign: str, shape: HalfCycleShape, value: float, threshold: float) -> Evidence:
    """A sign that the whole half cycle shows."""
    return Evidence(sign, value, threshold, None if shape.duration_second is None else 0.0, shape.duration_second)


def at(sign: str, shape: HalfCycleShape, value: float, threshold: float, span: tuple[float, float]) -> Evidence:
    """A sign that a stretch of the half cycle shows; ``span`` in the times of its readings."""
    start = shape.start_second or 0.0
    return Evidence(sign, value, threshold, span[0] - start, span[1] - start)


def _scatter(values: Sequence[float]) -> float:
    return 1.4826 * float(np.median(np.abs(np.asarray(values) - np.median(values))))
