"""One cycle of a run while its records arrive: which readings belong to which half, and whether a half is whole.

Roles come with the records and are never guessed. Probes (impedance, pulses) and rests belong to no half cycle. A step begins at
step time 0, where its first reading is held back to, and ends after the instrument's own duration, so that a constant current
gives current × duration exactly.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.analysis.charge import Accuracy, Array, Charge, step_charge, total_charge
from harness.analysis.coulombic import (
    FLAG_PLATE_LIMITED,
    FLAG_STRIP_INCOMPLETE,
    HalfCycle,
    cycle_row,
)
from harness.analysis.resistance import Resistance, apparent_resistance, switch_resistance
from harness.analysis.spread import smooth_scatter
from harness.analysis.steady import CARRIED_1, SAME_CURRENT_1
from harness.model.derived import CycleRow
from harness.model.flags import DOUBTS
from harness.model.records import Incident, Sample, StepEnded, StepStarted
from harness.model.run import Geometry, Role

TIME_RESOLUTION_SECOND = 1e-3
FLAG_HELD = "held"
CUT_SHORT = frozenset({"aborted", "lost", "limit_current", "limit_duration"})
"""Ends after which a half cycle is not whole, unless a later step of the same half ends as wanted."""
VOLTAGE_ENDS = frozenset({"voltage_above", "voltage_below", "limit_voltage_max", "limit_voltage_min"})
INCIDENT_FLAGS = frozenset({"gap"})


@dataclass(slots=True)
class _Step:
    """The readings of one step, as columns."""

    role: Role
    start_nanosecond: int
    time: array[float] = field(default_factory=lambda: array("d"))
    voltage: array[float] = field(default_factory=lambda: array("d"))
    current: array[float] = field(default_factory=lambda: array("d"))
    range_ampere: array[float] = field(default_factory=lambda: array("d"))
    flags: set[str] = field(default_factory=set)
    reason: str | None = None
    duration_second: float | None = None
    rest_voltage_volt: float | None = None
    first_nanosecond: int = 0
    begin_second: float = 0.0
    relaxation_time: array[float] = field(default_factory=lambda: array("d"))
    relaxation_voltage: array[float] = field(default_factory=lambda: array("d"))

    def charge(self) -> Charge:
        return step_charge(
            np.asarray(self.time),
            np.asarray(self.current),
            start_second=0.0,
            end_second=self.duration_second,
            range_ampere=np.asarray(self.range_ampere),
            time_resolution_second=TIME_RESOLUTION_SECOND,
        )


@dataclass(frozen=True, slots=True, eq=False)
class HalfReadings:
    """One half cycle as it was read: its whole ``charge``, and columns of the step in which most of it passed.

    A half cycle that was paused, or ends in a hold, has several steps; voltages before and after a switch are no one trace.
    ``time_second`` counts from that step's start, which is ``begin_second`` after the half cycle's. ``open_voltage_volt`` is
    ``None`` where it changes while charge passes; ``rest_voltage_volt`` is the voltage at which the cell rested right before
    these readings, ``None`` if it did not. The relaxation is a full cell's rest right after the half cycle.
    """

    role: Role
    unix_time_nanosecond: int
    charge: Charge
    begin_second: float
    time_second: Array
    voltage_volt: Array
    current_ampere: Array
    open_voltage_volt: float | None
    rest_voltage_volt: float | None
    relaxation_second: Array
    relaxation_volt: Array
    whole: bool
    flags: frozenset[str]


class OpenCycle:
    """Collects one cycle of one run; `row` says what is known of it so far.

    ``rest_voltage_volt`` is the voltage at which the step before this cycle left the cell at rest, ``None`` if it did not.
    """

    def __init__(self, run_id: str, cycle_count: int, geometry: Geometry, *, rest_voltage_volt: float | None = None) -> None:
        self.cycle_count = cycle_count
        self.last_rest_voltage = rest_voltage_volt
        self._run_id = run_id
        self._geometry = geometry
        self._steps: list[_Step] = []
        self._step: _Step | None = None
        self._latest: _Step | None = None
        self._relaxing: _Step | None = None
        self._first_sample: Sample | None = None
        self._last_second = 0.0
        self._flags: set[str] = set()

    def start_step(self, record: StepStarted) -> None:
        """A step began."""
        self._step = self._new_step(record.role, record.anchor_nanosecond)

    def take_sample(self, sample: Sample) -> None:
        """A reading arrived, in the order of the run."""
        if self._step is None:
            self._step = self._new_step(sample.role, sample.unix_time_nanosecond)
        if self._first_sample is None:
            self._first_sample = sample
        self._last_second = sample.test_time_second
        step = self._step
        if not (step.role.deposits or step.role.removes):
            self.last_rest_voltage = sample.voltage_volt if step.role is Role.REST else None
            if self._relaxing is not None:
                self._relaxing.relaxation_time.append(sample.step_time_second)
                self._relaxing.relaxation_voltage.append(sample.voltage_volt)
            self._flags.update(DOUBTS.keys() & sample.flags.split())
            return
        self.last_rest_voltage = None
        if not step.time:
            step.first_nanosecond = sample.unix_time_nanosecond
            step.begin_second = sample.test_time_second - sample.step_time_second
        step.time.append(sample.step_time_second)
        step.voltage.append(sample.voltage_volt)
        step.current.append(sample.current_ampere)
        step.range_ampere.append(float("nan") if sample.current_range_ampere is None else sample.current_range_ampere)
        step.flags.update(name for name in sample.flags.split() if name != FLAG_HELD)

    def end_step(self, record: StepEnded) -> None:
        """The step ended; without a duration its charge is not whole."""
        if self._step is not None:
            self._step.reason = record.reason
            self._step.duration_second = record.duration_second
            self._step = None

    def take_incident(self, record: Incident) -> None:
        """Something happened that the cycle's row must tell."""
        if record.kind in INCIDENT_FLAGS:
            self._flags.add(record.kind)

    def row(self, accuracy: Accuracy, *, over: bool = False) -> CycleRow | None:
        """The cycle's row; ``None`` while it has no half cycle with a reading. ``over`` says that nothing more will come."""
        deposit, removal = self._half(deposits=True), self._half(deposits=False)
        if deposit is None and removal is None:
            return None
        first = self._first_sample
        return cycle_row(
            self._run_id,
            self.cycle_count,
            deposit,
            removal,
            accuracy,
            has_efficiency=self._geometry is not Geometry.SYMMETRIC,
            duration_second=self._last_second - first.test_time_second if over and first is not None else None,
            flags=self._flags,
        )

    def readings(self, *, deposits: bool) -> HalfReadings | None:
        """What was read of its deposit so far, or of its removal; ``None`` while nothing was."""
        steps = self._steps_of(deposits=deposits)
        if not steps:
            return None
        charges = [step.charge() for step in steps]
        step = _main_step(steps, [abs(charge.charge_coulomb) for charge in charges])
        return HalfReadings(
            steps[0].role,
            steps[0].first_nanosecond,
            total_charge(charges),
            step.begin_second - steps[0].begin_second,
            np.asarray(step.time),
            np.asarray(step.voltage),
            np.asarray(step.current),
            None if self._geometry is Geometry.FULL else 0.0,
            step.rest_voltage_volt,
            np.asarray(steps[-1].relaxation_time),
            np.asarray(steps[-1].relaxation_voltage),
            _is_whole(steps),
            frozenset().union(*(step.flags for step in steps)),
        )

    def _steps_of(self, *, deposits: bool) -> list[_Step]:
        return [step for step in self._steps if (step.role.deposits if deposits else step.role.removes) and step.time]

    def _new_step(self, role: Role, start_nanosecond: int) -> _Step:
        step = _Step(role, start_nanosecond, rest_voltage_volt=self.last_rest_voltage)
        self._relaxing = self._latest if role is Role.REST and self._geometry is Geometry.FULL else None
        self._latest = step
        if role.deposits or role.removes:
            self._steps.append(step)
        return step

    def _half(self, *, deposits: bool) -> HalfCycle | None:
        steps = self._steps_of(deposits=deposits)
        if not steps:
            return None
        charge = total_charge([step.charge() for step in steps])
        flags = set().union(*(step.flags for step in steps)) | self._end_flags(steps[-1], deposits=deposits)
        start = self._first_stamp(steps[0])
        return HalfCycle(steps[0].role, start, charge, _is_whole(steps), self._resistance(steps), frozenset(flags))

    def _first_stamp(self, step: _Step) -> int:
        first = self._first_sample
        return step.start_nanosecond if first is None else first.unix_time_nanosecond

    def _end_flags(self, last: _Step, *, deposits: bool) -> set[str]:
        if deposits and last.role is Role.PLATE and self._geometry is Geometry.DEPOSIT and last.reason in VOLTAGE_ENDS:
            return {FLAG_PLATE_LIMITED}
        if not deposits and self._geometry is not Geometry.SYMMETRIC and last.reason == "duration":
            return {FLAG_STRIP_INCOMPLETE}
        return set()

    def _resistance(self, steps: Sequence[_Step]) -> Resistance | None:
        step = steps[0]
        if self._geometry is not Geometry.FULL:
            return apparent_resistance(np.asarray(step.time), np.asarray(step.voltage), np.asarray(step.current))
        voltage: Array = np.asarray(step.voltage)
        return switch_resistance(step.rest_voltage_volt, float(voltage[0]), step.current[0], smooth_scatter(voltage, fewest=8))


def _main_step(steps: Sequence[_Step], coulomb: Sequence[float]) -> _Step:
    """The step that carried most charge at the largest of the currents that carried a good part (`harness.analysis.steady`)."""
    size = [abs(float(np.median(step.current))) for step in steps]
    largest = max(one for one, charge in zip(size, coulomb, strict=True) if charge >= CARRIED_1 * max(coulomb))
    alike = [place for place, one in enumerate(size) if abs(one - largest) <= SAME_CURRENT_1 * largest]
    return steps[max(alike, key=coulomb.__getitem__)]


def _is_whole(steps: Sequence[_Step]) -> bool:
    """Every step's duration is known and the last one ended in a way that was wanted."""
    known = all(step.reason is not None and step.duration_second is not None for step in steps)
    return known and steps[-1].reason not in CUT_SHORT
