"""One channel: a potentiostat with a cell on it, in simulated time. Knows no language and no port.

The applied current is the set-point exactly; only what is measured carries offset, gain, noise and converter steps. So the charge
that crossed a cell under constant current is current × time, and what the host computes from readings differs from it by
errors that are known. A channel keeps time by itself: ``base_nanosecond`` plus ``elapsed`` seconds, and whatever asks for a
reading first brings the cell to that moment.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from emulator.cell.cells import Cell
from emulator.cell.impedance import Elements
from emulator.instruments.converter import Converter, Imperfections
from emulator.instruments.models import SPAN, Model, Range
from emulator.truth import TruthFile, Value

_STIFF_STEPS = 16
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
        normal: Callable[[str], Callable[[int], float]],
        truth: TruthFile,
        now_nanosecond: int,
        cell_name: str = "",
    ) -> None:
        self.name = name
        self.model = model
        self.cell = cell
        self.cell_name = cell_name or name
        self._truth = truth
        self._imperfections = imperfections
        self._impedance_normal = normal("impedance")
        self._impedance_index = 0
        self.ammeter = Converter(model.current_ranges, imperfections, normal("current"), self._current_noise)
        self.voltmeter = Converter(
            model.voltage_ranges, imperfections, normal("voltage"), self._voltage_noise, model.top_voltage_span
        )
        self.base_nanosecond = now_nanosecond
        self.elapsed = 0.0
        self.mode = Mode.OFF
        self.polarised = False
        self.stuck_on = False
        self.set_current = 0.0
        self.set_potential = 0.0
        self.current = 0.0
        self.terminal_volt = 0.0
        self.current_autorange: tuple[int, int] | None = None
        self.voltage_autorange = False
        self._direction = 0
        self.removed_last = False
        self._row_charge = 0.0
        self._row_start = now_nanosecond
        self.charge_coulomb = 0.0

    def _current_noise(self, item: Range) -> float:
        return self._imperfections.current_noise * item.nominal

    def _voltage_noise(self, _item: Range) -> float:
        return self._imperfections.voltage_noise_volt

    # -- time

    @property
    def now_nanosecond(self) -> int:
        """The simulated moment this channel has reached."""
        return self.base_nanosecond + round(self.elapsed * _NANOSECOND)

    def begin(self, now_nanosecond: int) -> None:
        """Reach ``now_nanosecond`` and count ``elapsed`` from there: a program starts."""
        reached = self.now_nanosecond
        if now_nanosecond > reached:
            self.advance(self.elapsed + (now_nanosecond - reached) / _NANOSECOND)
            reached = now_nanosecond
        self.base_nanosecond = reached
        self.elapsed = 0.0

    def advance(self, elapsed: float) -> None:
        """Bring the cell to ``elapsed`` seconds; an earlier moment does nothing."""
        second = elapsed - self.elapsed
        if second <= 0.0:
            return
        if self.polarised and self.mode != Mode.GALVANOSTAT:
            self._regulate(second)
        else:
            current = self.current
            self.cell.advance(current, second)
            if current:
                self._row_charge += current * second
        self.elapsed = elapsed

    def _regulate(self, second: float) -> None:
        """Potentiostat: the mean of the currents at both ends flows, as a host that integrates by trapezoids expects."""
        cell, volt, limit = self.cell, self.set_potential, self._current_limit()
        if cell.stiff():
            part = second / _STIFF_STEPS
            start = self.elapsed
            for step in range(_STIFF_STEPS):
                self._carry(cell.current_for(volt, part, limit, self.current), part)
                self.elapsed = start + part * (step + 1)
        else:
            later = cell.current_for(volt, second, limit, self.current)
            self._carry(0.5 * (self.current + later), second)
        self.current = cell.current_for(volt, 0.0, limit, self.current)

    def _carry(self, current: float, second: float) -> None:
        self._direct(current)
        self.cell.advance(current, second)
        self._row_charge += current * second
        self.current = current

    def _current_limit(self) -> float:
        highest = self.ammeter.range if self.current_autorange is None else self.current_autorange[1]
        return min(self.model.largest_current, SPAN * self.ammeter.ranges[highest].nominal)

    # -- what a script can do

    def switch_on(self) -> None:
        """Close the cell relay with the present mode and set-point."""
        self.polarised = self.mode != Mode.OFF
        self.refresh()

    def switch_off(self) -> None:
        """Open the cell relay (unless a fault holds it)."""
        if self.stuck_on:
            return
        self.polarised = False
        self.refresh()

    def refresh(self) -> None:
        """Let the set-point act, at this moment."""
        if not self.polarised:
            self.current = 0.0
        elif self.mode == Mode.GALVANOSTAT:
            self.current = self.set_current
        elif self.mode != Mode.OFF:
            self.current = self.cell.current_for(self.set_potential, 0.0, self._current_limit(), self.current)
        self._direct(self.current)

    def rest_at(self, current: float) -> None:
        """During a sweep the mean current is ``current``, whatever the regulator would do."""
        self.current = current
        self._direct(current)

    def sweep_to(self, elapsed: float) -> None:
        """Like `advance`, without the regulator: for sweeps, whose net charge is that of their mean current."""
        second = elapsed - self.elapsed
        if second > 0.0:
            self.cell.advance(self.current, second)
            self._row_charge += self.current * second
            self.elapsed = elapsed

    # -- what can be read

    def read_voltage(self) -> float:
        """One reading of the voltage."""
        volt = self.terminal_volt = self.cell.voltage(self.current)
        if self.voltage_autorange:
            self.voltmeter.settle(volt, 0, len(self.voltmeter.ranges) - 1)
        return self.voltmeter.read(volt)

    def read_current(self) -> float:
        """One reading of the current."""
        if self.current_autorange is not None and self.mode != Mode.GALVANOSTAT:
            self.ammeter.settle(self.current, *self.current_autorange)
        return self.ammeter.read(self.current)

    def current_status(self) -> tuple[int, int]:
        """Status nibble and range id of the latest current reading."""
        return self.ammeter.status(self.current), self.ammeter.ranges[self.ammeter.range].wire_id

    def read_impedance(self, elements: Elements, frequency_hertz: float) -> complex:
        """One reading of Z, with relative noise on both parts."""
        impedance = elements.impedance(frequency_hertz)
        noise = self._imperfections.impedance_noise * abs(impedance)
        if not noise:
            return impedance
        index = self._impedance_index
        self._impedance_index = index + 2
        return impedance + noise * complex(self._impedance_normal(index), self._impedance_normal(index + 1))

    # -- the truth

    def _direct(self, current: float) -> None:
        direction = (current > 0.0) - (current < 0.0)
        if direction == self._direction:
            return
        self.close_row()
        self._direction = direction
        self._row_start = self.now_nanosecond
        if direction:
            self.removed_last = (direction > 0) == self.cell.removes_when_oxidising

    def close_row(self) -> None:
        """Write what this direction of current has moved so far, if anything."""
        charge = self._row_charge
        self._row_charge = 0.0
        if charge == 0.0 or self._direction == 0:
            return
        self.charge_coulomb += charge
        tracked = self.cell.tracked()
        removes = (charge > 0.0) == self.cell.removes_when_oxidising
        row: dict[str, Value] = {
            "kind": "half_cycle",
            "channel": self.name,
            "cell": self.cell_name,
            "direction": "oxidation" if charge > 0.0 else "reduction",
            "start_unix_time_nanosecond": self._row_start,
            "end_unix_time_nanosecond": self.now_nanosecond,
            "charge_coulomb": charge,
            "coulombic_efficiency_lithium": tracked.lithium_efficiency() if removes else None,
            "deposit_count": tracked.deposits,
            "net_charge_coulomb": self.cell.net_coulomb,
            **self.cell.books(),
            **_resistances(self.cell.elements()),
        }
        self._row_start = self.now_nanosecond
        self._truth.append(row)

    def write_sweep(self, technique: str, start_nanosecond: int, frequencies: list[float], elements: Elements) -> None:
        """The truth of a sweep: the state it started from."""
        if not frequencies:
            return
        self._truth.append(
            {
                "kind": "impedance",
                "channel": self.name,
                "cell": self.cell_name,
                "technique": technique,
                "start_unix_time_nanosecond": start_nanosecond,
                "end_unix_time_nanosecond": self.now_nanosecond,
                "point_count": len(frequencies),
                "frequency_max_hertz": max(frequencies),
                "frequency_min_hertz": min(frequencies),
                **_resistances(elements),
                "arcs": {
                    arc.name: {"resistance_ohm": arc.ohm, "time_constant_second": arc.second, "exponent": arc.exponent}
                    for arc in elements.arcs
                },
            }
        )


def _resistances(elements: Elements) -> dict[str, Value]:
    return {
        "series_resistance_ohm": elements.series_ohm,
        "interface_resistance_ohm": elements.interface_ohm,
        "charge_transfer_resistance_ohm": sum(arc.ohm for arc in elements.arcs if arc.name.endswith("charge_transfer")),
        "film_resistance_ohm": sum(arc.ohm for arc in elements.arcs if arc.name.endswith("film")),
        "layer_resistance_ohm": sum(arc.ohm for arc in elements.arcs if arc.name.endswith("layers")),
        "diffusion_resistance_ohm": elements.diffusion_ohm,
    }
