"""One channel: a potentiostat with a cell on it, in simulated time. Knows no language and no port.

The applied current is the set-point exactly; only what is measured carries offset, gain, noise and converter steps. So the charge
that crossed a cell under constant current is current × time, and what the host computes from readings differs from it by
errors that are known. A channel keeps time by itself: ``base_nanosecond`` plus ``elapsed`` seconds, and whatever asks for a
reading first brings the cell to that moment.

The truth is the charge that crossed the cell, current × true time. The instrument's own clock runs at 1 + ε of that, and all its
times are counted on it: an hour of plating takes 3600 / (1 + ε) s. A host that integrates over the instrument's times is off
by ε in every charge, and not at all in an efficiency.

What a potentiostat applies after a step of ΔE is E + k ΔE exp(−t / τ). A relay that is told to open does so ``relay_second``
later, and the current flows on: charge that no host can see. A cut-off is found at the next look of the script, one interval
late at most; that latency is the language's, and needs no number here.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

from emulator.cell.cells import Cell
from emulator.cell.impedance import Elements
from emulator.instruments import converter
from emulator.instruments.calibration import UNCALIBRATED, Calibration
from emulator.instruments.converter import Converter, Imperfections, Streams
from emulator.instruments.leads import Leads
from emulator.instruments.ledger import Ledger
from emulator.instruments.models import SPAN, Model
from emulator.instruments.timer import Timer
from emulator.truth import TruthFile, Value

_STIFF_STEPS = 16
_STEPS_PER_TIME_CONSTANT = 4
_TIME_CONSTANTS = 8.0
_NANOSECOND = 1e9


class Mode(enum.IntEnum):
    """What ``set_pgstat_mode`` chooses."""

    OFF = 0
    LOW_SPEED = 2
    HIGH_SPEED = 3
    MAX_RANGE = 4
    GALVANOSTAT = 6


class Channel:
    """State of a channel. ``normal(stream)`` gives a stream of standard normal numbers of this channel."""

    def __init__(
        self,
        name: str,
        model: Model,
        cell: Cell,
        *,
        imperfections: Imperfections,
        normal: Streams,
        truth: TruthFile,
        now_nanosecond: int,
        cell_name: str = "",
        calibration: Calibration = UNCALIBRATED,
    ) -> None:
        self.name = name
        self.model = model
        self.cell = cell
        self.cell_name = cell_name or name
        self.ledger = Ledger(name, self.cell_name, cell, truth, now_nanosecond)
        self._truth = truth
        self._imperfections = made = imperfections
        self._impedance_normal, self._impedance_index = normal("impedance"), 0
        self.timer = Timer(made, normal)
        amps, volts = converter.current(made), converter.voltage(made, model.top_voltage_span)
        self.ammeter = Converter(model.current_ranges, made, amps, streams=normal, second=self.second, known=calibration.current)
        self.voltmeter = Converter(
            model.voltage_ranges, made, volts, streams=normal, second=self.second, known=calibration.voltage
        )
        self.leads = Leads(cell, made, model.top_voltage_span)
        self._created_nanosecond = self.base_nanosecond = now_nanosecond
        self.elapsed = 0.0
        self.mode = Mode.OFF
        self.polarised = False
        self.stuck_on = False
        self.derating = 1.0
        self.watch: Callable[[], None] | None = None
        self.set_current = 0.0
        self.set_potential = 0.0
        self.current = 0.0
        self.terminal_volt = 0.0
        self.leakage_coulomb = 0.0
        self.owed = (0.0, 0.0)
        self.current_autorange: tuple[int, int] | None = None
        self.voltage_autorange = False
        self._interrupted_until = -math.inf
        self._regulated: tuple[Mode, float] | None = None
        self._overshoot_volt = self._overshoot_since = 0.0

    # -- time

    @property
    def now_nanosecond(self) -> int:
        """The simulated moment this channel has reached."""
        return self.base_nanosecond + round(self.elapsed * _NANOSECOND)

    def second(self) -> float:
        """Simulated seconds since the channel was made."""
        return (self.base_nanosecond - self._created_nanosecond) / _NANOSECOND + self.elapsed

    def begin(self, now_nanosecond: int) -> None:
        """Reach ``now_nanosecond`` and count ``elapsed`` from there: a program starts."""
        reached = self.now_nanosecond
        if now_nanosecond > reached:
            self.advance(self.elapsed + (now_nanosecond - reached) / _NANOSECOND)
            reached = now_nanosecond
        self._interrupted_until -= self.elapsed
        self._overshoot_since -= self.elapsed
        self.timer.rebase(self.elapsed)
        self.base_nanosecond = reached
        self.elapsed = 0.0

    def advance(self, elapsed: float) -> None:
        """Bring the cell to ``elapsed`` seconds; an earlier moment does nothing."""
        second = elapsed - self.elapsed
        if second <= 0.0:
            return
        if self.elapsed < self._interrupted_until:
            second -= self._pass_interruption(second)
        if self.polarised and self.mode != Mode.GALVANOSTAT:
            self._regulate(second)
        elif self.polarised and self._yields(second):
            self._give_way(second)
        else:
            self._flow(self.current, second)
        self.elapsed = elapsed
        if self.watch is not None:
            self.watch()

    def _flow(self, current: float, second: float) -> None:
        """Let the instrument's ``current`` flow: what crosses the cell goes to the truth, or to the leakage at rest."""
        if self.leads.plain:
            self.cell.advance(current, second)
            if current:
                self.ledger.carry(current * second)
            return
        self.leads.advance(current, second)
        crossed = self.leads.through(current) * second
        if current and not self.leads.open:
            self.ledger.carry(crossed)
        else:
            self.leakage_coulomb += crossed

    # -- the regulator

    def _regulate(self, second: float) -> None:
        """Potentiostat: the mean of the currents at both ends flows, as a host that integrates by trapezoids expects.

        The current at the far end is foreseen; what it came out differently is owed (C, over so many s) and flows in the steps
        that follow.
        """
        second -= self._settle(second)
        if second <= 0.0:
            return
        if self.cell.stiff():
            part = second / _STIFF_STEPS
            start = self.elapsed
            for step in range(_STIFF_STEPS):
                self._carry(self._wanted(part), part)
                self.elapsed = start + part * (step + 1)
            self.current = self._wanted(0.0)
            return
        foreseen = self._wanted(second)
        owed, span = self.owed
        paid = owed * min(1.0, second / span) if span else 0.0
        self._carry(0.5 * (self.current + foreseen) + paid / second, second)
        self.current = self._wanted(0.0)
        self.owed = (owed - paid + 0.5 * (self.current - foreseen) * second, max(second, span - second))

    def _settle(self, second: float) -> float:
        """Pass through what is left of an overshoot, in steps it can be seen in; how long that took."""
        if not self._overshoot_volt:
            return 0.0
        constant = self._imperfections.regulator_second
        left = self._overshoot_since + _TIME_CONSTANTS * constant - self.elapsed
        quick = min(second, max(left, 0.0))
        count = math.ceil(quick / constant * _STEPS_PER_TIME_CONSTANT)
        start = self.elapsed
        for step in range(count):
            self._carry(self._wanted(quick / count), quick / count)
            self.elapsed = start + quick * (step + 1) / count
        if quick == left or left <= 0.0:
            self._overshoot_volt = 0.0
        self.current = self._wanted(0.0)
        return quick

    def _applied(self, ahead_second: float) -> float:
        """The potential at the output, ``ahead_second`` from now."""
        if not self._overshoot_volt:
            return self.set_potential
        since = self.elapsed + ahead_second - self._overshoot_since
        return self.set_potential + self._overshoot_volt * math.exp(-since / self._imperfections.regulator_second)

    def _wanted(self, second: float) -> float:
        """The current that brings the cell to the applied potential within ``second``."""
        return self._front.current_for(self._applied(second), second, self._current_limit(), self.current)

    @property
    def _front(self) -> Cell | Leads:
        """What the instrument's terminals see."""
        return self.cell if self.leads.plain else self.leads

    def _carry(self, current: float, second: float) -> None:
        self._direct(current)
        self._flow(current, second)
        self.current = current

    def _current_limit(self) -> float:
        highest = self.ammeter.range if self.current_autorange is None else self.current_autorange[1]
        return min(self.model.largest_current * self.derating, SPAN * self.ammeter.ranges[highest].nominal)

    def _yields(self, second: float) -> bool:
        """Whether the galvanostat cannot give its current for so long within its compliance."""
        if self._imperfections.compliance != "clip":
            return False
        return abs(self._front.voltage(self.set_current, second)) > self.model.compliance

    def _give_way(self, second: float) -> None:
        """Galvanostat at its compliance: what flows is what that voltage drives."""
        sign = math.copysign(1.0, self.set_current)
        limit, part = abs(self.set_current), second / _STIFF_STEPS
        for _ in range(_STIFF_STEPS):
            self._carry(self._front.current_for(sign * self.model.compliance, part, limit, self.current), part)
        self.current = self._front.current_for(sign * self.model.compliance, 0.0, limit, self.current)

    # -- what a script can do

    def switch_on(self) -> None:
        """Close the cell relay with the present mode and set-point."""
        self.polarised = self.mode != Mode.OFF
        self.refresh()

    def switch_off(self) -> None:
        """Open the cell relay (unless a fault holds it)."""
        if self.stuck_on:
            return
        if self.polarised and self._imperfections.relay_second:
            self._flow(self.current, self._imperfections.relay_second)
            self.elapsed += self._imperfections.relay_second
        self.polarised = False
        self.refresh()

    def refresh(self) -> None:
        """Let the set-point act, at this moment."""
        self.owed = (0.0, 0.0)
        if not self.polarised or self.leads.open or self.elapsed < self._interrupted_until:
            self.current = 0.0
            self._regulated = None
        elif self.mode == Mode.GALVANOSTAT:
            most = self.model.largest_current * self.derating
            self.current = min(max(self.set_current, -most), most)
            self._regulated = None
        elif self.mode != Mode.OFF:
            self._begin_overshoot()
            self.current = self._wanted(0.0)
        self._direct(self.current)

    def _begin_overshoot(self) -> None:
        wanted = (self.mode, self.set_potential)
        if self._imperfections.overshoot and wanted != self._regulated:
            step = self.set_potential - self._front.voltage(self.current)
            self._overshoot_volt = self._imperfections.overshoot * step
            self._overshoot_since = self.elapsed
        self._regulated = wanted

    def rest_at(self, current: float) -> None:
        """During a sweep the mean current is ``current``."""
        self.current = current
        self._direct(current)

    def sweep_to(self, elapsed: float) -> None:
        """Like `advance`, without the regulator: for sweeps, whose net charge is that of their mean current."""
        second = elapsed - self.elapsed
        if second > 0.0:
            self._flow(self.current, second)
            self.elapsed = elapsed
            if self.watch is not None:
                self.watch()

    # -- what faults and chambers do

    def interrupt(self, second: float) -> None:
        """The cell's relay is open for ``second`` from now, although nobody asked."""
        self._interrupted_until = self.elapsed + second
        self.refresh()

    def _pass_interruption(self, second: float) -> float:
        part = min(second, self._interrupted_until - self.elapsed)
        self._flow(0.0, part)
        self.elapsed += part
        if self.elapsed >= self._interrupted_until:
            self._interrupted_until = -math.inf
            self.refresh()
        return part

    def exchange_cell(self, other: Channel) -> None:
        """Put each other's cells in; both rows of the truth end here."""
        mine, mine_name = self.cell, self.cell_name
        self._put(other.cell, other.cell_name)
        other._put(mine, mine_name)

    def _put(self, cell: Cell, cell_name: str) -> None:
        self.close_row()
        self.cell = self.leads.cell = cell
        self.cell_name = cell_name
        self.ledger = Ledger(self.name, cell_name, cell, self._truth, self.now_nanosecond)
        self.refresh()

    def warm_to(self, kelvin: float) -> None:
        """The instrument's own temperature."""
        self.ammeter.warm_to(kelvin)
        self.voltmeter.warm_to(kelvin)

    # -- what can be read

    def read_voltage(self) -> float:
        """One reading of the voltage."""
        leads, current = self.leads, self.current
        if leads.plain:
            volt = self.terminal_volt = self.cell.voltage(current)
        else:
            volt, self.terminal_volt = leads.voltage(current), leads.terminal(current)
        if self.voltage_autorange:
            self.voltmeter.settle(volt, 0, len(self.voltmeter.ranges) - 1)
        self.ledger.sample(self.now_nanosecond, volt, self.current)
        return self.voltmeter.read(volt)

    def read_current(self) -> float:
        """One reading of the current."""
        if self.current_autorange is not None and self.mode != Mode.GALVANOSTAT:
            self.ammeter.settle(self.current, *self.current_autorange)
        return self.ammeter.read(self.current)

    def current_status(self) -> tuple[int, int]:
        """Status nibble and range id of the latest current reading."""
        return self.ammeter.status(self.current), self.ammeter.ranges[self.ammeter.range].wire_id

    def voltage_status(self) -> tuple[int, int]:
        """Status nibble and range id of a doubtful voltage reading."""
        return converter.STATUS_OVERLOAD, self.voltmeter.ranges[self.voltmeter.range].wire_id

    def read_impedance(self, elements: Elements, frequency_hertz: float) -> complex:
        """One reading of Z, with relative noise on both parts."""
        impedance = elements.impedance(frequency_hertz) + self.leads.sensed_ohm
        noise = self._imperfections.impedance_noise * abs(impedance)
        if not noise:
            return impedance
        index = self._impedance_index
        self._impedance_index = index + 2
        return impedance + noise * complex(self._impedance_normal(index), self._impedance_normal(index + 1))

    # -- the truth

    def drawn(self) -> dict[str, Value]:
        """What was drawn for this channel once, or said by its calibration: by nominal range, A and V."""
        found: dict[str, Value] = {"clock_rate": self.timer.rate}
        for one, offset, gain in (
            (self.ammeter, "current_offset_ampere", "current_gain"), (self.voltmeter, "voltage_offset_volt", "voltage_gain")
        ):  # fmt: skip
            found |= {offset: one.by_range(one.offsets), gain: one.by_range(one.gains)}
        return found

    def _direct(self, current: float) -> None:
        crossing = current if self.leads.plain or not current else self.leads.through(current)
        self.ledger.direct(crossing, self.now_nanosecond)

    def close_row(self) -> None:
        """Write what this direction of current has moved so far, if anything."""
        self.ledger.close(self.now_nanosecond)

    def write_sweep(self, technique: str, start_nanosecond: int, frequencies: list[float], elements: Elements) -> None:
        """The truth of a sweep: the state it started from."""
        self.ledger.write_sweep(technique, start_nanosecond, self.now_nanosecond, frequencies, elements)
